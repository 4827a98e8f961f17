"""The error bound of a recovery that requests decided, each term of it counted by hand on slots one ns apart."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate

import pytest
from storybook import MS, S, Story, group, strike, ticking

from chaosrun.plan import GroupPlan
from chaosrun.records import History, Kind, Lag, Opened, Slot, Status
from chaosrun.scoring.bounds import error_of_impact, error_of_recovery, lag_p99
from chaosrun.scoring.phases import Injection
from chaosrun.scoring.recovery import find_recovery
from chaosrun.scoring.stretches import Start
from chaosrun.scoring.timeline import build_timeline
from chaosrun.scoring.tolerance import Indicator
from chaosrun.scoring.windows import EventSlots

EVERY = range(200)
WIDTH = 10
IMPACT, AT = 50, 60


def history_with(*lags: Lag) -> History:
    return replace(Story(group(clients=1)).history(), lags=lags)


CALM = history_with(Lag(t=100, span_ns=100, buckets={0: 100}, max_ns=0))
TIMELINES = [build_timeline(CALM, 0)]


def injection(called: int, confirmed: int | None) -> Injection:
    return Injection(id="f", name="f", called=called, confirmed=confirmed, sustained=False, removed=called)


def error(
    bad: Collection[int],
    *,
    dues: Iterable[int] = EVERY,
    impact: int = IMPACT,
    at: int = AT,
    end: int = 200,
    faults: tuple[Injection, ...] = (injection(40, 40),),
    history: History = CALM,
) -> int | None:
    """Of a group that tolerates two bad slots in ten."""
    dues = list(dues)
    wrong = [due in bad for due in dues]
    slots = EventSlots(dues, wrong, list(accumulate(wrong, initial=0)), Fraction(2, 10), WIDTH)
    start = Start(at, at, Indicator("accounts", "requests", WIDTH, (), slots))
    return error_of_recovery(history, TIMELINES, faults, impact, start, end, None)


def test_the_error_of_a_clean_outage_is_the_distance_from_its_last_bad_slot() -> None:
    assert error(range(50, 60)) == 1
    assert error({50, 52, 54}, dues=range(0, 200, 2), at=56) == 3 - 1


@pytest.mark.parametrize("stray", [40, 49, 60, 69])
def test_a_stray_bad_slot_within_a_window_of_an_outage_hides_as_much_as_is_tolerated(stray: int) -> None:
    assert error({*range(50, 60), stray}) == 1 + 2 * 2 * WIDTH // 10


@pytest.mark.parametrize("stray", [39, 70])
def test_a_stray_bad_slot_a_window_away_from_an_outage_hides_nothing_of_it(stray: int) -> None:
    assert error({*range(50, 60), stray}) == 1


def test_more_bad_slots_behind_the_recovery_than_tolerated_hide_as_much_as_they_last_if_that_is_more() -> None:
    tail = {*range(50, 60), 61, 66, 70}
    assert error(tail) == 1 + 70 - AT
    assert error(tail, end=71) == 1 + 70 - AT
    assert error(tail, end=70) == 1 + 66 - AT
    assert error({*range(50, 60), 61}) == 1 + 2 * 2 * WIDTH // 10  # two, and what is tolerated may hide four
    clean = [*range(61), *range(80, 200)]
    assert error({*range(50, 60), 80, 81}, dues=clean) == 1 + 81 - AT  # none in the W after R, and yet three of four


def test_a_good_slot_in_an_outage_hides_more_the_fewer_are_bad() -> None:
    assert error({50, 51, 52, 53, 58}) == 2 + 2 * 2 * 10 // 5  # half of the W before R are bad
    assert error({50, 54, 58}) == 2 + 14  # 2 * 0.2 * 10 / 0.3, rounded up


def test_where_the_window_before_the_recovery_holds_no_bad_slot_its_width_takes_their_place() -> None:
    assert error(range(30, 36), impact=30) == 25 + WIDTH


def test_an_outage_without_slots_is_as_uncertain_as_it_is_long() -> None:
    silent = [*range(41), *range(70, 200)]
    assert error((), dues=silent, impact=45, at=70) == 25
    assert error({20}, dues=silent, impact=45, at=70) == 25


def test_lag_and_the_widest_fault_are_added() -> None:
    laggy = history_with(Lag(t=100, span_ns=100, buckets={200: 100}, max_ns=200))
    faults = (injection(40, 43), injection(45, 52), injection(46, None))
    assert error(range(50, 60), history=laggy, faults=faults) == 1 + 200 + 7
    assert error(range(50, 60), faults=(injection(40, None),)) == 1


def test_of_canaries_sent_at_one_instant_the_slowest_is_the_error() -> None:
    story = Story(group(), faults=[strike(10 * S)], lag=0, latency=MS).crash(10 * S, 12 * S)
    at = max(line.t for line in story.history().opened)
    history = story.delay(2, at, by=20 * MS).history()
    (episode,) = find_recovery(history, [build_timeline(history, 0)]).episodes
    assert (episode.recovered, episode.error) == (at, 21 * MS)


def test_without_a_lag_record_from_fault_to_recovery_the_error_is_unknown() -> None:
    assert error(range(50, 60), history=history_with()) is None
    assert error(range(50, 60), history=history_with(Lag(t=39, span_ns=10, buckets={0: 1}, max_ns=0))) is None


def test_a_lag_record_counts_where_its_span_touches_what_is_asked_for() -> None:
    history = history_with(*(Lag(t=t, span_ns=10, buckets={t: 1}, max_ns=t) for t in (20, 40, 60)))
    spans = ((20, 20), (21, 29), (21, 30), (20, 50), (61, 70))
    assert [lag_p99(history, *span) for span in spans] == [20, None, 40, 60, None]


def test_the_lag_that_counts_is_from_the_first_fault_of_the_episode_to_its_recovery() -> None:
    calm = Lag(t=100, span_ns=100, buckets={0: 1}, max_ns=0)
    for t, lag in ((39, 0), (40, 200), (42, 200), (50, 200), (60, 200), (62, 0)):
        history = history_with(calm, Lag(t=t, span_ns=1, buckets={200: 100}, max_ns=200))
        assert error(range(50, 60), history=history, faults=(injection(40, 40), injection(45, 45))) == 1 + lag


def test_the_lag_that_counts_for_the_impact_is_from_the_first_fault_to_it() -> None:
    calm = Lag(t=100, span_ns=100, buckets={0: 1}, max_ns=0)
    for t, lag in ((39, 0), (40, 200), (45, 200), (50, 200), (52, 0)):
        history = history_with(calm, Lag(t=t, span_ns=1, buckets={200: 100}, max_ns=200))
        faults = (injection(40, 43), injection(45, 45))
        assert error_of_impact(history, faults, IMPACT, late=10) == 10 + lag + 3


def test_of_a_thousand_lags_the_ten_longest_are_left_out() -> None:
    for longest, lag in ((10, 0), (11, 200)):
        history = history_with(Lag(t=100, span_ns=100, buckets={0: 1000 - longest, 200: longest}, max_ns=200))
        assert lag_p99(history, 40, 60) == lag


def error_by_sessions(plan: GroupPlan, *, slots: Sequence[Slot] = (), opened: Sequence[Opened] = ()) -> int | None:
    history = replace(Story(plan).history(), slots=slots, opened=opened, lags=CALM.lags)
    start = Start(AT, AT, Indicator(plan.name, "sessions", 1, ()))
    return error_of_recovery(history, [build_timeline(history, 0)], [injection(40, 40)], IMPACT, start, 200, None)


def test_the_error_of_sessions_is_the_round_trip_of_the_good_canaries_of_that_very_instant() -> None:
    def canary(c: int, sent: int, got: int, status: Status = Status.SENT) -> Slot:
        return Slot(0, c, sent, sent, got, status, Kind.CANARY, 0)

    slots = [canary(0, AT - 1, 99), canary(1, AT, AT + 5), canary(2, AT, 99, Status.ERROR), canary(3, AT + 1, 99)]
    assert error_by_sessions(group(), slots=slots) == 5


def test_the_error_of_sessions_without_requests_is_the_opening_conversation_of_that_very_instant() -> None:
    def line(c: int, t: int, shaken: int, g: int = 0) -> Opened:
        return Opened(t=t, g=g, c=c, conn=0, began=1, shaken=shaken)

    opened = [line(0, AT - 1, 2), line(1, AT, AT - 3), line(2, AT, 2, g=1), line(3, AT + 1, 2)]
    assert error_by_sessions(ticking(), opened=opened) == 3
