"""Quantities with units: from the text of a YAML leaf to an exact number in the base unit, and back.

Durations become integer nanoseconds, ratios floats (1 = 100 %), sizes integer bytes, rates floats per second. The
arithmetic is done on fractions, so that nothing is rounded on the way. A wrong quantity raises `UnitError`, whose
text names the value and what would be right.
"""

from __future__ import annotations

import itertools
import re
from decimal import Decimal
from fractions import Fraction

NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
BYTES = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
MULTIPLES = {"": 1, "k": 10**3, "M": 10**6}

_NUMBER = r"[0-9]{1,20}(?:\.[0-9]{1,40})?"
_DURATION_PART = re.compile(rf"({_NUMBER})(ns|us|µs|ms|s|m|h|d)")
_PERCENT = re.compile(rf"({_NUMBER})\s?%")
_SIZE = re.compile(rf"({_NUMBER})\s?([A-Za-z]+)")
_RATE = re.compile(rf"({_NUMBER})([kM]?)/({_NUMBER})?(ns|us|µs|ms|s|m|h|d)")
_LARGEST = 2**63 - 1
_LONGEST_NS = 366 * NANOSECONDS["d"]
_LONGEST_TEXT = 100
_MOST_PER_S = 10**9


class UnitError(ValueError):
    """A quantity that cannot be understood; the text says what would be right."""


def duration_ns(value: object) -> int:
    """`300ms`, `1m30s`, `1.5h` as nanoseconds; units go from large to small, each at most once."""
    text = _text(value, "s")
    parts = _DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise UnitError(f"{value!r} is not a duration; write 300ms, 30s or 1m30s")
    scales = [NANOSECONDS[unit] for _, unit in parts]
    if any(later >= earlier for earlier, later in itertools.pairwise(scales)):
        raise UnitError(f"{value!r}: the units of a duration go from large to small, as in 1h30m10s")
    total = sum((Fraction(number) * scale for (number, _), scale in zip(parts, scales, strict=True)), Fraction(0))
    if total > _LONGEST_NS:
        raise UnitError(f"{value!r} is longer than a year; at most {format_duration(_LONGEST_NS)}")
    return _whole(total, value, "a nanosecond")


def ratio(value: object) -> float:
    """`0.5%` or `0.005` as a share of 1. Percentages above 100 are allowed; a bare number above 1 is not."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if 0 <= value <= 1:
            return float(value)
        raise UnitError(f"{value!r} is not a ratio; write {value!r}% or a number between 0 and 1")
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise UnitError(f"{value!r} is not a ratio; write 0.5% or 0.005")
    return float(Fraction(match[1]) / 100)


def size_bytes(value: object) -> int:
    """`12GB` (powers of 1000) or `512MiB` (powers of 1024) as bytes."""
    text = _text(value, "MB")
    match = _SIZE.fullmatch(text)
    if match is None:
        raise UnitError(f"{value!r} is not a size; write 512MiB or 12GB")
    scale = BYTES.get(match[2])
    if scale is None:
        meant = next((unit for unit in BYTES if unit.lower() == match[2].lower()), None)
        raise UnitError(
            f"{value!r}: no unit {match[2]!r}; " + (f"did you mean {meant}?" if meant else "known: " + ", ".join(BYTES))
        )
    return _whole(Fraction(match[1]) * scale, value, "a byte")


def rate_per_s(value: object) -> float:
    """`2/s`, `1/30s`, `10k/s` as events per second; never 0."""
    match = _RATE.fullmatch(_text(value, "/s"))
    if match is None:
        raise UnitError(f"{value!r} is not a rate; write 2/s, 1/30s or 10k/s")
    events = Fraction(match[1]) * MULTIPLES[match[2]]
    span = Fraction(match[3] or "1") * NANOSECONDS[match[4]]
    if not events or not span:
        raise UnitError(f"{value!r} is not a rate above 0; write 1/s, or `none` for no requests")
    if span > _LONGEST_NS * events:
        raise UnitError(f"{value!r} is less than once a year; write a faster rate, or `none` for no requests")
    if events * 10**9 > _MOST_PER_S * span:
        raise UnitError(f"{value!r} is more than once a nanosecond; write a slower rate")
    return float(events * 10**9 / span)


def period_ns(per_second: float) -> int:
    """The time between two events of a rate, to the nearest nanosecond."""
    return max(1, round(Fraction(10**9) / Fraction(per_second).limit_denominator(10**12)))


def format_duration(ns: int) -> str:
    """The shortest exact text of one unit that `duration_ns` reads back: `1500ms`, `90s`, `2h`."""
    for unit in ("d", "h", "m", "s", "ms", "us"):
        if ns and ns % NANOSECONDS[unit] == 0:
            # 90s and 2m say more to a reader than 5400s and 1.5m: a larger unit only for whole numbers of it
            return f"{ns // NANOSECONDS[unit]}{unit}"
    return f"{ns}ns" if ns else "0s"


def format_at_least(ns: int) -> str:
    """A duration of three digits that is not below `ns`, as text: 3333333 ns is `3340us`."""
    step: int = 10 ** max(0, len(str(ns)) - 3)
    return format_duration(-(-ns // step) * step)


def format_rate(per_second: float) -> str:
    """Events per second as text that `rate_per_s` reads back to the same float."""
    return f"{Decimal(repr(per_second)):f}/s"


def format_size(count: int) -> str:
    """The largest unit that holds `count` exactly: `12GB`, `512MiB`."""
    scale, unit = max((scale, unit) for unit, scale in BYTES.items() if count % scale == 0 and unit != "KB")
    return f"{count // scale}{unit}" if count else "0B"


def _text(value: object, unit: str) -> str:
    """`value` if it is text; a bare number is refused with the unit it lacks."""
    if isinstance(value, str):
        if len(value) > _LONGEST_TEXT:
            raise UnitError(f"{value[:20]!r}... has {len(value)} characters; write a quantity such as 30{unit}")
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        # Whoever writes 500 for a duration mostly means milliseconds, as most programs count them.
        meant = f"{value!r}ms or {value!r}s" if unit == "s" and value >= 100 else f"{value!r}{unit}"
        raise UnitError(f"{value!r} is a bare number; write {meant}")
    raise UnitError(f"{_kind(value)} stands where a quantity is needed; write for example 30{unit}")


def _kind(value: object) -> str:
    """What a YAML value is, in words."""
    kinds = {bool: "true or false", dict: "a mapping", list: "a list", type(None): "null"}
    return kinds.get(type(value), "a secret")


def _whole(amount: Fraction, value: object, smallest: str) -> int:
    if amount.denominator != 1:
        raise UnitError(f"{value!r} is finer than {smallest}; write fewer decimals")
    if amount > _LARGEST:
        raise UnitError(f"{value!r} is too large")
    return int(amount)
