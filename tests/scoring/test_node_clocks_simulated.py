"""From the truth of a server to the numbers of a run whose clients had two clocks: the printed errors hold it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from bruteforce import BruteForce
from nodes import skewed
from simulator import MS, simulate
from simulator_claims import Compared, compared, returns
from simulator_prober import Prober
from simulator_truth import Truth
from simulator_worlds import random_world

from chaosrun.scoring.recovery import find_recovery
from chaosrun.scoring.timeline import build_timeline

SKEWS = 30 * MS, -20 * MS
CLAIMED = ("R, by sessions", "R, by requests", "impact named late", "server ready", "back")


def claims(seed: int, *, told: bool) -> Iterator[Compared]:
    """What a run claims that compares instants of clients with those of engine and prober.

    Args:
        told: the clocks were compared; otherwise the run believes that all have the coordinator's.
    """
    world = random_world(seed)
    true, lives = simulate(world, Prober(world).play())
    history = skewed(true, SKEWS)
    if not told:
        history = replace(history, node_clocks=())
    truth = Truth(world, lives)
    recovery = find_recovery(history, [build_timeline(history, g) for g in range(len(world.groups))])
    slow = BruteForce(history, [None for _ in world.groups])
    for episode in recovery.episodes:
        yield from (each for each in compared(truth, episode) if each.what in CLAIMED)
        if episode.impact is not None and world.loss == 0:
            until = episode.end if episode.recovered is None else episode.recovered
            found = slow.affected(episode.impact, until, episode.end)
            known = [(group.g, c, t - SKEWS[c % 2]) for group, c, t in found if t is not None]
            yield from returns(truth, episode, known)


@pytest.mark.parametrize("block", range(4))
def test_the_truth_lies_within_the_printed_error_though_two_clocks_are_up_to_30_ms_off(block: int) -> None:
    for seed in range(block * 10, block * 10 + 10):
        assert [each for each in claims(seed, told=True) if not each.is_true] == [], seed


def test_it_would_not_if_the_clocks_were_believed() -> None:
    wrong = {each.what for seed in range(40) for each in claims(seed, told=False) if not each.is_true}
    assert {"R, by sessions", "back"} <= wrong
