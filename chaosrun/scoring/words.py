"""Values in words: a number with its unit, as a person would write it."""

from __future__ import annotations

from typing import Literal, Protocol

Unit = Literal["s", "ratio", "count", "1/s", "bytes"]
"""SI base units, and shares of 1. What a criterion's limit, a metric and the result have in common."""

_DURATIONS = ((1.0, 1.0, "s"), (1e-3, 1e-3, "ms"), (1e-6, 1e-6, "us"), (0.0, 1e-9, "ns"))
_SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))


def show(value: float, unit: str) -> str:
    """`0.0123, "s"` is "12.3 ms", `0.005, "ratio"` is "0.5%"."""
    match unit:
        case "s":
            return _duration(value)
        case "ratio":
            return f"{_digits(value * 100)}%"
        case "bytes":
            return _size(value)
        case "1/s":
            return f"{_digits(value)}/s"
        case _:
            return _digits(value)


class Recovered(Protocol):
    """What a run, or a row that tells of one, knows of its recovery."""

    @property
    def absorbed(self) -> bool | None: ...
    @property
    def ttr_s(self) -> float | None: ...
    @property
    def ttr_above_s(self) -> float | None: ...


def how_it_recovered(run: Recovered) -> str:
    """In a few words; empty where nothing is known of it."""
    if run.absorbed:
        return "no impact"
    if run.ttr_s is not None:
        return f"recovered in {show(run.ttr_s, 's')}"
    return "" if run.ttr_above_s is None else f"not recovered within {show(run.ttr_above_s, 's')}"


def _duration(value: float) -> str:
    if value == 0:
        return "0 s"
    for least, factor, name in _DURATIONS:
        # Rounding to three digits may carry into the next unit: 0.9996 s reads "1 s".
        if round(abs(value), 12) >= least * 0.9995:
            return f"{_digits(value / factor)} {name}"
    return "0 s"


def _size(value: float) -> str:
    for factor, name in _SIZES:
        if abs(value) >= factor:
            return f"{_digits(value / factor)} {name}"
    return f"{_digits(value)} B"


def _digits(value: float) -> str:
    """Three significant digits; whole numbers in full."""
    if value == int(value):
        return str(int(value))
    return str(round(value)) if abs(value) >= 1000 else f"{value:.3g}"
