"""Captured sessions: an HTTP Archive with the WebSocket messages that a browser sent, as a script for a client.

A message is sent as it was captured, byte for byte, and so long after the one before as it was then. Only where a text
of `replace` is in it is it taken apart. What the server said then is not compared: the protocol's own streams and
patterns say what its messages are.
"""

from __future__ import annotations

import base64
import binascii
from itertools import pairwise
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec

from chaosrun.errors import UsageError
from chaosrun.spec.protocol import Protocol, Stream
from chaosrun.spec.reading import Unreadable, read_file
from chaosrun.spec.session import Replay, Session, Turn

_MOST_BYTES: Final = 64 << 20
_MOST_MESSAGES: Final = 10_000
_TEXT, _BINARY = 1, 2


class _Message(msgspec.Struct, frozen=True):
    type: str
    time: float
    """Seconds of Unix time."""
    opcode: int
    data: str
    """In base64 where the frame was binary."""


class _Request(msgspec.Struct, frozen=True):
    url: str


class _Entry(msgspec.Struct, frozen=True):
    request: _Request
    messages: tuple[_Message, ...] = msgspec.field(default=(), name="_webSocketMessages")


class _Log(msgspec.Struct, frozen=True):
    entries: tuple[_Entry, ...]


class _Archive(msgspec.Struct, frozen=True):
    log: _Log


def played(protocol: Protocol) -> Protocol:
    """The protocol with its captured session as a script; itself where it has none.

    Raises:
        UsageError: the archive cannot be read, or does not hold one session that can be sent.
    """
    if protocol.replay is None:
        return protocol
    replay = protocol.replay
    entry = _entry(replay)
    sent = [message for message in entry.messages if message.type == "send"]
    kinds = {message.opcode for message in sent}
    if not kinds <= {_TEXT, _BINARY} or len(kinds) != 1:
        raise UsageError(f"{replay.har}: text and binary messages are mixed in one session, which is not replayed")
    if len(sent) > _MOST_MESSAGES:
        raise UsageError(f"{replay.har}: {len(sent)} messages were sent; at most {_MOST_MESSAGES} are replayed")
    times = [entry.messages[0].time, *(message.time for message in sent)]
    turns = tuple(
        Turn(name=f"message-{number}", send=_send(message, replay, protocol), think=f"{max(0, round((b - a) * 1e9))}ns")  # type: ignore[arg-type]  # as a user writes it
        for number, (message, (a, b)) in enumerate(zip(sent, pairwise(times), strict=True), 1)
    )
    changes: dict[str, object] = {
        "replay": None,
        "session": Session(steps=turns, repeat=replay.repeat, then=replay.then),
        "frame": protocol.frame or ("binary" if kinds == {_BINARY} else "text"),
    }
    if protocol.path is None:
        changes |= _path(entry.request.url)
    if not protocol.all_streams():
        changes["stream"] = Stream(match={} if protocol.encoding == "json" else ".", order="none")
    return protocol.model_copy(update=changes)


def _entry(replay: Replay) -> _Entry:
    """The captured connection that is meant: the only one that sent anything, of those that `url` names."""
    try:
        archive = msgspec.json.decode(read_file(replay.har, _MOST_BYTES), type=_Archive)
    except Unreadable as error:
        raise UsageError(f"cannot read {replay.har}: {error}") from None
    except msgspec.MsgspecError as error:
        raise UsageError(f"cannot read {replay.har}: it is no HTTP Archive: {error}") from None
    found = [
        entry
        for entry in archive.log.entries
        if any(message.type == "send" for message in entry.messages) and (replay.url or "") in entry.request.url
    ]
    if len(found) == 1:
        return found[0]
    of = f" to an address with {replay.url!r}" if replay.url is not None else ""
    if not found:
        raise UsageError(f"{replay.har}: no WebSocket connection{of} sent anything; capture it with its messages")
    seen = ", ".join(sorted({urlsplit(entry.request.url).path for entry in found}))
    raise UsageError(f"{replay.har}: {len(found)} WebSocket connections{of}; name one by `url`, a part of it: {seen}")


def _path(url: str) -> dict[str, object]:
    """The captured address, without its host; its query may hold what belongs to somebody, and stays in the archive."""
    return {"path": unquote(urlsplit(url).path)}


def _send(message: _Message, replay: Replay, protocol: Protocol) -> Any:
    data = message.data
    if message.opcode == _BINARY:
        try:
            return {"hex": base64.b64decode(data, validate=True).hex()}
        except binascii.Error:
            raise UsageError(f"{replay.har}: a binary message is not in base64, as such an archive has it") from None
    if not any(old in data for old in replay.replace):
        return {"hex": data.encode().hex()}
    if protocol.encoding != "json":
        return _replaced(data, replay)
    try:
        return _in_strings(msgspec.json.decode(data), replay)
    except msgspec.MsgspecError:
        text = "a message with a text of `replace` is not JSON; write `encoding: text`"
        raise UsageError(f"{replay.har}: {text}") from None


def _in_strings(value: Any, replay: Replay) -> Any:
    if isinstance(value, str):
        return _replaced(value, replay)
    if isinstance(value, dict):
        return {key: _in_strings(item, replay) for key, item in value.items()}
    if isinstance(value, list):
        return [_in_strings(item, replay) for item in value]
    return value


def _replaced(text: str, replay: Replay) -> str:
    """With the braces of the capture as literal ones, and the placeholders of `replace` as what they are."""
    text = text.replace("{", "{{").replace("}", "}}")
    for old, new in replay.replace.items():
        text = text.replace(old.replace("{", "{{").replace("}", "}}"), new)
    return text
