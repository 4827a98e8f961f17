"""Claims on the borders of the recovery search that a mutation pass found nobody to make."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate

import pytest
from storybook import MS, S, Story, group, ms, s, strike

from chaosrun.records import NONE, Called, History, Kind, Phase, Slot, Status
from chaosrun.scoring.episodes import Course, adapted_at, follow
from chaosrun.scoring.phases import Injection
from chaosrun.scoring.recovery import find_recovery
from chaosrun.scoring.stretches import last_start, stretches
from chaosrun.scoring.timeline import GroupTimeline, build_timeline
from chaosrun.scoring.tolerance import Indicator, Steadiness, baseline_steadiness, steadiness
from chaosrun.scoring.windows import EventSlots


def slots(
    bad: Collection[int], dues: Iterable[int] = range(200), tolerated: Fraction = Fraction(0), width: int = 10
) -> EventSlots:
    dues = list(dues)
    wrong = [due in bad for due in dues]
    return EventSlots(dues, wrong, list(accumulate(wrong, initial=0)), tolerated, width)


def by_requests(found: EventSlots) -> Indicator:
    return Indicator("accounts", "requests", found.width, found.bad_windows(0, 200), found)


def by_sessions(*bad: tuple[int, int]) -> Indicator:
    return Indicator("accounts", "sessions", 1, bad)


def injection(called: int, *, sustained: bool = False, removed: int | None = None) -> Injection:
    return Injection(
        id="f",
        name="f",
        called=called,
        confirmed=called,
        sustained=sustained,
        removed=removed if sustained else called,
    )


# ---- windows


def test_the_first_and_the_last_slot_that_windows_can_hold_spoil_one_window_each() -> None:
    assert slots({50, 99}).bad_windows(50, 100) == [(50, 51), (90, 91)]


def test_a_slot_at_the_end_of_a_window_has_no_part_in_its_onset() -> None:
    # Of [40, 50) one slot in ten may be bad: the second bad one is the onset, whatever is due at 50.
    found = slots({42, 46, 50}, tolerated=Fraction(1, 10))
    assert found.onset(40, 0) == 46
    assert slots({42, 46, 50}, range(40, 60, 2), tolerated=Fraction(1, 6)).onset(40, 0) == 42


def test_the_run_of_bad_slots_may_reach_back_to_the_first_slot_of_all() -> None:
    assert slots({0, 1}, range(2), tolerated=Fraction(1, 2)).onset(0, 0) == 0


def test_the_last_slot_of_all_may_be_the_first_good_one() -> None:
    found = slots({0, 1}, range(3))
    assert (found.first_good(0), found.first_good(2), found.first_good(3)) == (2, 2, None)


def timeline(*rows: Slot, end: int = s(20)) -> GroupTimeline:
    whole = Story(group(clients=1)).history()
    return build_timeline(replace(whole, slots=rows, end=end), 0)


def row(due: int, got: int, kind: Kind = Kind.SLOT, sent: int | None = None) -> Slot:
    return Slot(0, 0, due, due if sent is None else sent, got, Status.SENT, kind, 0)


def test_canaries_slots_that_are_late_by_our_own_fault_and_undecided_ones_are_no_events() -> None:
    found = EventSlots.of(
        timeline(
            row(s(10), s(10) + 1),
            row(s(11), NONE),
            row(s(12), NONE, Kind.CANARY),
            row(s(13), s(13) + 1, Kind.CANARY),
            row(s(14), s(14) + 1, Kind.SENTINEL),
            row(s(15), s(15) + ms(60), sent=s(15) + ms(51)),
            row(s(20) - 1, NONE),
        )
    )
    assert (found.dues, found.bad) == ([s(10), s(11), s(14)], [False, True, False])


# ---- the baseline


def baseline(troubled: tuple[int, int], called: int) -> Steadiness:
    """Of one client with a slot a second and windows of 2 s; the phase lasts from 3 s to 10 s."""
    story = Story(group(clients=1), faults=[strike(s(10))]).errors(*troubled)
    history = replace(story.history(), called=[Called(t=called, id="fault")])
    found = baseline_steadiness(history, build_timeline(history, 0))
    assert found is not None
    return found


def test_what_a_fault_broke_before_the_phase_had_ended_is_not_the_baselines() -> None:
    assert baseline((s(8), s(10)), called=s(8)).bad == 0
    assert baseline((s(7), s(10)), called=s(8)).bad > 0


def test_what_broke_after_the_phase_had_ended_is_not_the_baselines_either() -> None:
    assert baseline((s(10), s(12)), called=s(12)).bad == 0
    assert baseline((s(9), s(12)), called=s(12)).bad > 0


def test_the_shortest_baseline_has_a_rate_too() -> None:
    assert steadiness(0, 1, 1, 10, 0.1).slots == 10


# ---- stretches


def test_a_stretch_that_is_out_of_tolerance_up_to_the_end_begins_there_and_is_empty() -> None:
    down = by_sessions((10, 20))
    assert last_start([down], 5, 20, down).held_from == 20
    assert last_start([down], 5, 21, down).held_from == 20


def test_a_stretch_may_begin_before_the_one_before_it_ends() -> None:
    # Windows that begin at 10 to 14 share their bad slots: the first stretch lasts until the last of these, 19.
    shared = Indicator("accounts", "requests", 10, [(10, 15)])
    assert stretches([shared], 0, 100, 5) == [(0, 19), (15, 100)]


# ---- episodes


def test_an_episode_with_a_fault_that_was_never_removed_has_nothing_to_count_from() -> None:
    faults = (injection(10), injection(12, sustained=True, removed=None))
    (course,) = follow([faults[0]], [by_sessions((11, 20))], 100, 20, 5)
    assert course.reference == 10
    assert replace(course, faults=faults).reference is None
    assert replace(course, faults=(injection(10), injection(12, sustained=True, removed=30))).reference == 30


def test_an_episode_that_a_fault_joined_is_observed_from_its_first_fault_on() -> None:
    # The second fault strikes before a window is over, so that it joins; the hold of 20 is over for the first alone.
    (course,) = follow([injection(10), injection(12)], [by_sessions()], 31, 20, 5)
    assert (len(course.faults), course.impact, course.long_enough) == (2, None, True)


def course_of(bad: Collection[int], end: int, hold: int, window: int) -> Course:
    found = by_requests(slots({*bad, *range(45, 50)}, [*range(50), *range(55, 200)]))
    (course,) = follow([injection(40)], [found], end, hold, window)
    return course


def test_how_long_tolerance_holds_is_counted_from_where_it_held_and_not_from_the_first_good_slot() -> None:
    # The last bad slot is 49, so that windows from 50 on are in tolerance; the first good slot is due at 55.
    held = course_of((), end=80, hold=30, window=10)
    assert held.recovered is not None
    assert (held.recovered.held_from, held.recovered.at) == (50, 55)
    assert course_of((), end=79, hold=30, window=10).recovered is None


def test_a_stretch_that_is_still_too_short_is_told_from_its_first_good_slot() -> None:
    assert course_of((), end=70, hold=30, window=10).pending == 55


def test_what_held_after_the_next_injection_is_no_adaptation_though_the_fault_was_still_on() -> None:
    down = by_sessions((11, 15))
    (course,) = follow([injection(10, sustained=True, removed=60)], [down], 30, 20, 5)
    assert adapted_at(course, [down], 15) == 15
    assert adapted_at(course, [down], 16) is None


def test_what_happened_after_the_first_of_several_faults_is_looked_at() -> None:
    story = Story(group(), faults=[strike(s(10), id="one"), strike(s(25), id="two")], end=s(40)).crash(s(10), s(12))
    history = story.history()
    found = find_recovery(history, [build_timeline(history, 0)])
    assert [episode.impact is not None for episode in found.episodes] == [True, False]


# ---- timelines


def test_a_client_with_a_session_and_errors_is_not_usable() -> None:
    history = Story(group(clients=1)).errors(s(10), s(15)).history()
    built = build_timeline(history, 0)
    assert (built.sessions.integral(s(12), s(14)), built.usable.integral(s(12), s(14))) == (2 * S, 0)


@pytest.mark.parametrize("began", [0, s(2)])
def test_the_plan_counts_from_the_beginning_of_the_ramp(began: int) -> None:
    whole = Story(group(clients=1)).history()
    told: History = replace(whole, phases=[Phase(t=0, name="start"), Phase(t=began, name="ramp")])
    assert build_timeline(told, 0).clients[0].planned == ((max(began, MS), told.load_stopped),)


@pytest.mark.parametrize("began", [0, s(2)])
def test_the_time_to_connect_counts_from_the_beginning_of_the_ramp(began: int) -> None:
    whole = Story(group(clients=1)).crash(0, s(30)).history()
    told: History = replace(whole, phases=[Phase(t=0, name="start"), Phase(t=began, name="ramp")])
    assert build_timeline(told, 0).clients[0].planned == ((began + S, told.load_stopped),)


def test_a_client_that_the_load_stopped_before_it_was_due_is_never_planned() -> None:
    told = replace(Story(group(clients=1)).crash(0, s(30)).history(), load_stopped=S // 2)
    assert build_timeline(told, 0).clients[0].planned == ()
