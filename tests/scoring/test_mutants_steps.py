"""Claims that a mutation pass found nobody to make: sets, step functions and the plan of a load."""

from __future__ import annotations

from fractions import Fraction

import pytest
from storybook import group

from chaosrun.scoring.histogram import bucket_of
from chaosrun.scoring.intervals import IntervalSet
from chaosrun.scoring.pacing import auto_tolerance, late_after
from chaosrun.scoring.ratio import exact
from chaosrun.scoring.steps import Steps, clipped


def test_sets_that_begin_alike_but_end_apart_are_not_equal() -> None:
    assert IntervalSet([(1, 2), (5, 6)]) != IntervalSet([(1, 3), (5, 6)])


def test_steps_are_equal_to_the_same_steps_and_to_nothing_else() -> None:
    steps = Steps.from_deltas([(1, 2), (5, -1)])
    assert steps == Steps.from_deltas([(5, -1), (1, 2)])
    assert steps != Steps.from_deltas([(1, 2), (6, -1)])
    assert steps != Steps.from_deltas([(1, 2), (5, -2)])
    assert steps != "Steps([(1, 2), (5, 1)])"
    assert repr(steps) == "Steps([(1, 2), (5, 1)])"


def test_equal_steps_are_one_member_of_a_set() -> None:
    steps, same = Steps.from_deltas([(1, 2)]), Steps.from_deltas([(1, 1), (1, 1)])
    assert {steps, same, Steps.from_deltas([(1, 3)]), Steps.from_deltas([(2, 2)])} == {
        Steps.from_deltas([(t, value)]) for t, value in ((1, 2), (1, 3), (2, 2))
    }
    assert len({hash(Steps.from_deltas([(t, value)])) for t, value in ((1, 2), (1, 3), (2, 2))}) == 3


def test_a_step_in_the_last_instant_of_a_span_has_a_piece_of_its_own() -> None:
    assert list(Steps.from_deltas([(9, 1)]).pieces(0, 10)) == [(0, 9, 0), (9, 10, 1)]
    assert list(Steps.from_deltas([(10, 1)]).pieces(0, 10)) == [(0, 10, 0)]


def test_what_only_touches_a_span_leaves_nothing_of_itself_in_it() -> None:
    assert clipped([(0, 5), (5, 6), (8, 9), (9, 12)], 5, 9) == [(5, 6), (8, 9)]


def test_a_slot_is_late_after_a_tenth_of_the_limit_in_whole_nanoseconds() -> None:
    assert (late_after(group(latency_limit_ns=19)), type(late_after(group(latency_limit_ns=19)))) == (1, int)


def test_a_sentinel_of_a_group_without_slots_is_late_after_a_tenth_of_the_limit() -> None:
    assert late_after(group(period_ns=None, sentinel_period_ns=1_000, latency_limit_ns=1_000)) == 100


def test_one_request_a_second_can_be_judged_and_none_cannot() -> None:
    assert auto_tolerance(1, 1.0) == (0.1, 60_000_000_000)
    with pytest.raises(ValueError, match=r"1 clients at 0.0/s send nothing to judge"):
        auto_tolerance(1, 0.0)


def test_below_256_every_value_has_its_own_bucket_and_above_each_octave_has_128() -> None:
    values = (254, 255, 256, 257, 258, 510, 511, 512, 515, 516, 1023, 1024)
    assert [bucket_of(value) for value in values] == [254, 255, 256, 256, 257, 383, 383, 384, 384, 385, 511, 512]


def test_a_share_is_the_simplest_fraction_of_at_most_a_million_parts() -> None:
    assert exact(0.001234) == Fraction(617, 500_000)
    assert exact(1 / 1_000_001) == Fraction(1, 1_000_000)
