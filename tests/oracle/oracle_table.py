"""Readings as a table for people: a line for each quantity."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from oracle_row import Reading

WIDTHS = (34, 7, 11, 11, 17, 7, 9, 5)
HEADER = ("quantity", "count", "median", "worst", "bound", "unit", "flagged", "out")


def table(readings: Sequence[Reading]) -> Iterator[str]:
    yield _line(HEADER)
    by_what: dict[str, list[Reading]] = {}
    for reading in readings:
        by_what.setdefault(reading.what, []).append(reading)
    for what, own in by_what.items():
        errors = [reading.error for reading in own]
        yield _line(
            (
                what,
                len(own),
                f"{statistics.median(errors):.4g}",
                f"{max(errors):.4g}",
                _range([reading.bound for reading in own]),
                own[0].unit,
                sum(reading.flagged for reading in own),
                sum(reading.is_out for reading in own),
            )
        )


def _range(bounds: Sequence[float]) -> str:
    """Most bounds are the same for all; those by the lag of the load are not."""
    low, high = f"{min(bounds):.3g}", f"{max(bounds):.3g}"
    return low if low == high else f"{low}..{high}"


def _line(cells: Sequence[object]) -> str:
    first, *rest = (str(cell) for cell in cells)
    return f"  {first:<{WIDTHS[0]}}" + "".join(f"{cell:>{width}}" for cell, width in zip(rest, WIDTHS[1:], strict=True))
