"""Results and pictures with every text in them fit to be read."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from chaosrun.reports._safe_text import clean

S = TypeVar("S", bound=msgspec.Struct)


def cleaned(struct: S) -> S:
    """The same with every text in it cleaned, names and reasons of others included."""
    return msgspec.convert(_cleaned(msgspec.to_builtins(struct)), type(struct))


def _cleaned(value: Any) -> Any:
    match value:
        case str():
            return clean(value)
        case dict():
            return {clean(key): _cleaned(item) for key, item in value.items()}
        case list() | tuple():
            return [_cleaned(item) for item in value]
        case _:
            return value
