"""A client that its own plan sends away is owed nothing meanwhile, and what it follows begins anew when it returns."""

from __future__ import annotations

from dataclasses import replace

import pytest
from push_script import S, Script
from storybook import MS, Story, group, ms, s, strike

from chaosrun.plan import StagePlan, StreamPlan
from chaosrun.records import NONE, Attempt, Closed, Kind, Opened, Slot, Status
from chaosrun.scoring.connections import measure_connections
from chaosrun.scoring.leaves import Leaves
from chaosrun.scoring.recovery import find_recovery
from chaosrun.scoring.requests import Requests
from chaosrun.scoring.timeline import build_timeline
from chaosrun.scoring.windows import EventSlots


def away_and_back(*, planned: bool, epoch: str = "E") -> Script:
    """Gets 1 to 3, is away while 4 to 6 are published, and gets 7 and 8."""
    script = Script().joins(1, 0, head=0).gets(1, 2, 1, 2, 3).gets(1, 15, 4, 5, 6).gets(1, 21, 7, 8)
    script.joins(0, 1, head=0).gets(0, 2, 1, 2, 3)
    script.leaves(0, 10, "ours" if planned else "rst", planned=planned)
    return script.joins(0, 20, head=6, epoch=epoch).gets(0, 21, 7, 8, epoch=epoch)


def test_what_is_published_while_a_client_is_away_by_plan_is_not_owed() -> None:
    ledger = away_and_back(planned=True).score().ledger
    assert (ledger.owed, ledger.live, ledger.missed_disconnected) == (13, 13, 0)


def test_the_same_absence_that_nobody_planned_has_missed_it() -> None:
    ledger = away_and_back(planned=False).score().ledger
    assert (ledger.owed, ledger.live, ledger.missed_disconnected) == (16, 13, 3)


def test_a_new_numbering_met_after_a_leave_is_owed_from_the_return_and_not_from_its_beginning() -> None:
    ledger = away_and_back(planned=True, epoch="F").score().ledger
    assert ledger.missed_disconnected == 0
    assert ledger.live == 13


def test_what_is_missing_on_the_connection_before_a_leave_is_lost_all_the_same() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1, 3).leaves(0, 10, "ours", planned=True)
    assert script.joins(0, 20, head=6).gets(0, 21, 7).score().ledger.lost_connected == 1


def test_a_feed_is_not_stale_while_its_client_is_away_by_plan() -> None:
    def story(*, planned: bool) -> Script:
        script = Script(StreamPlan(has_epoch=True, stale_after_ns=3 * S)).joins(0, 1, head=0)
        for t in range(2, 30):
            script.gets(0, t, t)
        script.leaves(0, 30, "ours" if planned else "rst", planned=planned).joins(0, 50, head=60)
        for t in range(51, 100):
            script.gets(0, t, t + 10)
        return script

    assert story(planned=True).score().stale == ()
    assert [(each.start, each.end) for each in story(planned=False).score().stale] == [(29 * S, 51 * S)]


def test_a_leave_is_our_own_planned_close_while_there_is_load() -> None:
    history = Script().joins(0, 1).leaves(0, 10, "ours", planned=True).joins(0, 20).leaves(0, 30).history()
    history = replace(
        history,
        closed=[*history.closed, Closed(t=100 * S, g=0, c=0, conn=2, cause="ours", planned=True)],
        attempts=[Attempt(t=t * S, g=0, c=0) for t in (1, 19, 31)],
    )
    leaves = Leaves(history, 0)
    late = history.plan.groups[0].connect_within_ns
    assert leaves.stays(0, S, 100 * S) == [(S, S + late, 10 * S), (10 * S, 19 * S + late, 100 * S)]
    assert leaves.stays(0, 10 * S, 30 * S) == [(10 * S, 10 * S + late, 10 * S), (10 * S, 19 * S + late, 30 * S)]
    assert leaves.stays(0, 5 * S, 10 * S) == [(5 * S, 5 * S + late, 10 * S)], "that life was over when it left"
    assert leaves.stays(0, 11 * S, 100 * S) == [(11 * S, 11 * S + late, 100 * S)], "it left before that life began"
    assert leaves.returns(0) == [19 * S]
    assert [leaves.before(0, conn) for conn in range(4)] == [0, 1, 1, 1]
    assert (leaves.end_of(0, 0), leaves.end_of(0, 1)) == (10 * S, 100 * S)
    assert (leaves.stays(1, 0, 100 * S), leaves.before(1, 5)) == ([(0, late, 100 * S)], 0)


