"""The claims that the simulator makes of a run, on worlds made by hand: what is true keeps them, what is not does not.

Twenty clients with a request a second each; of the forty slots in a window four may be bad.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from simulator import MS, Outage, S, Strike, World, simulate
from simulator_claims import Compared, compared, ends
from simulator_truth import Truth
from storybook import group, ms, s

from chaosrun.plan import GroupPlan
from chaosrun.records import NONE
from chaosrun.scoring.pacing import due_times
from chaosrun.scoring.recovery import Episode, find_recovery
from chaosrun.scoring.timeline import build_timeline

HIT = s(10)
SOME = frozenset({3, 9, 15})
TWENTY = group(clients=20)


def scored(*outages: Outage, lost: Sequence[int] = (), plan: GroupPlan = TWENTY) -> tuple[Truth, Episode]:
    """A run with these outages, and the reply to what each slot of `lost` asked dropped by chance."""
    world = World(groups=[plan], strikes=[Strike(HIT, HIT)], outages=outages, end=s(30))
    history, lives = simulate(world)
    for life in lives[0]:
        own = due_times(life.c, plan, 0, world.load_stopped)
        life.missed += [(due, due + plan.latency_limit_ns) for due in lost if due in own]
    rows = [row._replace(got=NONE) if row.due in lost else row for row in history.slots]
    history = replace(history, slots=rows)
    (episode,) = find_recovery(history, [build_timeline(history, 0)]).episodes
    return Truth(world, lives), episode


def broken(truth: Truth, episode: Episode) -> list[Compared]:
    return [claim for claim in compared(truth, episode) if not claim.is_true]


def names(claims: Sequence[Compared]) -> set[str]:
    return {claim.what for claim in claims}


def test_of_an_outage_of_all_clients_everything_is_claimed_and_true() -> None:
    truth, episode = scored(Outage(HIT, s(12), "errors"))
    assert {"impact too early", "impact too late", "impact named late", "R, by requests"} <= names(
        list(compared(truth, episode))
    )
    assert broken(truth, episode) == []
    assert (episode.impact, episode.recovered) == (s(10), s(12))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"recovered": s(12.1)}, "R, by requests"),
        ({"recovered": s(11.9)}, "R, by requests"),
        ({"impact": s(10.3)}, "impact named late"),
        ({"impact": s(10.3)}, "impact too late"),
        ({"impact": s(9.9)}, "impact too early"),
        ({"recovered": None}, "recoveries not seen"),
        ({"impact": None}, "missed outages"),
    ],
)
def test_a_run_that_says_otherwise_breaks_a_claim(changes: dict[str, int | None], what: str) -> None:
    truth, episode = scored(Outage(HIT, s(12), "errors"))
    assert what in names(broken(truth, replace(episode, **changes)))  # type: ignore[arg-type]


def test_an_outage_lasts_as_long_as_every_request_behind_it_is_lost_too() -> None:
    truth, episode = scored(Outage(HIT, s(12), "errors"), lost=[s(12), s(12.05), s(12.2)])
    (trouble,) = (each for each in truth.troubles(HIT, s(30)) if each.by == "requests")
    assert (trouble.b, ends(trouble)) == (s(12) - MS, (s(12) - MS, s(12.05)))
    assert episode.recovered == s(12.1)
    assert broken(truth, episode) == []
    # One that is served in between ends it, whatever is lost after.
    truth, _ = scored(Outage(HIT, s(12), "errors"), lost=[s(12.05)])
    (trouble,) = (each for each in truth.troubles(HIT, s(30)) if each.by == "requests")
    assert ends(trouble) == (s(12) - MS, s(12) - MS)


def test_a_recovery_later_than_the_requests_behind_the_outage_were_lost_is_not_true() -> None:
    truth, episode = scored(Outage(HIT, s(12), "errors"), lost=[s(12), s(12.05)])
    assert broken(truth, replace(episode, recovered=s(12.15))) != []


def test_strays_that_are_too_many_for_some_windows_are_over_with_the_last_of_them() -> None:
    # A slot in 250.06 ms: a window of 1 s has four, and for a quarter of a millisecond three. One bad of three is more
    # than 30%, one of four is not, so that the last window out of tolerance begins before what was lost in it.
    plan = group(clients=12, period_ns=3_000_777_777, window_ns=S, tolerate_requests=0.3)
    lost, served = (due_times(c, plan, 0, s(30))[4] for c in (3, 4))
    truth, episode = scored(lost=[lost], plan=plan)
    troubles = truth.troubles(HIT, s(30))
    assert {each.by for each in troubles} == {"strays"}
    assert max(each.b for each in troubles) < lost
    assert max(ends(each)[1] for each in troubles) == lost
    assert (episode.impact, episode.recovered, episode.error) == (lost, served, served - lost)
    assert broken(truth, episode) == []


def test_of_the_rest_of_an_outage_that_a_request_meets_all_must_be_in_the_error() -> None:
    outages = Outage(HIT, s(15), "errors"), Outage(s(15), s(17), "errors", (SOME,))
    truth, episode = scored(*outages)
    assert episode.recovered == s(15.5)
    assert broken(truth, episode) == []
    assert broken(truth, replace(episode, error=s(1.5))) == []
    assert names(broken(truth, replace(episode, error=s(1.5) - 2 * MS))) == {"R, by requests"}


def test_the_rest_of_an_outage_of_some_clients_that_no_request_meets_is_not_claimed() -> None:
    # Clients 2 to 6 are out up to 10.95 s: the slots of theirs that meet it are due from 10.1 s to 10.3 s.
    truth, episode = scored(Outage(s(10.05), s(10.95), "errors", (frozenset(range(2, 7)),)))
    (trouble,) = (each for each in truth.troubles(HIT, s(30)) if each.by == "requests")
    assert (trouble.b, episode.recovered, episode.error) == (s(10.95) - MS, s(10.35), ms(50))
    assert broken(truth, episode) == []
    assert broken(truth, replace(episode, recovered=s(10.3) - 1, error=0)) != []


def test_the_first_window_with_too_many_is_found_with_all_that_was_lost_in_it() -> None:
    dips = Outage(s(10.4), s(10.5), "errors"), Outage(s(10.7), s(10.8), "errors")
    truth, episode = scored(*dips, lost=[s(11.9)])
    assert truth.groups[0].first_excess(HIT, s(30)) == (s(10), s(10.4))
    assert (episode.impact, episode.impact_late) == (s(11.9), s(11.9) - s(10.35))
    assert broken(truth, episode) == []
    late = replace(episode, impact_error=s(11.9) - s(10.4))
    assert names(broken(truth, late)) == {"impact named late"}  # the first dip began before the first slot it took
