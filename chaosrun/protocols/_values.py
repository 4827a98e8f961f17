"""Values as messages carry them: numbers that a record can hold and names that a person can read. Anything else is
none, whatever a server sends."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

LARGEST: Final = (1 << 63) - 2
"""Rows hold 64 bits; their extremes have meanings of their own."""

LONGEST_NAME: Final = 256
"""Characters of a channel's or an epoch's name."""

LONGEST_NUMBER: Final = 40
"""Characters of a number that stands in a text."""

FAREST_NS: Final = 1 << 62
"""146 years: no clock that a message speaks of is further from the run."""

Whole = Annotated[int, msgspec.Meta(ge=-LARGEST, le=LARGEST)]
Name = Annotated[str, msgspec.Meta(max_length=LONGEST_NAME)]


def integer(value: Any) -> int | None:
    """A sequence number: an integer (never a bool), or its digits in a text."""
    if type(value) is int:
        return value if -LARGEST <= value <= LARGEST else None
    if isinstance(value, str) and len(value) <= LONGEST_NUMBER and value.isascii() and value.isdigit():
        return integer(int(value))
    return None


def nanoseconds(value: Any, unit_ns: int) -> int | None:
    """A time in units of `unit_ns`, which may have a fraction and may stand in a text."""
    if isinstance(value, str) and len(value) <= LONGEST_NUMBER:
        try:
            value = int(value) if value.isascii() and value.isdigit() else float(value)
        except ValueError:
            return None
    if type(value) is not int and type(value) is not float:
        return None
    # What is not a number at all (NaN) is not within either.
    return int(value * unit_ns) if -FAREST_NS < value * unit_ns < FAREST_NS else None


def name(value: Any) -> str | None:
    """What a channel or an epoch is called: a short text, or a number as it is written."""
    if type(value) is str:
        return value if len(value) <= LONGEST_NAME else None
    if type(value) is int:
        return str(value) if -LARGEST <= value <= LARGEST else None
    return str(value) if isinstance(value, float | bool) else None
