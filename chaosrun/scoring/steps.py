"""Step functions of run time with integer values: sessions, usable and planned clients."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

Interval = tuple[int, int]
"""Half-open `[start, end)` in ns."""


class Steps:
    """A function of time (ns) that is 0 before its first step and keeps each value up to the next step.

    A step at `t` counts from `t` on. Integrals are exact integers (ns x value).
    """

    __slots__ = ("_times", "_values")

    def __init__(self, times: list[int], values: list[int]) -> None:
        """`times` ascending; `values[i]` holds from `times[i]` on."""
        self._times = times
        self._values = values

    @classmethod
    def from_deltas(cls, deltas: Iterable[tuple[int, int]]) -> Steps:
        """From changes `(t, by how much)` in any order; changes at one instant are added up."""
        changes: dict[int, int] = {}
        for t, delta in deltas:
            changes[t] = changes.get(t, 0) + delta
        times: list[int] = []
        values: list[int] = []
        value = 0
        for t in sorted(changes):
            if changes[t]:
                value += changes[t]
                times.append(t)
                values.append(value)
        return cls(times, values)

    @classmethod
    def counting(cls, intervals: Iterable[Interval]) -> Steps:
        """How many of the intervals hold at each instant."""
        return cls.from_deltas(delta for a, b in intervals if a < b for delta in ((a, 1), (b, -1)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Steps) and (self._times, self._values) == (other._times, other._values)

    def __hash__(self) -> int:
        return hash((tuple(self._times), tuple(self._values)))

    def __repr__(self) -> str:
        return f"Steps({list(zip(self._times, self._values, strict=True))})"

    def at(self, t: int) -> int:
        """The value at `t`."""
        i = bisect_right(self._times, t)
        return self._values[i - 1] if i else 0

    def pieces(self, a: int, b: int) -> Iterator[tuple[int, int, int]]:
        """`(start, end, value)` of every constant piece inside `[a, b)`; none where `b <= a`."""
        if b <= a:
            return
        i = bisect_right(self._times, a)
        j = bisect_right(self._times, b - 1)
        value = self._values[i - 1] if i else 0
        start = a
        for k in range(i, j):
            yield start, self._times[k], value
            start, value = self._times[k], self._values[k]
        yield start, b, value

    def integral(self, a: int, b: int) -> int:
        """Sum of value x ns over `[a, b)`."""
        return sum((end - start) * value for start, end, value in self.pieces(a, b))

    def minimum(self, a: int, b: int) -> int | None:
        """Smallest value in `[a, b)`; None where it is empty."""
        return min((value for _, _, value in self.pieces(a, b)), default=None)

    def maximum(self, a: int, b: int) -> int | None:
        """Largest value in `[a, b)`; None where it is empty."""
        return max((value for _, _, value in self.pieces(a, b)), default=None)

    @property
    def times(self) -> list[int]:
        """The instants at which the value changes."""
        return self._times

    def where(self, holds: Callable[[int], bool], a: int, b: int) -> list[Interval]:
        """The maximal intervals inside `[a, b)` over which `holds(value)` is true."""
        return merged((start, end) for start, end, value in self.pieces(a, b) if holds(value))


def where_both(first: Steps, second: Steps, holds: Callable[[int, int], bool], a: int, b: int) -> list[Interval]:
    """The maximal intervals inside `[a, b)` over which `holds(first, second)` is true of the two values."""
    inside = {t for steps in (first, second) for t in steps.times if a < t < b}
    cuts = [a, *sorted(inside), b] if a < b else []
    return merged((s, e) for s, e in pairwise(cuts) if holds(first.at(s), second.at(s)))


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """The union of intervals in any order as disjoint ones that do not touch; empty ones vanish."""
    out: list[Interval] = []
    for start, end in sorted(intervals):
        if end <= start:
            continue
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((start, end))
    return out


def clipped(intervals: Iterable[Interval], a: int, b: int) -> list[Interval]:
    """What of the intervals lies inside `[a, b)`."""
    return [(max(s, a), min(e, b)) for s, e in intervals if max(s, a) < min(e, b)]


def shared(first: Sequence[Interval], second: Sequence[Interval]) -> list[Interval]:
    """What both have in common; the intervals of each ascend and are disjoint."""
    found: list[Interval] = []
    i = j = 0
    while i < len(first) and j < len(second):
        start, end = max(first[i][0], second[j][0]), min(first[i][1], second[j][1])
        if start < end:
            found.append((start, end))
        if first[i][1] < second[j][1]:
            i += 1
        else:
            j += 1
    return found


def outside(intervals: Iterable[Interval], a: int, b: int) -> list[Interval]:
    """What of `[a, b)` the intervals leave free."""
    gaps: list[Interval] = []
    at = a
    for start, end in merged(clipped(intervals, a, b)):
        if at < start:
            gaps.append((at, start))
        at = end
    if at < b:
        gaps.append((at, b))
    return gaps
