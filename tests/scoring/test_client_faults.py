"""Faults of the load's own clients: what is told of a service whose clients chaosrun itself cut off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest
from push_script import Script
from storybook import MS, S, Story, group, ms, s, strike

from chaosrun.judge import gather
from chaosrun.plan import FaultPlan, GroupPlan
from chaosrun.records import Called, Closed, Confirmed, History, Probe
from chaosrun.scoring.comeback import Noticed
from chaosrun.scoring.connections import measure_connections
from chaosrun.scoring.detection import detections_agree
from chaosrun.scoring.pushes import count_pushes
from chaosrun.scoring.recovery import Recovery, find_recovery
from chaosrun.scoring.requests import Requests, violations
from chaosrun.scoring.timeline import build_timeline

HIT = s(10)
BACK = ms(101)
"""After its cut a client of these stories waits for 100 ms, and is open and served 1 ms later."""


def cut_off(
    *calls: int, clients: Sequence[int] | None = None, plan: GroupPlan | None = None, end: int = s(40)
) -> Story:
    """All clients, or some, lose their connection at each call, and come back by themselves."""
    story = Story(plan or group(), faults=[strike(at, confirmed=at + ms(2)) for at in calls], end=end)
    for at in calls:
        story.crash(at, at + 1, clients)
    return story


def told(story: Story, *, cause: str = "injected", sustained: bool = False) -> History:
    """The story as the load tells it when the cuts are a fault's doing."""
    history = story.history()
    fault = FaultPlan(id="fault", name="cut", kind="client_disconnect", sustained=sustained, reaches_server=False)
    return replace(
        history,
        plan=msgspec.structs.replace(history.plan, faults=(fault,)),
        closed=[Closed(t=r.t, g=r.g, c=r.c, conn=r.conn, cause=cause, planned=True) for r in history.closed],
        called=[Called(t=call.t, id="fault") for call in history.called],
        confirmed=[Confirmed(t=line.t, id="fault", verified=True) for line in history.confirmed],
    )


def recovery_of(history: History) -> Recovery:
    return find_recovery(history, [build_timeline(history, 0)])


def test_a_cut_of_all_clients_is_an_impact_at_once_and_recovers_with_the_last_canary() -> None:
    history = told(cut_off(HIT))
    (episode,) = recovery_of(history).episodes
    assert (episode.impact, episode.impact_by, episode.detection) == (HIT, "accounts.sessions", 0)
    assert (episode.recovered, episode.ttr, episode.outage) == (HIT + BACK, BACK, BACK)
    assert (episode.back.affected, episode.back.first, episode.back.all, episode.back.never) == (4, BACK, BACK, 0)
    assert (episode.relapses, episode.absorbed) == (0, False)
    assert episode.lost_client_ns == 4 * BACK
    assert episode.noticed == {}, "who is cut off by chaosrun has noticed nothing of the service"
    # The canary's round trip, the lag, and how late the last cut was.
    assert episode.error == pytest.approx(MS + MS + ms(2), rel=0.01)


def test_what_chaosrun_cut_off_is_no_unexpected_disconnect_and_must_come_back_all_the_same() -> None:
    history = told(cut_off(HIT))
    seen = measure_connections(history, 0, 0, history.end)
    assert (seen.unexpected_disconnects, dict(seen.by_cause)) == (0, {})
    assert (seen.reconnects, seen.needs, seen.needs_met) == (4, 8, 8)


def test_a_connection_that_breaks_beside_the_cut_is_unexpected() -> None:
    story = cut_off(HIT, clients=[0, 1]).crash(s(20), s(20) + 1, [3])
    history = told(story)
    closed = [msgspec.structs.replace(it, cause="rst", planned=False) if it.c == 3 else it for it in history.closed]
    seen = measure_connections(replace(history, closed=closed), 0, 0, history.end)
    assert (seen.unexpected_disconnects, dict(seen.by_cause)) == (1, {"rst": 1})


def test_every_slot_has_its_class_and_those_under_way_are_lost_at_the_break() -> None:
    # A slot every 250 ms, answered after 300 ms: at 10 s the one due at 9.75 s is under way. Two more fall due before
    # the clients are open again at 10.4 s, as two did before they first were at 0.3 s.
    story = cut_off(HIT)
    story.latency = ms(300)
    history = told(story)
    ledger = Requests.of(history, 0).ledger
    assert violations(history, 0, ledger) == []
    assert (ledger.lost_at_break, ledger.skipped_disconnected, ledger.lost_connected) == (1, 4, 0)
    assert ledger.bad == 5


