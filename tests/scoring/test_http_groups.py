"""A group that asks by HTTP, by itself and beside one that holds connections: every number worked out by hand.

Four clients with a request a second each, due a quarter of a second apart: `c` asks at c/4 s past every full second.
"""

from __future__ import annotations

from dataclasses import replace

from recoveries import HIT, episode_of, recovery_of, struck
from storybook import Story, group, ms, s

from chaosrun.judge import assess
from chaosrun.records import Began, Exchanges, History
from chaosrun.scoring.requests import RequestLedger, Requests, violations

POLLERS = group(name="pollers", kind="http")
VIEWERS = group(name="viewers")


def refused(groups: object = POLLERS, g: int = 0) -> Story:
    """Nobody is there for the pollers from 10 s to 12 s: eight exchanges are refused."""
    return struck(groups).crash(HIT, s(12), g=g)


def meanwhile(history: History) -> list[RequestLedger]:
    """Of each group, what was due from 10 s to 12 s."""
    return [Requests.of(history, g).measure([(HIT, s(12))])[0].ledger for g in range(len(history.plan.groups))]


def test_what_was_refused_was_sent_and_lost_at_the_break() -> None:
    history = refused().history()
    ledger = Requests.of(history, 0).ledger
    assert (ledger.lost_at_break, ledger.skipped_disconnected, ledger.lost_connected) == (8, 0, 0)
    assert ledger.sent == ledger.due == ledger.replied_in_time + 8
    assert (ledger.canaries_sent, ledger.bad) == (0, 8)
    assert violations(history, 0, ledger) == []


def test_the_outage_lasts_from_the_first_refused_request_to_the_first_that_is_served() -> None:
    episode = episode_of(refused())
    assert (episode.impact, episode.impact_by) == (HIT, "pollers.requests")
    assert (episode.recovered, episode.recovered_by) == (s(12), "pollers.requests")
    assert (episode.ttr, episode.outage) == (s(2), s(2))


def test_each_client_is_back_when_its_own_next_request_is_served() -> None:
    episode = episode_of(refused())
    back = episode.back
    assert (back.affected, back.first, back.p50, back.all, back.never) == (4, s(2), ms(2250), ms(2750), 0)
    assert episode.lost_client_ns == s(8)


def test_beside_a_group_that_holds_connections_it_is_judged_by_itself() -> None:
    history = refused([VIEWERS, POLLERS], g=1).history()
    (episode,) = recovery_of(history).episodes
    assert (episode.impact_by, episode.recovered, episode.back.affected) == ("pollers.requests", s(12), 4)
    viewers, pollers = meanwhile(history)
    assert (viewers.bad, pollers.bad) == (0, 8)


def test_both_are_hit_by_a_server_that_is_gone_each_in_its_own_way() -> None:
    history = struck([VIEWERS, POLLERS]).crash(HIT, s(12)).history()
    viewers, pollers = meanwhile(history)
    assert (viewers.skipped_disconnected, viewers.lost_at_break) == (8, 0)
    assert (pollers.skipped_disconnected, pollers.lost_at_break) == (0, 8)
    assert {line.g for line in history.closed} == {0}


def test_answers_that_are_errors_are_no_break() -> None:
    history = struck(POLLERS).errors(HIT, s(12)).history()
    ledger = Requests.of(history, 0).ledger
    assert (ledger.replied_error, ledger.lost_at_break, ledger.bad) == (8, 0, 8)


def assessed(history: History):
    return assess(history, Began(t=0, run="x", chaosrun_version="1", title="t", plan=history.plan))


def test_the_result_of_pollers_alone_has_clients_and_no_connections() -> None:
    clients = assessed(refused().history()).result.clients
    assert (clients.planned, clients.peak_usable) == (4, 4)
    assert (clients.attempts, clients.needs, clients.unexpected_disconnects) == (0, 0, 0)


def test_exchanges_for_want_of_our_own_descriptors_make_the_run_unsound() -> None:
    line = Exchanges(t=s(11), g=0, request=0, how="descriptors", count=3)
    sound, starved = refused().history(), replace(refused().history(), exchanges=(line,))
    name = "connections refused by our own descriptors or ports"
    for history, value, grade in ((sound, 0, "ok"), (starved, 3, "invalid")):
        (check,) = [each for each in assessed(history).result.observer.checks if each.name == name]
        assert (check.value, check.outcome) == (value, grade)
