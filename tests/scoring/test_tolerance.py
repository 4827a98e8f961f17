"""What is tolerated: event windows, indicators and the baseline."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from storybook import S, Story, group, ms, s, strike, ticking

from chaosrun.scoring.stretches import stretches
from chaosrun.scoring.timeline import build_timeline
from chaosrun.scoring.tolerance import (
    GroupTolerance,
    Indicator,
    baseline_steadiness,
    group_tolerance,
    steadiness,
)
from chaosrun.scoring.windows import EventSlots


def slots(*events: tuple[int, bool], tolerated: Fraction = Fraction(0), width: int = 10) -> EventSlots:
    bad = [is_bad for _, is_bad in events]
    dues = [due for due, _ in events]
    return EventSlots(dues, bad, list(accumulate(bad, initial=0)), tolerated, width)


def test_a_bad_slot_spoils_every_window_that_contains_it() -> None:
    every = [(t, t == 50) for t in range(0, 100, 5)]
    assert slots(*every).bad_windows(0, 100) == [(41, 51)]


def test_windows_stay_inside_what_is_asked_for() -> None:
    every = [(t, t in (2, 97)) for t in range(100)]
    assert slots(*every).bad_windows(0, 100) == [(0, 3), (88, 91)]
    assert slots(*every).bad_windows(3, 97) == []
    assert slots(*every).bad_windows(0, 9) == []


def test_a_window_without_slots_is_out_of_tolerance() -> None:
    gap = [(t, False) for t in (*range(20), *range(40, 60))]
    assert slots(*gap).bad_windows(0, 60) == [(20, 31)]


def test_as_many_bad_slots_as_tolerated_are_in_tolerance_and_one_more_is_not() -> None:
    two = [(t, t in (50, 51)) for t in range(100)]
    assert slots(*two, tolerated=Fraction(2, 10)).bad_windows(0, 100) == []
    assert slots(*two, tolerated=Fraction(19, 100)).bad_windows(0, 100) == [(42, 51)]


def test_the_onset_is_the_run_of_bad_slots_that_used_up_the_tolerance() -> None:
    run = slots(*[(t, t in (1, 4, 5, 6, 9)) for t in range(20)], tolerated=Fraction(2, 10))
    assert run.onset(0, 0) == 4
    assert run.onset(0, 5) == 5
    assert slots((50, False)).onset(3, 0) == 3
    assert slots((0, True), (1, True)).onset(0, 0) == 0


def test_what_used_up_the_tolerance_began_at_the_earliest_with_the_first_bad_slot_of_the_window() -> None:
    run = slots(*[(t, t in (1, 4, 5, 6, 9)) for t in range(20)], tolerated=Fraction(2, 10))
    assert run.first_lost(0, 0) == (1, 0)
    assert run.first_lost(2, 0) == (4, 3)
    assert run.first_lost(5, 0) == (4, 3)  # the run of bad slots goes back to before the window
    assert run.first_lost(5, 5) == (4, 5)  # but nothing began before the fault
    assert slots((50, False)).first_lost(53, 0) == (53, 50)
    assert slots((50, False), (51, True)).first_lost(53, 0) == (53, 50)
    assert slots((50, False), (63, True)).first_lost(53, 0) == (53, 50)
    assert slots((0, True), (1, True)).first_lost(0, 0) == (0, 0)
    assert slots((0, True), (1, True)).first_lost(1, 0) == (0, 0)
    assert slots((7, True), width=10).first_lost(3, 2) == (7, 2)


def test_the_excess_ends_with_the_last_bad_slot_that_is_one_of_too_many_from_the_start_on() -> None:
    mixed = slots(*[(t, t in (12, 15, 18, 29, 50)) for t in range(60)], tolerated=Fraction(2, 10))
    assert mixed.end_of_excess(10, 60) == 18  # 3 of 9; up to 29 4 of 20 are no more than are tolerated
    assert mixed.end_of_excess(11, 60) == 29  # 4 of 19
    assert mixed.end_of_excess(11, 29) == 18
    assert mixed.end_of_excess(11, 30) == 29
    assert mixed.end_of_excess(13, 18) == 15
    assert mixed.end_of_excess(16, 18) is None
    assert mixed.end_of_excess(19, 50) is None
    assert mixed.end_of_excess(50, 60) == 50


def test_the_neighbours_of_an_instant_are_told_by_their_due_times() -> None:
    mixed = slots((10, True), (20, False), (30, True))
    assert [mixed.first_good(t) for t in (20, 21)] == [20, None]
    assert [mixed.last_bad(t) for t in (10, 11, 30, 31)] == [None, 10, 10, 30]
    assert [mixed.count(*span) for span in ((10, 30), (10, 31), (31, 10))] == [(2, 1), (3, 2), (0, 0)]


@given(
    st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=25),
    st.integers(1, 20),
    st.integers(0, 3),
    st.integers(0, 60),
    st.integers(0, 70),
)
def test_bad_windows_equal_trying_every_instant_and_half_instant(
    events: list[tuple[int, bool]], width: int, tenths: int, a: int, b: int
) -> None:
    made = slots(*sorted(events), tolerated=Fraction(tenths, 10), width=width)
    found = {x for start, end in made.bad_windows(a, b) for x in range(start, end)}
    halves = [Fraction(i, 2) for i in range(2 * a, 2 * (b - width) + 1)]
    for x in halves:
        inside = [bad for due, bad in events if x <= due < x + width]
        bad = not inside or sum(inside) > Fraction(tenths, 10) * len(inside)
        assert bad == (-(-x // 1) in found)


# ---- indicators -----------------------------------------------------------------------------------------------------


def indicator(*bad: tuple[int, int], width: int = 1) -> Indicator:
    return Indicator("accounts", "sessions", width, bad)


def test_an_indicator_knows_how_far_tolerance_reaches_either_way() -> None:
    windows = indicator((10, 20), (40, 50), width=5)
    assert [windows.holds_until(a) for a in (0, 10, 15, 20, 49, 50)] == [14, 14, 19, 44, 53, None]
    assert [windows.holds_from(b) for b in (14, 15, 30, 44, 47, 80)] == [None, 11, 20, 20, 43, 50]
    assert [windows.begins_to_hold(a) for a in (10, 20, 21, 50)] == [False, True, False, True]
    assert (windows.first_bad(0), windows.first_bad(20), windows.first_bad(50)) == (10, 40, None)


def test_stretches_are_maximal_and_long_enough() -> None:
    one, other = indicator((10, 20), (50, 55)), indicator((18, 25), (70, 71))
    assert stretches([one, other], 0, 100, 1) == [(0, 10), (25, 50), (55, 70), (71, 100)]
    assert stretches([one, other], 12, 60, 25) == [(25, 50)]
    assert stretches([one, other], 12, 60, 26) == []


def test_stretches_overlap_where_windows_share_a_cluster() -> None:
    # Three bad slots within 10 of each other, two tolerated: the first stretch ends at the third, the next begins
    # after the first.
    made = slots(*[(t, t in (40, 43, 46)) for t in range(100)], tolerated=Fraction(2, 10))
    cluster = Indicator("accounts", "requests", 10, made.bad_windows(0, 100), made)
    assert stretches([cluster], 0, 100, 10) == [(0, 46), (41, 100)]


# ---- what is printed ------------------------------------------------------------------------------------------------


def test_the_tolerance_in_use_names_only_the_indicators_that_the_group_has() -> None:
    history = Story([group(clients=20), ticking(), group(kind="http")]).history()
    assert group_tolerance(history, 0) == GroupTolerance(
        sessions=0.01,
        requests=0.1,
        pushes=None,
        window=s(2),
        stable_for=s(5),
        latency_limit=ms(500),
        resolution=ms(50),
        blind=ms(250),
    )
    listens, polls = group_tolerance(history, 1), group_tolerance(history, 2)
    assert (listens.requests, listens.window, listens.pushes, listens.blind) == (None, None, 0.01, None)
    assert (polls.sessions, polls.requests) == (None, 0.1)


# ---- the baseline ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bad", "steady"), [(0, True), (1, True), (12, True), (14, False)])
def test_a_baseline_is_steady_while_its_strays_leave_four_standard_deviations(bad: int, steady: bool) -> None:
    # 300/s for 20 s, l = 1%, W = 2 s: 6 are tolerated of 600, and m + 4 * sqrt(m) <= 6 up to m = 1.37.
    assert steadiness(bad, 6000, 20 * S, 2 * S, 0.01).steady is steady


def test_a_baseline_without_slots_is_not_steady() -> None:
    assert not steadiness(0, 0, 20 * S, 2 * S, 0.01).steady
    assert not steadiness(0, 10, 0, 2 * S, 0.01).steady


def test_the_baseline_is_counted_up_to_the_first_fault() -> None:
    story = Story(group(clients=20), faults=[strike(s(13))], baseline=s(3)).errors(s(12.95), s(14))
    history = story.history()
    found = baseline_steadiness(history, build_timeline(history, 0))
    assert found is not None
    # 200 slots in 10 s, of which the one due at 12.95 s is bad.
    assert (round(found.slots, 9), round(found.bad, 9), round(found.tolerated, 9)) == (40, 0.2, 4)


def test_a_slot_undecided_at_the_fault_is_not_held_against_the_baseline() -> None:
    history = Story(group(clients=20), faults=[strike(s(13))]).freeze(s(12.9), s(14)).history()
    found = baseline_steadiness(history, build_timeline(history, 0))
    assert found is not None
    assert found.bad == 0


def test_a_group_that_only_listens_has_no_baseline_of_requests() -> None:
    history = Story(ticking()).history()
    assert baseline_steadiness(history, build_timeline(history, 0)) is None
