"""Claims on windows, tolerance and recovery that a mutation pass found nobody to make."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import accumulate

import msgspec
import pytest
from storybook import MS, Feed, Still, Story, group, s, strike, ticking

from chaosrun.judge import gather
from chaosrun.plan import FaultPlan, Plan, StreamPlan
from chaosrun.records import (
    NONE,
    Called,
    Closed,
    Confirmed,
    History,
    Kind,
    Phase,
    Published,
    Push,
    Removed,
    Slot,
    Status,
)
from chaosrun.scoring.comeback import Back, Noticed
from chaosrun.scoring.episodes import adapted_at, follow
from chaosrun.scoring.histogram import Histogram
from chaosrun.scoring.outcomes import Fate, Outcome, judge
from chaosrun.scoring.phases import Injection, injections, observation_end
from chaosrun.scoring.recovery import find_recovery
from chaosrun.scoring.requests import Requests
from chaosrun.scoring.spans import span_of, whole
from chaosrun.scoring.stretches import Start, last_start, stretches
from chaosrun.scoring.timeline import build_timeline
from chaosrun.scoring.tolerance import Indicator, Steadiness, indicators
from chaosrun.scoring.windows import EventSlots

# ---- windows of criteria


def test_the_whole_ends_with_verify_though_the_load_goes_on() -> None:
    history = Story(group(), faults=[strike(s(13))]).history()
    assert whole(replace(history, load_stopped=s(50), end=s(60))) == (s(13), s(42))
    assert whole(replace(history, phases=history.phases[:4], load_stopped=s(50), end=s(45))) == (s(13), s(45))


def test_without_a_fault_there_is_no_outage() -> None:
    history = Story(group()).history()
    assert span_of(history, None, "outage") is None
    assert span_of(history, gather(history).recovery, "outage") is None


# ---- observations


@pytest.mark.parametrize(("closed", "fate"), [(s(10.1) - 1, Fate.LOST_AT_BREAK), (s(10.1), Fate.IN_FLIGHT)])
def test_our_own_close_is_a_break_before_the_load_stopped_and_the_end_of_the_run_from_then_on(
    closed: int, fate: Fate
) -> None:
    line = Closed(t=closed, g=0, c=0, conn=0, cause="ours", planned=True)
    made = History(
        plan=Plan(groups=(group(),)),
        phases=[Phase(t=0, name="ramp")],
        end=s(10.2),
        load_stopped=s(10.1),
        slots=[Slot(0, 0, s(10), s(10), NONE, Status.SENT, Kind.SLOT, 0)],
        closed=[line],
    )
    assert judge(made, 0)[0].fate is fate


def lone(**row: int) -> Outcome:
    """One slot, due at 10 s, of a group with a latency limit of 500 ms; the run ends at 10.2 s."""
    slot = Slot(**{"group": 0, "client": 0, "due": s(10), "sent": s(10), "got": NONE, "status": Status.SENT,
                   "kind": Kind.SLOT, "conn": 0} | row)  # fmt: skip
    phases = [Phase(t=0, name="ramp")]
    made = History(plan=Plan(groups=(group(),)), phases=phases, end=s(10.2), load_stopped=s(10.2), slots=[slot])
    (outcome,) = judge(made, 0)
    return outcome


def test_only_a_wait_of_a_bad_slot_is_censored() -> None:
    undecided = lone()
    skipped, unsent = (lone(sent=NONE, status=why) for why in (Status.SKIPPED_OBSERVER, Status.SKIPPED_DISCONNECTED))
    assert [(each.good, each.wait, each.censored) for each in (undecided, skipped, unsent)] == [
        (None, None, False),
        (None, None, False),
        (False, None, True),
    ]


def test_histograms_are_equal_to_those_of_the_same_values_and_to_nothing_else() -> None:
    one, same, other = Histogram(), Histogram(), Histogram()
    one.record(1_000)
    same.record(1_000)
    other.record(1_001)  # in the same bucket
    assert one.buckets() == other.buckets()
    assert one == same
    assert one != other
    assert one != {"1000": 1}


# ---- tolerance


def feeds_indicator(*stale: tuple[int, int]) -> Indicator:
    plan = group(clients=1, streams=(StreamPlan(),))
    history = Story(plan, faults=[strike(s(10))]).history()
    feed = Feed([Still(0, "A", "stream", a, b) for a, b in stale])
    timelines = [build_timeline(history, 0, feed.stale)]
    (found,) = (each for each in indicators(history, timelines, [feed.stale], [s(10)]) if each.name == "pushes")
    return found


def test_feeds_are_in_tolerance_up_to_the_instant_at_which_one_stands_still_and_from_the_next_receipt_on() -> None:
    found = feeds_indicator((s(12), s(14)))
    assert (found.holds_until(s(11)), found.holds_from(s(20))) == (s(12), s(14))
    assert (found.impact(s(10), s(12) + 1), found.impact(s(10), s(12))) == (s(12), None)


@pytest.mark.parametrize(("tolerated", "steady"), [(5.0, True), (4.999, False)])
def test_a_baseline_with_just_enough_room_for_its_strays_is_steady(tolerated: float, steady: bool) -> None:
    assert Steadiness(bad=1.0, slots=50.0, tolerated=tolerated).steady is steady  # 1 + 4 * sqrt(1) = 5


def test_a_stretch_inside_another_is_none_of_its_own() -> None:
    # A window that begins at 5 has too many bad slots, but sessions fail before it ends.
    windows = Indicator("accounts", "requests", 10, [(5, 8)])
    instants = Indicator("accounts", "sessions", 1, [(10, 20)])
    assert stretches([windows, instants], 0, 40, 1) == [(0, 10), (20, 40)]


def requests_indicator(bad: set[int]) -> Indicator:
    """A slot each nanosecond up to 200; a window of ten with a bad one is out of tolerance."""
    wrong = [due in bad for due in range(200)]
    slots = EventSlots(range(200), wrong, list(accumulate(wrong, initial=0)), Fraction(0), 10)
    return Indicator("accounts", "requests", 10, slots.bad_windows(0, 200), slots)


def test_of_indicators_that_begin_to_hold_together_requests_say_where_the_stretch_begins() -> None:
    sessions, requests = Indicator("accounts", "sessions", 1, [(50, 60)]), requests_indicator({*range(50, 60), 61})
    assert last_start([sessions, requests], 50, 200, sessions) == Start(62, 62, requests)
    both = requests_indicator(set(range(50, 60)))
    assert last_start([sessions, both], 50, 200, sessions) == Start(60, 60, both)


def test_a_stretch_that_holds_from_the_impact_on_was_begun_by_what_was_hit() -> None:
    # Three bad slots use up the tolerance of two with the last of them: no window that begins at it is out.
    wrong = [due in (40, 43, 46) for due in range(200)]
    slots = EventSlots(range(200), wrong, list(accumulate(wrong, initial=0)), Fraction(2, 10), 10)
    requests = Indicator("accounts", "requests", 10, slots.bad_windows(0, 200), slots)
    sessions = Indicator("accounts", "sessions", 1, [])
    assert requests.impact(30, 200) == 46
    assert last_start([sessions, requests], 46, 200, requests) == Start(47, 46, requests)


@pytest.mark.parametrize(("held", "relapses"), [(s(1), 1), (s(1) - 1, 0)])
def test_a_stretch_of_a_second_that_ended_is_a_relapse_and_a_shorter_one_is_not(held: int, relapses: int) -> None:
    plan = group(clients=20, window_ns=s(0.5))
    back_at = s(12) + MS
    history = Story(plan, faults=[strike(s(10))]).crash(s(10), s(12)).crash(back_at + held, s(15)).history()
    (episode,) = find_recovery(history, [build_timeline(history, 0)]).episodes
    assert episode.relapses == relapses


def test_a_service_that_adapts_at_once_adapted_with_its_first_good_slot() -> None:
    wrong = [due in (40, 43, 46) for due in range(200)]
    slots = EventSlots(range(200), wrong, list(accumulate(wrong, initial=0)), Fraction(2, 10), 10)
    requests = Indicator("accounts", "requests", 10, slots.bad_windows(0, 200), slots)
    held = Injection(id="f", name="f", called=30, confirmed=30, sustained=True, removed=150)
    (course,) = follow([held], [requests], end=200, hold=20, window=10)
    assert (course.impact, adapted_at(course, [requests], hold=20)) == (46, 47)
    assert adapted_at(course, [requests], hold=105) is None  # from 46 to the removal it held for 104 ns


def test_what_came_last_is_told_though_something_else_was_hit_first() -> None:
    plan = group(streams=(StreamPlan(),))
    history = Story(plan, faults=[strike(s(10))]).crash(s(10), s(12)).history()
    feed = Feed([Still(c, "A", "stream", s(10.5), s(14)) for c in range(4)])
    (episode,) = find_recovery(history, [build_timeline(history, 0, feed.stale)], [feed]).episodes
    assert (episode.impact, episode.impact_by) == (s(10), "accounts.sessions")
    assert (episode.recovered, episode.recovered_by) == (s(14), "accounts.pushes")


def test_an_http_group_is_judged_by_its_requests_alone_whatever_it_listens_to() -> None:
    history = Story(group(kind="http", streams=(StreamPlan(),)), faults=[strike(s(10))]).history()
    found = indicators(history, [build_timeline(history, 0)], [[]], [s(10)])
    assert [each.label for each in found] == ["accounts.requests"]


def phased(*phases: tuple[str, int], called: int = 10, confirmed: int = 10) -> History:
    """A run of 120 ns whose load stopped at 100."""
    return History(
        plan=Plan(groups=(group(),)),
        phases=[Phase(t=t, name=name) for name, t in phases],
        end=120,
        load_stopped=100,
        called=[Called(t=called, id="f")],
        confirmed=[Confirmed(t=confirmed, id="f", verified=True)],
    )


@pytest.mark.parametrize(("name", "end"), [("after", 100), ("rollback", 50), ("verify", 50), ("drain", 50)])
def test_the_observation_ends_with_whatever_comes_after_it(name: str, end: int) -> None:
    assert observation_end(phased(("ramp", 0), (name, 50))) == end


def test_a_call_at_the_end_of_the_observation_is_no_injection_and_a_confirmation_at_the_end_of_the_run_is_one() -> None:
    assert injections(phased(("ramp", 0), ("verify", 50), called=50)) == ()
    (made,) = injections(phased(("ramp", 0), ("verify", 50), called=49, confirmed=120))
    assert (made.name, made.called, made.confirmed, made.sustained, made.removed) == ("f", 49, 120, False, 49)


def test_where_nothing_was_hit_nobody_is_affected_and_nobody_lost() -> None:
    assert (Back().affected, Back().never, Back().all, Back().unreturned) == (0, 0, None, ())


def test_what_was_seen_at_the_instant_of_the_next_call_of_a_fault_is_the_next_calls() -> None:
    plan = Plan(groups=(group(),), faults=(FaultPlan(id="f", name="the fault", kind="noop", sustained=True),))
    made = History(
        plan=plan,
        phases=[Phase(t=0, name="ramp")],
        end=100,
        load_stopped=100,
        called=[Called(t=10, id="f"), Called(t=20, id="f")],
        confirmed=[Confirmed(t=20, id="f", verified=True)],
        removed=[Removed(t=20, id="f")],
    )
    assert [(each.name, each.called, each.confirmed, each.removed) for each in injections(made)] == [
        ("the fault", 10, None, None),
        ("the fault", 20, 20, 20),
    ]


@pytest.mark.parametrize(("window", "due"), [((5, 15), 0), ((10, 15), 0), ((10, 20), 1), ((12, 15), 0), ((15, 20), 1)])
def test_a_slot_that_a_fault_found_undecided_counts_once_and_from_the_fault_on(
    window: tuple[int, int], due: int
) -> None:
    made = History(
        plan=Plan(groups=(group(clients=1, latency_limit_ns=50),)),
        phases=[Phase(t=0, name="ramp")],
        end=10**10,
        load_stopped=10**10,
        called=[Called(t=15, id="f")],
        slots=[Slot(0, 0, 10, 10, NONE, Status.SENT, Kind.SLOT, 0)],
    )
    (found,) = Requests.of(made, 0).measure([window])
    assert (found.ledger.due, found.ledger.bad, found.censored) == (due, due, due)


# ---- no impact


@pytest.mark.parametrize(("t", "absorbed"), [(s(10) - 1, None), (s(10), True), (s(20) - 1, True), (s(20), None)])
@pytest.mark.parametrize("what", ["slots", "published", "pushes"])
def test_what_met_a_sustained_fault_came_at_its_call_or_later_and_before_its_removal(
    what: str, t: int, absorbed: bool | None
) -> None:
    came: dict[str, object] = {
        "slots": Slot(0, 0, t, t, t + 1, Status.SENT, Kind.CANARY, 0),
        "published": Published(t=t, channel="A", first=1, last=1),
        "pushes": Push(t, 1, 1, None, 0),
    }
    quiet = Story(ticking(), faults=[strike(s(10), removed=s(20))]).history()
    history = replace(quiet, **{what: [came[what]]})
    (episode,) = find_recovery(history, [build_timeline(history, 0)], [Feed([])]).episodes
    assert episode.absorbed is absorbed


def test_every_group_needs_a_freshness_of_its_own_or_none_has_one() -> None:
    history = Story([group(name="one"), group(name="other")], faults=[strike(s(10))]).history()
    timelines = [build_timeline(history, g) for g in (0, 1)]
    assert find_recovery(history, timelines).end == s(40)
    with pytest.raises(ValueError, match="shorter"):
        find_recovery(history, timelines, [Feed([])])


# ---- how clients noticed


def noticed(story: Story, *stale: Still) -> dict[str, Noticed]:
    history, feed = story.history(), Feed(stale)
    (episode,) = find_recovery(history, [build_timeline(history, 0, feed.stale)], [feed]).episodes
    return dict(episode.noticed)


def test_a_connection_that_ends_at_the_call_of_the_fault_was_ended_by_it() -> None:
    assert noticed(Story(group(), faults=[strike(s(10))]).crash(s(10), s(12))) == {
        "rst": Noticed(count=4, p50=0, max=0)
    }


@pytest.mark.parametrize("latency", [0, s(0.5)])
def test_an_error_is_an_answer_from_the_due_time_on_until_the_limit_is_over(latency: int) -> None:
    assert noticed(Story(group(), faults=[strike(s(10))], latency=latency).errors(s(10), s(14))) == {}


def test_an_error_after_the_limit_is_noticed_as_a_deadline() -> None:
    story = Story(group(clients=1), faults=[strike(s(10))], latency=s(0.5) - 1).errors(s(10), s(14))
    assert noticed(story.delay(0, s(10), 2)) == {"deadline": Noticed(count=1, p50=s(0.5), max=s(0.5))}


@pytest.mark.parametrize(("limit", "count"), [(s(2.9) - 1, 4), (s(2.9), 0)])
def test_a_feed_that_is_back_when_its_limit_is_over_was_not_noticed(limit: int, count: int) -> None:
    still = [Still(c, "A", "stream", s(10.1), s(13), limit) for c in range(4)]
    assert sum(seen.count for seen in noticed(Story(ticking(), faults=[strike(s(10))]), *still).values()) == count


@pytest.mark.parametrize("planned", [True, False])
def test_what_a_fault_cut_by_its_own_hand_is_not_noticed_planned_or_not(planned: bool) -> None:
    history = Story(group(), faults=[strike(s(10))]).crash(s(10), s(12)).history()
    cut = [msgspec.structs.replace(line, cause="injected", planned=planned) for line in history.closed]
    cut_history = replace(history, closed=cut)
    (episode,) = find_recovery(cut_history, [build_timeline(cut_history, 0)]).episodes
    assert episode.noticed == {}
