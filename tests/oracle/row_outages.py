"""Live outages: when the load and the prober say that the service went and came back, against when it did."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from pathlib import Path

from measured import Measured, Setup, measure, noop, pause
from oracle_row import Reading, Size, exact, near
from truth import Connection
from truth_recovery import Course, Served
from truth_script import Outage, Script

from chaosrun.scoring.bounds import lag_p99
from chaosrun.scoring.detection import noticed
from chaosrun.scoring.recovery import Episode

NAME = "live outages"
ACCEPTS = "prober within 10 ms of the truth; TTR within max(10 ms, 3 x lag p99); never over 100 ms unflagged"
FAST = False

CLOSE = 0.010
FAR = 0.100
SECOND = 1e9


def run(size: Size, seed: int, scratch: Path) -> Iterable[Reading]:
    for number, (clients, outages) in enumerate([(300, 20)] * 10 if size == "full" else [(100, 5)]):
        setup, script = plan(clients, outages, seed * 1000 + number)
        yield from readings(measure(setup, script, scratch / str(number)))


def plan(clients: int, outages: int, seed: int) -> tuple[Setup, Script]:
    """So many outages in one run: of 50 ms to 1 s, with any kind of end and any kind of closed door."""
    draw = random.Random(seed)
    sections, method = {}, []
    for number in range(outages):
        lasts = 0.05 * 20 ** draw.random()
        how = draw.choice(["rst", "fin", "close"])
        doors = draw.choice(["shut", "reset", "503"])
        sections[f"outage {number}"] = (Outage(lasts=lasts, how=how, doors=doors),)
        method += [noop(f"outage {number}"), pause(round(lasts + 1.2 + draw.random(), 3))]
    setup = Setup(
        clients=clients,
        requests="1/s",
        group={"reconnect": {"first": "20ms", "max": "200ms", "seed": seed}},
        method=method,
        recovery={"window": "1s", "stable_for": "1s"},
        timing={"after": "2s"},
    )
    return setup, Script(sections=sections, seed=seed)


def readings(run: Measured) -> Iterator[Reading]:
    """Of every episode of a run whose only troubles were outages for everybody."""
    assert run.evidence.recovery is not None
    episodes, courses = run.evidence.recovery.episodes, Served(run.truth, run.history).courses()
    starts = [course.start for course in courses]
    yield exact("episodes", [episode.fault_start for episode in episodes], starts, note=str(run.folder))
    for episode, course in zip(episodes, courses, strict=False):
        if episode.fault_start == course.start:
            yield from of_load(run, episode, course)
            yield from of_prober(run, episode)


def of_load(run: Measured, episode: Episode, course: Course) -> Iterator[Reading]:
    note = f"{run.folder} {episode.faults}"
    lag = lag_p99(run.history, episode.fault_start, episode.recovered or episode.end) or 0
    bound = max(CLOSE, 3 * lag / SECOND)
    for what, got, truth in (
        ("impact", episode.impact, course.impact),
        ("R", episode.recovered, course.recovered),
    ):
        if truth is None:
            yield exact(f"{what}: none", got, None, note=note)
            continue
        told = None if got is None else got / SECOND
        yield near(what, told, truth / SECOND, bound, flagged=not run.sound, note=f"{note} lag {lag / 1e6:.1f} ms")
        yield near(f"{what}, never far off", told, truth / SECOND, FAR, flagged=not run.sound, note=note)
    if episode.recovered is not None and course.recovered is not None and episode.error is not None:
        beyond = abs(episode.recovered - course.recovered) - episode.error
        yield Reading("R beyond its printed error", max(0, beyond) / SECOND, 0.001, flagged=not run.sound, note=note)


def of_prober(run: Measured, episode: Episode) -> Iterator[Reading]:
    note = f"{run.folder} {episode.faults}"
    prober = [each for each in run.truth.prober if each.shaken is not None]
    broke = [each.ended for each in prober if each.ended and episode.fault_start <= each.ended and was_cut(each)]
    detected = noticed(run.evidence, episode).prober
    told = None if detected is None else detected / SECOND
    yield near("prober: first detection", told, min(broke) / SECOND, CLOSE, flagged=not run.sound, note=note)
    served = [each.served for each in prober if episode.impact is not None and each.accepted > episode.impact]
    ready = min(ask.answered for ask in served if ask is not None and ask.answered is not None)
    told = None if episode.server_ready is None else episode.server_ready / SECOND
    yield near("prober: server ready", told, ready / SECOND, CLOSE, flagged=not run.sound, note=note)


def was_cut(each: Connection) -> bool:
    return each.how is not None and each.how.name != "PEER"
