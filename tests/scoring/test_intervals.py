"""Interval sets behave as sets of integers, and stay as small as their gaps."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from chaosrun.scoring.intervals import IntervalSet

RANGES = st.lists(st.tuples(st.integers(0, 60), st.integers(-3, 12)).map(lambda each: (each[0], each[0] + each[1])))


def plain(ranges: list[tuple[int, int]]) -> set[int]:
    return {number for first, last in ranges for number in range(first, last + 1)}


@given(RANGES)
def test_it_holds_what_was_added_in_any_order(ranges: list[tuple[int, int]]) -> None:
    made = IntervalSet(ranges)
    assert list(made.numbers()) == sorted(plain(ranges))
    assert len(made) == len(plain(ranges))
    assert bool(made) == bool(plain(ranges))
    assert (made.first, made.last) == (min(plain(ranges), default=None), max(plain(ranges), default=None))


@given(RANGES)
def test_its_intervals_neither_touch_nor_overlap(ranges: list[tuple[int, int]]) -> None:
    intervals = list(IntervalSet(ranges))
    assert all(first <= last for first, last in intervals)
    assert all(one[1] + 1 < other[0] for one, other in pairwise(intervals))


@given(RANGES, st.tuples(st.integers(0, 60), st.integers(0, 20)))
def test_adding_tells_what_is_new(ranges: list[tuple[int, int]], more: tuple[int, int]) -> None:
    made, first, last = IntervalSet(ranges), more[0], more[0] + more[1]
    assert plain(list(made.add(first, last))) == plain([(first, last)]) - plain(ranges)


@given(RANGES, RANGES)
def test_union_intersection_and_difference_are_those_of_sets(
    one: list[tuple[int, int]], other: list[tuple[int, int]]
) -> None:
    a, b = IntervalSet(one), IntervalSet(other)
    assert a | b == IntervalSet.of(plain(one) | plain(other))
    assert a & b == IntervalSet.of(plain(one) & plain(other))
    assert a - b == IntervalSet.of(plain(one) - plain(other))


@given(RANGES, st.integers(-5, 80))
def test_membership_is_that_of_a_set(ranges: list[tuple[int, int]], number: int) -> None:
    assert (number in IntervalSet(ranges)) == (number in plain(ranges))


@given(RANGES, st.integers(0, 60), st.integers(0, 20))
def test_within_and_holes_share_a_range_out(ranges: list[tuple[int, int]], first: int, size: int) -> None:
    made, last = IntervalSet(ranges), first + size
    inside, outside = made.within(first, last), IntervalSet(made.holes(first, last))
    assert set(inside.numbers()) == plain(ranges) & plain([(first, last)])
    assert inside | outside == IntervalSet([(first, last)])
    assert not inside & outside


def test_memory_goes_by_gaps() -> None:
    made = IntervalSet()
    for number in range(100_000):
        if number % 10_000:
            made.add(number, number)
    assert len(list(made)) == 10


def test_what_is_no_integer_is_in_no_set() -> None:
    assert "1" not in IntervalSet([(1, 2)])
    assert IntervalSet([(1, 2)]) != {1, 2}


def test_it_shows_its_intervals() -> None:
    assert repr(IntervalSet([(1, 2), (5, 5)])) == "IntervalSet([(1, 2), (5, 5)])"
