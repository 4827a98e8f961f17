"""How a declared protocol reads messages: from a frame to something whose fields can be looked up by path.

JSON objects are decoded into a Struct made for the protocol, with only the top-level fields that it looks at: the
rest is skipped by the decoder, which is what makes a declared stream nearly as cheap as a built-in one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, Final

import msgspec

from chaosrun.protocols._base import Data

MISSING: Final = msgspec.UNSET
"""What looking up a path gives when there is nothing: not the same as null."""

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading raises of a message that is none; the last one of one that is nested too deeply."""

Get = Callable[[Any], Any]


def segments(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


def walk(value: Any, path: Iterable[str]) -> Any:
    """The value at a path: keys of mappings, integers as indices of lists; MISSING if it leads nowhere."""
    for segment in path:
        if isinstance(value, dict):
            value = value.get(segment, MISSING)
        elif isinstance(value, list) and segment.lstrip("-").isdigit() and int(segment) < len(value):
            value = value[int(segment)]
        else:
            return MISSING
    return value


class Reader:
    """Reads frames as built-in values: for text, binary and JSON that is not an object."""

    def __init__(self, encoding: str) -> None:
        self.read: Callable[[Data], Any]
        match encoding:
            case "json":
                self.read = msgspec.json.decode
            case "text":
                self.read = _text
            case _:
                self.read = bytes

    def getter(self, path: str) -> Get:
        """A function from a message to what is at the path."""
        way = segments(path)
        return lambda message: walk(message, way)


class ObjectReader(Reader):
    """Reads JSON objects of which only the fields in `tops` matter."""

    def __init__(self, tops: Iterable[str]) -> None:
        super().__init__("json")
        self._attributes = {top: f"f{place}" for place, top in enumerate(sorted(set(tops)))}
        fields = [(attribute, Any, MISSING) for attribute in self._attributes.values()]
        names = {attribute: top for top, attribute in self._attributes.items()}
        made = msgspec.defstruct("Message", fields, rename=names, gc=False)
        self.read = msgspec.json.Decoder(made).decode

    def getter(self, path: str) -> Get:
        top, *way = segments(path)
        get = attrgetter(self._attributes[top])
        if not way:
            return get
        return lambda message: walk(get(message), way)


def _text(data: Data) -> str:
    return str(data, "utf-8")