def test_what_a_fault_makes_a_client_give_up_is_no_leave_and_each_leave_ends_its_own_stay() -> None:
    script = Script().joins(0, 1).leaves(0, 5, "deadline", planned=True).joins(0, 6)
    script.leaves(0, 10, "ours", planned=True).joins(0, 10).leaves(0, 30, "ours", planned=True)
    leaves = Leaves(replace(script.history(), attempts=[Attempt(t=t * S, g=0, c=0) for t in (1, 6, 10)]), 0)
    assert [leaves.end_of(0, stay) // S for stay in range(3)] == [10, 30, 100]
    assert [leaves.before(0, conn) for conn in range(3)] == [0, 0, 1]
    assert leaves.returns(0) == [10 * S], "in the instant of its leave"


def test_steps_of_a_script_are_no_events_of_the_tolerance() -> None:
    history = Story(group(clients=1)).history()
    step = Slot(0, 0, s(10.5), s(10.5), NONE, Status.SENT, Kind.STEP, 0)
    with_step = replace(history, slots=sorted([*history.slots, step], key=lambda row: row.due))
    events = [EventSlots.of(build_timeline(each, 0)) for each in (history, with_step)]
    assert events[0].dues == events[1].dues
    assert Requests.of(with_step, 0).ledger.due == Requests.of(history, 0).ledger.due + 1


def test_a_client_that_never_comes_back_from_a_leave_is_away_to_the_end() -> None:
    history = Script().joins(0, 1).leaves(0, 10, "ours", planned=True).history()
    leaves = Leaves(replace(history, attempts=[Attempt(t=S, g=0, c=0)]), 0)
    assert [(stay.start, stay.by) for stay in leaves.stays(0, 0, 100 * S)][1:] == [(10 * S, 100 * S)]
    assert leaves.returns(0) == []


STAGES = (
    StagePlan(name="up", length_ns=0, clients=4),
    StagePlan(name="on", length_ns=s(12), clients=4),
    StagePlan(name="ebb", length_ns=0, clients=2),
    StagePlan(name="low", length_ns=s(8), clients=2),
    StagePlan(name="flood", length_ns=0, clients=4),
)


def test_planned_clients_are_those_of_the_stages_each_from_its_first_use() -> None:
    timeline = build_timeline(Story(group(stages=STAGES)).history(), 0)
    times = (0, 0.001, 11.9, 12, 20, 20.001, 41.9, 42)
    assert [timeline.planned.at(s(t)) for t in times] == [0, 4, 4, 2, 2, 4, 4, 0]
    assert timeline.unusable.integral(0, s(42)) == 0


def test_whom_a_stage_calls_back_in_an_outage_has_his_time_to_connect_again() -> None:
    story = Story(group(stages=STAGES)).crash(s(19), s(25))
    timeline = build_timeline(story.history(), 0)
    assert [timeline.planned.at(s(t)) for t in (19, 20.9, 21, 41.9)] == [2, 2, 4, 4]
    assert timeline.unusable.integral(0, s(42)) == 2 * (s(6) + MS) + 2 * (s(4) + MS)


@pytest.mark.parametrize(("staged", "needs"), [(True, 6), (False, 4)])
def test_every_call_of_a_stage_is_a_need_to_connect(staged: bool, needs: int) -> None:
    history = Story(group(stages=STAGES if staged else ())).history()
    told = measure_connections(history, 0, 0, history.end)
    assert (told.needs, told.needs_met, told.unexpected_disconnects) == (needs, needs, 0)


def test_whom_a_script_calls_back_has_his_time_to_connect_again() -> None:
    story = Story(group(clients=1))
    history = story.history()
    [opened] = history.opened
    history = replace(
        history,
        closed=[Closed(t=s(10), g=0, c=0, conn=0, cause="ours", planned=True)],
        attempts=[*history.attempts, Attempt(t=s(11), g=0, c=0)],
        opened=[opened, Opened(t=s(13), g=0, c=0, conn=1, began=s(11), shaken=s(12))],
        slots=[row for row in history.slots if not s(10) <= row.due < s(13)],
    )
    told = measure_connections(history, 0, 0, history.end)
    assert (told.needs, told.needs_met) == (2, 1), "a second is what it has, and it took two"
    [client] = build_timeline(history, 0).clients
    assert client.planned == ((MS, s(10)), (s(12), s(42)))


def test_whom_a_script_calls_back_is_planned_from_his_next_use_when_that_is_sooner() -> None:
    """His request goes out 20 ms after he is open: nobody misses him meanwhile."""
    history = Story(group(clients=1, scripted=True, connect_within_ns=s(5))).history()
    [opened] = history.opened
    again = Slot(0, 0, s(12) + ms(20), s(12) + ms(20), s(12) + ms(21), Status.SENT, Kind.CANARY, 1)
    history = replace(
        history,
        closed=[Closed(t=s(10), g=0, c=0, conn=0, cause="ours", planned=True)],
        attempts=[*history.attempts, Attempt(t=s(11), g=0, c=0)],
        opened=[opened, Opened(t=s(12), g=0, c=0, conn=1, began=s(11), shaken=s(12))],
        slots=[*(row for row in history.slots if row.due < s(10)), again],
    )
    timeline = build_timeline(history, 0)
    assert timeline.clients[0].planned == ((MS, s(10)), (s(12) + ms(20), s(42)))
    assert timeline.sessions.at(s(12) + ms(10)) == timeline.planned.at(s(12) + ms(10)) == 0


def test_users_whose_scripts_are_short_are_planned_as_soon_as_they_are_open() -> None:
    """Else a service that is down would be down for nobody."""
    plan = group(clients=1, period_ns=None, scripted=True, connect_within_ns=s(5))
    history = Story(plan).history()
    times = range(2, 40, 2)
    history = replace(
        history,
        attempts=[Attempt(t=0, g=0, c=0), *(Attempt(t=s(t) + S // 10, g=0, c=0) for t in times)],
        opened=[Opened(t=s(t) + S // 5, g=0, c=0, conn=i, began=0, shaken=0) for i, t in enumerate(range(0, 40, 2))],
        closed=[Closed(t=s(t), g=0, c=0, conn=i, cause="ours", planned=True) for i, t in enumerate(times)],
    )
    timeline = build_timeline(history, 0)
    assert timeline.planned.at(s(9)) == timeline.sessions.at(s(9)) == 1
    assert timeline.planned.at(s(10) + S // 10) == 0
    assert timeline.unusable.integral(s(5), s(40)) == 0


def test_who_is_sent_away_before_he_is_back_is_not_waited_for() -> None:
    story = Story(group(clients=4, stages=STAGES), faults=[strike(at=s(10))])
    history = story.crash(s(10), s(11)).crash(s(10), s(14), [3]).history()
    recovery = find_recovery(history, [build_timeline(history, 0)], [None])
    [episode] = recovery.episodes
    assert (episode.back.affected, episode.back.never) == (3, 0)
    assert episode.lost_client_ns > 0
