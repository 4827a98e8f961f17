"""Step functions and intervals."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chaosrun.scoring.steps import Steps, clipped, merged, outside, shared, where_both

intervals = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=12)


def test_a_step_counts_from_its_own_instant_on() -> None:
    steps = Steps.from_deltas([(10, 2), (20, -1)])
    assert [steps.at(t) for t in (9, 10, 19, 20, 10**18)] == [0, 2, 2, 1, 1]


def test_changes_of_one_instant_are_added_and_may_cancel() -> None:
    assert Steps.from_deltas([(5, 1), (5, -1), (7, 3)]) == Steps.from_deltas([(7, 3)])


def test_pieces_are_cut_at_the_borders_asked_for() -> None:
    steps = Steps.from_deltas([(10, 2), (20, -1)])
    assert list(steps.pieces(5, 25)) == [(5, 10, 0), (10, 20, 2), (20, 25, 1)]
    assert list(steps.pieces(10, 20)) == [(10, 20, 2)]
    assert list(steps.pieces(12, 12)) == []


def test_an_integral_minimum_and_maximum_over_nothing_are_zero_and_unknown() -> None:
    steps = Steps.from_deltas([(0, 1)])
    assert (steps.integral(3, 3), steps.minimum(3, 3), steps.maximum(3, 2)) == (0, None, None)


def test_intervals_that_touch_become_one() -> None:
    assert merged([(5, 7), (1, 3), (3, 5), (9, 9)]) == [(1, 7)]
    assert clipped([(1, 7)], 2, 4) == [(2, 4)]
    assert outside([(1, 3), (5, 6)], 0, 8) == [(0, 1), (3, 5), (6, 8)]


@given(intervals, st.integers(0, 60), st.integers(0, 60))
def test_everything_equals_counting_instant_by_instant(spans: list[tuple[int, int]], a: int, b: int) -> None:
    steps = Steps.counting(spans)
    values = [sum(s <= t < e for s, e in spans) for t in range(a, b)]
    assert [steps.at(t) for t in range(a, b)] == values
    assert steps.integral(a, b) == sum(values)
    assert steps.minimum(a, b) == min(values, default=None)
    assert steps.maximum(a, b) == max(values, default=None)
    covered = {t for s, e in steps.where(lambda v: v >= 2, a, b) for t in range(s, e)}
    assert covered == {t for t, v in zip(range(a, b), values, strict=False) if v >= 2}


@given(intervals, intervals)
def test_two_step_functions_are_compared_at_every_instant(
    one: list[tuple[int, int]], two: list[tuple[int, int]]
) -> None:
    first, second = Steps.counting(one), Steps.counting(two)
    found = where_both(first, second, lambda x, y: x > y, 3, 55)
    assert {t for s, e in found for t in range(s, e)} == {t for t in range(3, 55) if first.at(t) > second.at(t)}
    assert found == merged(found)


@given(intervals, intervals)
def test_what_two_lists_share_is_what_both_cover(one: list[tuple[int, int]], two: list[tuple[int, int]]) -> None:
    first, second = merged(one), merged(two)
    found = shared(first, second)
    covered = [{t for a, b in spans for t in range(a, b)} for spans in (first, second)]
    assert {t for a, b in found for t in range(a, b)} == covered[0] & covered[1]
    assert all(a < b for a, b in found)
    assert found == sorted(found)
