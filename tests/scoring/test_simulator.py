"""From the truth of a server to the numbers of its run: the scorer against a slow one, and both against the truth.

The row `simulator` of the oracles holds ten thousand worlds against the truth, without the slow scorer.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bruteforce import BruteForce
from simulator import World, simulate
from simulator_claims import Compared, compared, counts, negative, returns
from simulator_prober import Prober
from simulator_truth import Truth
from simulator_worlds import random_world
from test_bruteforce import compare

from chaosrun.records import History
from chaosrun.scoring.recovery import Recovery
from chaosrun.scoring.timeline import build_timeline


def check(seed: int) -> None:
    world = random_world(seed)
    history, lives = simulate(world, Prober(world).play())
    recovery = compare(history, [None for _ in world.groups], seed)
    wrong = [each for each in claims(world, history, Truth(world, lives), recovery) if not each.is_true]
    assert wrong == [], seed
    assert [negative(episode) for episode in recovery.episodes] == [[] for _ in recovery.episodes], seed


def claims(world: World, history: History, truth: Truth, recovery: Recovery) -> Iterator[Compared]:
    slow = BruteForce(history, [None for _ in world.groups])
    for episode in recovery.episodes:
        yield from compared(truth, episode)
        if episode.impact is not None and world.loss == 0:
            until = episode.end if episode.recovered is None else episode.recovered
            found = slow.affected(episode.impact, until, episode.end)
            yield from returns(truth, episode, [(group.g, c, t) for group, c, t in found if t is not None])
    for g, group in enumerate(truth.groups):
        yield from counts(group, build_timeline(history, g).requests.ledger)


@pytest.mark.parametrize("block", range(8))
def test_the_truth_lies_within_the_printed_error_and_a_slow_scorer_agrees_on_a_sample_of_worlds(block: int) -> None:
    for seed in range(block * 5, block * 5 + 5):
        check(seed)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("block", range(20))
def test_the_truth_lies_within_the_printed_error_and_a_slow_scorer_agrees_in_a_thousand_worlds(block: int) -> None:
    for seed in range(block * 50, block * 50 + 50):
        check(seed)
