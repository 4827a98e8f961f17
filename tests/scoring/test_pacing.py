"""What is due when, and the tolerance that a rate can carry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from storybook import S, group, ms, s

from chaosrun.plan import GroupPlan, StagePlan
from chaosrun.scoring.pacing import (
    admitted,
    auto_tolerance,
    blind,
    due_times,
    finest_within,
    first_slot,
    late_after,
    lives,
    phase,
    planned_start,
    resolution,
    sentinel_times,
    slot_due,
)


@pytest.mark.parametrize(
    ("clients", "rate", "tolerated", "window"),
    [
        (300, 1, 0.01, 2),
        (50, 1, 0.06, 2),
        (20, 1, 0.1, 3),
        (10, 1, 0.1, 6),
        (300, 1 / 30, 0.1, 6),
        (10_000, 1, 0.01, 2),
    ],
)
def test_the_automatic_tolerance_is_that_of_the_table(clients: int, rate: float, tolerated: float, window: int) -> None:
    assert auto_tolerance(clients, rate) == (tolerated, window * S)


def test_nothing_can_be_tolerated_where_nothing_is_sent() -> None:
    with pytest.raises(ValueError, match="send nothing"):
        auto_tolerance(10, 0)


def test_resolution_and_blindness_follow_from_the_rate() -> None:
    fast = group(clients=300, tolerate_requests=0.01)
    assert (resolution(fast), blind(fast), finest_within(fast)) == (3_333_333, 23_333_333, 9_999_999)
    probed = group(clients=10, sentinel_period_ns=ms(100), tolerate_requests=0.1)  # 40 events a window
    assert (resolution(probed), blind(probed)) == (ms(50), ms(300))
    listens = group(period_ns=None)
    assert (resolution(listens), blind(listens), finest_within(listens)) == (None, None, None)


def test_sentinels_make_a_slow_load_finer() -> None:
    assert resolution(group(clients=300, period_ns=30 * S, sentinel_period_ns=ms(25))) == ms(20)


def test_clients_of_the_ramp_start_first_and_the_rest_evenly_up_to_its_end() -> None:
    plan = group(clients=6, ramp_start=2, ramp_over_ns=8 * S)
    assert [planned_start(c, plan) for c in range(6)] == [0, 0, 2 * S, 4 * S, 6 * S, 8 * S]


def staged(*stages: tuple[float, int], clients: int = 4, period_ns: int | None = S) -> GroupPlan:
    """Stages of so many seconds, each to so many clients."""
    plans = tuple(StagePlan(name=f"s{i}", length_ns=s(length), clients=to) for i, (length, to) in enumerate(stages))
    return group(clients=clients, stages=plans, period_ns=period_ns)


def test_stages_admit_the_first_clients_first_and_send_the_last_away_first() -> None:
    plan = staged((4, 4), (10, 4), (2, 0))
    assert [lives(c, plan) for c in range(4)] == [
        ((s(1), s(16)),),
        ((s(2), s(15.5)),),
        ((s(3), s(15)),),
        ((s(4), s(14.5)),),
    ]


def test_a_client_has_a_life_for_each_time_that_a_stage_calls_it() -> None:
    plan = staged((0, 2), (5, 2), (2, 4), (3, 1), (0, 3))
    assert [lives(c, plan) for c in range(4)] == [
        ((0, None),),
        ((0, s(10)), (s(10), None)),
        ((s(6), s(9)), (s(10), None)),
        ((s(7), s(8)),),
    ]


def test_between_two_numbers_of_clients_as_many_are_admitted_as_the_line_between_them_says() -> None:
    plan = staged((0, 2), (5, 2), (4, 4), (6, 1), (9, 1))
    seconds = (0, 4, 6.9, 7, 8.9, 9, 10.9, 11, 13, 15, 24, 1000)
    assert [admitted(plan, s(at)) for at in seconds] == [2, 2, 2, 3, 3, 4, 4, 3, 2, 1, 1, 1]


def test_slots_are_due_in_every_life_and_not_between() -> None:
    plan = staged((0, 1), (3, 1), (0, 0), (4, 0), (0, 1), clients=1)
    assert due_times(0, plan, s(10), s(20)) == [s(10), s(11), s(12), s(17), s(18), s(19)]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 6)), min_size=1, max_size=6), st.integers(0, 60 * 7))
def test_who_is_admitted_is_what_the_stages_say_at_every_instant(stages: list[tuple[int, int]], tick: int) -> None:
    plan = staged(*stages, clients=6)
    since, at, n = tick * S // 7, 0, 0
    expected: float = stages[-1][1]
    for length, to in stages:
        if at <= since < at + length * S:
            expected = n + (to - n) * (since - at) / (length * S)
            break
        at, n = at + length * S, to
    assert abs(admitted(plan, since) - expected) < 1 + 1e-6


def test_a_slot_is_late_after_a_tenth_of_the_limit_or_a_period() -> None:
    assert late_after(group()) == ms(50)
    assert late_after(group(period_ns=ms(20))) == ms(20)


def test_due_times_begin_with_the_planned_start_and_end_before_the_stop() -> None:
    plan = group(clients=4, ramp_start=1, ramp_over_ns=3 * S)
    assert list(due_times(3, plan, s(10), s(15))) == [s(13.75), s(14.75)]
    assert list(due_times(0, plan, s(10), s(12))) == [s(10), s(11)]
    assert list(due_times(0, group(period_ns=None), 0, S)) == []


def test_blind_counts_the_fullest_window() -> None:
    # 9.99 slots/s: most windows of 1 s have ten slots and tolerate three.
    nearly_ten = group(clients=20, period_ns=2_002_000_000, window_ns=S, tolerate_requests=0.3)
    assert blind(nearly_ten) == 4 * 100_100_000


def test_sentinels_go_round_all_clients() -> None:
    plan = group(clients=3, sentinel_period_ns=S)
    assert list(sentinel_times(plan, s(1), s(5))) == [(s(1), 0), (s(2), 1), (s(3), 2), (s(4), 0)]
    assert list(sentinel_times(group(), 0, S)) == []


def test_a_group_without_requests_has_no_slots_to_number() -> None:
    with pytest.raises(ValueError, match="'accounts' sends no requests"):
        first_slot(0, group(period_ns=None), 0)


@given(st.integers(1, 50), st.integers(1, 10**10), st.integers(0, 10**10), st.data())
def test_slots_are_on_the_grid_and_none_is_left_out(n: int, period: int, over: int, data: st.DataObject) -> None:
    plan = group(clients=n, period_ns=period, ramp_start=data.draw(st.integers(1, n)), ramp_over_ns=over)
    c = data.draw(st.integers(0, n - 1))
    begin, stop = planned_start(c, plan), planned_start(c, plan) + 5 * period
    grid = [slot_due(k, c, n, period, 0) for k in range((stop // period) + 1)] if stop // period < 5000 else None
    due = due_times(c, plan, 0, stop)
    assert all(begin <= t < stop and (t - phase(c, n, period)) % period == 0 for t in due)
    if grid is not None:
        assert list(due) == [t for t in grid if begin <= t < stop]
