"""Fewer steps of a function of time, and none of its extremes lost.

The time is cut into stretches of equal length, and of each that has too many steps four cuts stay: where its lowest and
its highest piece begin and end. So a short dip keeps its depth, its instant and its length, however long the run is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple, TypeVar


class Piece(NamedTuple):
    """A function is at `level` during `[start, end)`; `nth` is its place among the pieces that were given."""

    start: int
    end: int
    level: int
    nth: int


def pieces_of(times: Sequence[int], levels: Sequence[int], end: int) -> list[Piece]:
    """`levels[i]` from `times[i]` on, the last to `end`."""
    ends = [*times[1:], end]
    return [Piece(a, b, level, i) for i, (a, b, level) in enumerate(zip(times, ends, levels, strict=True))]


def thinned(pieces: Sequence[Piece], most: int) -> list[Sequence[Piece]]:
    """The pieces in runs, each to be drawn as one; at most `most` (5 or more) of them, in order and without a gap.

    All pieces stay single where they are few enough. Otherwise the stretches are as short as `most` allows.
    """
    if len(pieces) <= most:
        return [[piece] for piece in pieces]
    start, end = pieces[0].start, pieces[-1].end
    count = most
    while True:
        runs = _runs(pieces, start, -(-(end - start) // count) or 1)
        if len(runs) <= most:
            return runs
        count //= 2


def _runs(pieces: Sequence[Piece], start: int, length: int) -> list[Sequence[Piece]]:
    """Stretches of `length`, each a run or, with its extremes apart, up to five."""
    return [
        run for _, stretch in groupby(pieces, lambda piece: (piece.start - start) // length) for run in _apart(stretch)
    ]


def _apart(stretch: Iterable[Piece]) -> Iterable[Sequence[Piece]]:
    pieces = list(stretch)
    lowest = min(range(len(pieces)), key=lambda i: pieces[i].level)
    highest = max(range(len(pieces)), key=lambda i: pieces[i].level)
    cuts = sorted({0, lowest, lowest + 1, highest, highest + 1, len(pieces)})
    return [pieces[a:b] for a, b in pairwise(cuts)]


T = TypeVar("T")


def spread(items: Sequence[T], most: int) -> list[T]:
    """At most `most` of the items, evenly spread over their order, with the first and the last."""
    if len(items) <= most:
        return list(items)
    if most < 2:
        return list(items[:most])
    return [items[i * (len(items) - 1) // (most - 1)] for i in range(most)]
