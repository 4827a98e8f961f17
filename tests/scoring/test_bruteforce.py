"""The scorer and a slow one, written apart from it, find the same on thousands of random histories."""

from __future__ import annotations

import pytest
from bruteforce import BruteForce
from storybook import random_story

from chaosrun.scoring.ratio import rank
from chaosrun.scoring.recovery import Episode, find_recovery
from chaosrun.scoring.requests import violations
from chaosrun.scoring.timeline import build_timeline

FIELDS = (
    "faults",
    "fault_start",
    "end",
    "impact",
    "recovered",
    "first_recovered",
    "pending",
    "outage",
    "relapses",
    "server_ready",
    "lost_client_ns",
    "error",
)


def check(seed: int) -> None:
    story, feeds = random_story(seed)
    history = story.history()
    timelines = [build_timeline(history, g, feed.stale if feed else ()) for g, feed in enumerate(feeds)]
    for timeline in timelines:
        assert violations(history, timeline.g, timeline.requests.ledger) == []
    fast = find_recovery(history, timelines, feeds).episodes
    slow = BruteForce(history, feeds).episodes()
    assert len(fast) == len(slow), seed
    for mine, theirs in zip(fast, slow, strict=True):
        assert {name: getattr(mine, name) for name in FIELDS} == {name: theirs[name] for name in FIELDS}, seed
        assert_back(mine, theirs["back"], seed)


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


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("block", range(20))
def test_the_scorer_equals_the_brute_force_on_ten_thousand_histories(block: int) -> None:
    for seed in range(block * 500, block * 500 + 500):
        check(seed)
