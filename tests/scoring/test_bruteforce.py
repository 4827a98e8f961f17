"""The scorer and a slow one, written apart from it, find the same on thousands of random histories."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, replace

import msgspec
import pytest
from bruteforce import BruteForce
from bruteforce_rest import Rest, ledger
from nodes import compared, on_nodes
from storybook import Feed, ms, random_story, s

from chaosrun.records import History
from chaosrun.scoring.ratio import rank
from chaosrun.scoring.recovery import Episode, Recovery, find_recovery
from chaosrun.scoring.requests import violations
from chaosrun.scoring.timeline import build_timeline

FIELDS = (
    "faults",
    "fault_start",
    "end",
    "impact",
    "impact_late",
    "impact_error",
    "recovered",
    "first_recovered",
    "pending",
    "outage",
    "relapses",
    "server_ready",
    "lost_client_ns",
    "error",
)
REST = (
    "reference",
    "verified",
    "absorbed",
    "ttr",
    "ttr_censored_above",
    "detection",
    "bad_slots",
    "server_ready_error",
)


def check(seed: int, *, staged: bool = False) -> None:
    story, feeds = random_story(seed, staged=staged)
    compare(story.history(), feeds, seed)


def check_on_nodes(seed: int) -> None:
    """The same of a fleet on one to three machines whose clocks were compared now and then."""
    story, feeds = random_story(seed)
    history = story.history()
    dice = random.Random(f"nodes/{seed}")
    lines = [
        compared(t, dice.randrange(-ms(20), ms(20)), dice.randrange(ms(5)), worker=f"load-{worker}")
        for worker in range(dice.randrange(1, 4))
        for t in dice.sample((-s(1), 0, s(3), history.load_stopped, history.end), dice.randrange(1, 4))
    ]
    closed = [msgspec.structs.replace(line, t=line.t - dice.choice((0, ms(4)))) for line in history.closed]
    compare(replace(on_nodes(history, *lines), closed=sorted(closed, key=lambda line: line.t)), feeds, seed)


def compare(history: History, feeds: Sequence[Feed | None], seed: int) -> Recovery:
    """Score a history twice; both must say the same of every number that the slow scorer knows."""
    timelines = [build_timeline(history, g, feed.stale if feed else ()) for g, feed in enumerate(feeds)]
    recovery = find_recovery(history, timelines, feeds)
    slow = BruteForce(history, feeds)
    for timeline, group in zip(timelines, slow.groups, strict=True):
        counted = timeline.requests.ledger
        assert violations(history, timeline.g, counted) == []
        assert {name: n for name, n in asdict(counted).items() if n} == {
            name: n for name, n in ledger(group).items() if n
        }, seed
    rest, episodes = Rest(slow), slow.episodes()
    assert len(recovery.episodes) == len(episodes), seed
    for mine, theirs in zip(recovery.episodes, episodes, strict=True):
        others = rest.of(theirs)
        assert {name: getattr(mine, name) for name in FIELDS} == {name: theirs[name] for name in FIELDS}, seed
        assert {name: getattr(mine, name) for name in REST} == {name: others[name] for name in REST}, seed
        noticed = {how: (seen.count, seen.p50, seen.max) for how, seen in mine.noticed.items()}
        assert noticed == others["noticed"], seed
        assert_back(mine, theirs["back"], seed)
        assert mine.back.errors == rest.back_errors(theirs), seed
    assert recovery.lost_client_ns == sum(episode.lost_client_ns for episode in recovery.episodes)
    return recovery


def assert_back(episode: Episode, truth: object, seed: int) -> None:
    if truth is None:
        assert episode.back.affected == 0
        return
    assert isinstance(truth, tuple)
    returned, never = truth
    n = len(returned) + len(never)
    assert (episode.back.affected, list(episode.back.unreturned)) == (n, never), seed
    since = episode.fault_start if episode.reference is None else episode.reference
    for found, q in ((episode.back.p50, 0.5), (episode.back.p90, 0.9), (episode.back.p99, 0.99), (episode.back.all, 1)):
        needed = rank(q, n)
        expected = max(0, returned[needed - 1] - since) if n and needed <= len(returned) else None
        assert found == expected, (seed, q)


@pytest.mark.parametrize("block", range(6))
def test_the_scorer_equals_the_brute_force_on_a_sample(block: int) -> None:
    for seed in range(block * 50, block * 50 + 50):
        check(seed)


@pytest.mark.parametrize("block", range(6))
def test_the_scorer_equals_the_brute_force_where_clients_come_and_go_by_stages(block: int) -> None:
    for seed in range(block * 50, block * 50 + 50):
        check(seed, staged=True)


@pytest.mark.parametrize("block", range(3))
def test_the_scorer_equals_the_brute_force_where_the_clocks_of_nodes_differ(block: int) -> None:
    for seed in range(block * 50, block * 50 + 50):
        check_on_nodes(seed)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("staged", [False, True])
@pytest.mark.parametrize("block", range(20))
def test_the_scorer_equals_the_brute_force_on_thousands_of_histories(block: int, staged: bool) -> None:
    size = 250 if staged else 500
    for seed in range(block * size, (block + 1) * size):
        check(seed, staged=staged)
