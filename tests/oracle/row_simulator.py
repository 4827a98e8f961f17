"""The simulator: outages of 50 ms to 20 s x phase x rate x loss, from the truth of a server to the scorer's numbers.

No socket: what the clients, the prober and the engine record follows from the script of the server
(tests/scoring/simulator.py). In full size these are ten thousand worlds, on two processes. That a slow scorer finds the
same numbers is tested beside it, on fewer of them (test_simulator.py).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from oracle_row import Reading, Size

sys.path.insert(0, str(Path(__file__).parents[1] / "scoring"))

from simulator import simulate
from simulator_claims import compared, counts, negative
from simulator_prober import Prober
from simulator_truth import Truth
from simulator_worlds import random_world

from chaosrun.scoring.recovery import find_recovery
from chaosrun.scoring.timeline import build_timeline

NAME = "simulator"
ACCEPTS = "the truth within the printed error, counts exact, no negative time"
FAST = True
SEEDS = {"small": 10, "full": 10_000}
PROCESSES = 2
EXACT = ("missed outages", "impacts of nothing", "recoveries not seen", "bad slots", "replies lost")
UNFINISHED = 1 << 62


def run(size: Size, seed: int, scratch: Path) -> Iterator[Reading]:
    seeds = range(seed * 10_000, seed * 10_000 + SEEDS[size])
    if size == "small":
        for i in seeds:
            yield from one(i)
        return
    # A fresh interpreter each: this one may have threads.
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        for readings in pool.map(all_of, seeds, chunksize=50):
            yield from readings


def all_of(seed: int) -> list[Reading]:
    return list(one(seed))


def one(seed: int) -> Iterator[Reading]:
    """All readings of one world."""
    world = random_world(seed)
    history, lives = simulate(world, Prober(world).play())
    timelines = [build_timeline(history, g) for g in range(len(world.groups))]
    truth = Truth(world, lives)
    found = [claim for episode in find_recovery(history, timelines).episodes for claim in compared(truth, episode)]
    for group, timeline in zip(truth.groups, timelines, strict=True):
        found += counts(group, timeline.requests.ledger)
    for claim in found:
        scale, unit = (1, "wrong") if claim.what in EXACT else (1e9, "s")
        yield Reading(claim.what, claim.off / scale, claim.bound / scale, unit, note=f"seed {seed} {claim.note}")
    for episode in find_recovery(history, timelines).episodes:
        yield Reading("negative times", len(negative(episode)), 0, "wrong", note=f"seed {seed}")