def test_the_cut_of_a_share_within_the_tolerance_is_absorbed() -> None:
    many = group(clients=300, tolerate_requests=0.01, ramp_over_ns=S, ramp_start=300)
    (episode,) = recovery_of(told(cut_off(HIT, clients=[7, 99, 205], plan=many, end=s(20)))).episodes
    assert (episode.impact, episode.absorbed, episode.ttr) == (None, True, 0)
    assert episode.lost_client_ns == 3 * BACK
    (episode,) = recovery_of(told(cut_off(HIT, clients=[7, 99, 205, 206], plan=many, end=s(20)))).episodes
    assert (episode.impact, episode.absorbed, episode.ttr) == (HIT, False, BACK)
    assert episode.back.affected == 4


def test_a_storm_whose_waves_leave_no_time_to_recover_is_one_episode_timed_from_its_last_wave() -> None:
    history = told(cut_off(HIT, s(11), s(12)))
    (episode,) = recovery_of(history).episodes
    assert episode.faults == ("fault", "fault", "fault")
    assert (episode.impact, episode.reference) == (HIT, s(12))
    assert (episode.ttr, episode.outage, episode.relapses) == (BACK, s(2) + BACK, 0)


def test_a_storm_with_time_to_recover_is_an_episode_a_wave() -> None:
    history = told(cut_off(HIT, s(15), s(20)))
    episodes = recovery_of(history).episodes
    assert [(episode.impact, episode.ttr) for episode in episodes] == [(HIT, BACK), (s(15), BACK), (s(20), BACK)]
    assert [episode.end for episode in episodes] == [s(15), s(20), s(40)]


def test_a_prober_that_is_served_throughout_contradicts_no_load_whose_clients_chaosrun_cut_off() -> None:
    story = cut_off(HIT)
    story.probes = [Probe(t, t + MS, t + S, connect=False) for t in range(s(3), s(39), ms(10))]
    assert list(detections_agree(gather(told(story)))) == []


def given_up(history: History) -> History:
    """Its connections had been silent since the fault when they were given up."""
    closed = [msgspec.structs.replace(line, silent_since=HIT) for line in history.closed]
    return replace(history, closed=closed)


# ---- half-open ------------------------------------------------------------------------------------------------------


def test_half_open_clients_that_give_up_by_their_heartbeat_have_noticed_and_are_not_unexpected() -> None:
    """All fall silent at 10 s, give up at 14 s and connect anew; at 30 s the silent connections are reset."""
    listeners = group(period_ns=None)
    story = Story(listeners, faults=[strike(HIT, removed=s(30))]).crash(s(14), s(14) + 1)
    history = told(story, cause="ping_timeout", sustained=True)
    (episode,) = recovery_of(history).episodes
    assert episode.noticed == {"ping_timeout": Noticed(count=4, p50=s(4), max=s(4))}
    assert (episode.impact, episode.recovered, episode.outage) == (s(14), s(14) + BACK, BACK)
    assert (episode.adapted_at, episode.ttr) == (s(14) + BACK, 0)
    seen = measure_connections(history, 0, 0, history.end)
    assert (seen.unexpected_disconnects, seen.reconnects, seen.needs_met) == (0, 4, 8)


def test_half_open_clients_that_ask_notice_by_the_first_answer_that_does_not_come() -> None:
    asking = group(reply_timeout_ns=S)
    story = Story(asking, faults=[strike(HIT, removed=s(30))]).swallow(HIT, s(14)).crash(s(14), s(14) + 1)
    history = given_up(told(story, cause="ping_timeout", sustained=True))
    (episode,) = recovery_of(history).episodes
    # The slots of the four are due at 10, 10.25, 10.5 and 10.75 s, and each must be answered within 0.5 s.
    assert episode.noticed == {"deadline": Noticed(count=4, p50=ms(750), max=ms(1250))}
    assert (episode.impact, episode.impact_by) == (HIT, "accounts.requests")
    assert (episode.recovered, episode.ttr) == (s(14) + BACK, 0)
    ledger = Requests.of(history, 0).ledger
    assert violations(history, 0, ledger) == []
    # Four a second for four seconds. Though the first were given more than a second, nobody was there to answer them.
    assert (ledger.lost_at_break, ledger.lost_connected) == (16, 0)


def test_what_was_published_to_a_half_open_connection_was_missed_while_away_and_not_lost_while_connected() -> None:
    """One message a second; the client falls silent at 10 s, gives up at 14 s, and is there again from 15 s on."""
    script = Script().joins(0, 1, head=0).gets(0, 2, *range(1, 10)).leaves(0, 14, "ping_timeout", planned=True)
    script.joins(0, 15, head=14).gets(0, 16, 15, 16).marks(100, 16)
    for number in range(1, 17):
        script.logs(number, number, number)
    history = script.history()
    heard = count_pushes(history, 0, (0, HIT)).ledger
    assert (heard.lost_connected, heard.missed_disconnected) == (4, 1), "as of a connection that was there"
    ledger = count_pushes(given_up(history), 0, (0, HIT)).ledger
    assert (ledger.lost_connected, ledger.missed_disconnected) == (0, 5)
    assert ledger.balanced
