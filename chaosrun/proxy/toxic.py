"""What a toxic is to the API: a name, a type, a direction, a share of the connections, attributes."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from chaosrun.proxy.problem import Problem, decoded
from chaosrun.proxy.toxics import TYPES, Attributes

Stream: TypeAlias = Literal["upstream", "downstream"]
"""From the client to the service, or back."""

STREAMS: tuple[Stream, ...] = ("upstream", "downstream")


class Toxic(msgspec.Struct, frozen=True, kw_only=True):
    """One toxic of one proxy."""

    name: str
    type: str
    stream: Stream
    toxicity: float
    """The share of the connections that it affects."""
    attributes: Attributes


class _New(msgspec.Struct):
    name: str = ""
    type: str = ""
    stream: str = "downstream"
    toxicity: float = 1.0
    attributes: dict[str, Any] = {}


class _Change(msgspec.Struct):
    toxicity: float
    attributes: dict[str, Any] = {}


def new_toxic(body: bytes) -> Toxic:
    """From the body of a request. Raises `Problem`, as the original does in wording and order."""
    given = decoded(body, _New)
    stream = next((each for each in STREAMS if each == given.stream.lower()), None)
    if stream is None:
        raise Problem(400, "stream was invalid, can be either upstream or downstream")
    if given.type not in TYPES:
        raise Problem(400, "invalid toxic type")
    return Toxic(
        name=given.name or f"{given.type}_{given.stream}",
        type=given.type,
        stream=stream,
        toxicity=given.toxicity,
        attributes=decoded(msgspec.json.encode(given.attributes), TYPES[given.type]),
    )


def changed_toxic(toxic: Toxic, body: bytes) -> Toxic:
    """With what the body of a request gives; the rest stays. Raises `Problem`, and then nothing has changed."""
    given = decoded(body, _Change, toxicity=toxic.toxicity)
    attributes = msgspec.to_builtins(toxic.attributes)
    return msgspec.structs.replace(
        toxic,
        toxicity=given.toxicity,
        attributes=decoded(msgspec.json.encode(given.attributes), TYPES[toxic.type], **attributes),
    )
