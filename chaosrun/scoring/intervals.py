"""Sets of integers kept as intervals, so that what a client received costs memory by its gaps, not by its messages."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Interval = tuple[int, int]
"""`(first, last)`, both inside."""


class IntervalSet:
    """A set of integers as disjoint intervals, the shortest list of them, in rising order.

    `len` counts integers and `iter` yields intervals. Adding in rising order costs a comparison or two; anything else
    a binary search and the shift of a list as long as the number of gaps.
    """

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, intervals: Iterable[Interval] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in intervals:
            self.add(first, last)

    @classmethod
    def of(cls, numbers: Iterable[int]) -> IntervalSet:
        """The set of single `numbers`, in any order."""
        return cls((number, number) for number in sorted(numbers))

    def add(self, first: int, last: int) -> tuple[Interval, ...]:
        """Put `first..last` in, and tell what of it is new, in rising order; nothing where last < first."""
        if last < first:
            return ()
        firsts, lasts = self._firsts, self._lasts
        if not lasts or first > lasts[-1] + 1:
            firsts.append(first)
            lasts.append(last)
            return ((first, last),)
        if first == lasts[-1] + 1:
            lasts[-1] = last
            return ((first, last),)
        new = tuple(self.holes(first, last))
        if new:
            # All intervals that overlap or touch first..last become one.
            left, right = bisect_left(lasts, first - 1), bisect_right(firsts, last + 1)
            firsts[left:right] = [min(first, firsts[left])] if left < right else [first]
            lasts[left:right] = [max(last, lasts[right - 1])] if left < right else [last]
        return new

    def holes(self, first: int, last: int) -> Iterator[Interval]:
        """The parts of `first..last` that are not in the set, in rising order."""
        for index in range(bisect_left(self._lasts, first), len(self._lasts)):
            if self._firsts[index] > last:
                break
            if first < self._firsts[index]:
                yield first, self._firsts[index] - 1
            first = self._lasts[index] + 1
        if first <= last:
            yield first, last

    def within(self, first: int, last: int) -> IntervalSet:
        """The part of the set in `first..last`."""
        part = IntervalSet()
        for index in range(bisect_left(self._lasts, first), bisect_right(self._firsts, last)):
            part.add(max(first, self._firsts[index]), min(last, self._lasts[index]))
        return part

    @property
    def first(self) -> int | None:
        """The lowest number; None in an empty set."""
        return self._firsts[0] if self._firsts else None

    @property
    def last(self) -> int | None:
        """The highest number; None in an empty set."""
        return self._lasts[-1] if self._lasts else None

    def numbers(self) -> Iterator[int]:
        """Every integer, in rising order."""
        for first, last in self:
            yield from range(first, last + 1)

    def __or__(self, other: IntervalSet) -> IntervalSet:
        return IntervalSet(sorted((*self, *other)))

    def __and__(self, other: IntervalSet) -> IntervalSet:
        both = IntervalSet()
        few, many = sorted((self, other), key=lambda each: len(each._firsts))
        for first, last in few:
            for part in many.within(first, last):
                both.add(*part)
        return both

    def __sub__(self, other: IntervalSet) -> IntervalSet:
        return IntervalSet(hole for first, last in self for hole in other.holes(first, last))

    def __contains__(self, number: object) -> bool:
        if not isinstance(number, int):
            return False
        index = bisect_left(self._lasts, number)
        return index < len(self._lasts) and self._firsts[index] <= number

    def __len__(self) -> int:
        return sum(self._lasts) - sum(self._firsts) + len(self._firsts)

    def __bool__(self) -> bool:
        return bool(self._firsts)

    def __iter__(self) -> Iterator[Interval]:
        return zip(self._firsts, self._lasts, strict=True)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, IntervalSet):
            return NotImplemented
        return self._firsts == other._firsts and self._lasts == other._lasts

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"IntervalSet({list(self)})"
