"""Services that come back in odd ways: flapping, ramping, and for some clients only or never."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from pathlib import Path

from courses import FAR, SECOND, bound_of, of_courses
from measured import GROUP, Measured, Setup, measure_all, noop
from oracle_row import Reading, Size, exact, near
from truth_recovery import Course
from truth_script import AnyAct, Outage, Pace, Script

from chaosrun.scoring.recovery import Episode

NAME = "flapping, ramping, partial"
ACCEPTS = "relapses and back(q) exact"
FAST = False

LONG, SHORT = (1.8, 2.4), (0.4, 0.6)
"""Seconds up between two outages: with a window of 1 s the one is long enough for a relapse, the other is not."""


def run(size: Size, seed: int, scratch: Path) -> Iterable[Reading]:
    draw = random.Random(seed)
    shapes = [flapping, ramping, partial]
    plans = [plan(shape(draw), seed + i) for i, shape in enumerate(shapes * (5 if size == "full" else 1))]
    return measure_all(plans, readings, scratch, at_once=5)


CLIENTS = 60


def plan(acts: tuple[AnyAct, ...], seed: int) -> tuple[Setup, Script]:
    setup = Setup(
        clients=CLIENTS,
        requests="4/s",
        group={"reconnect": {"first": "20ms", "max": "150ms", "seed": seed}},
        method=[noop("shape")],
        recovery={"window": "1s", "stable_for": "3s", "tolerate": {"sessions": "10%", "requests": "10%"}},
        timing={"recovery_timeout": "40s", "after": "4s"},
    )
    return setup, Script(sections={"shape": acts}, seed=seed)


def flapping(draw: random.Random) -> tuple[AnyAct, ...]:
    """Four to six outages, with long and short times up between them."""
    acts, at = [], 0.0
    for _ in range(draw.randint(4, 6)):
        lasts = draw.uniform(0.1, 0.8)
        acts.append(Outage(at=at, lasts=lasts, how=draw.choice(["rst", "fin"]), doors=draw.choice(["shut", "503"])))
        at += lasts + draw.uniform(*draw.choice([LONG, SHORT]))
    return tuple(acts)


def ramping(draw: random.Random) -> tuple[AnyAct, ...]:
    """An outage, after which clients are let in one by one."""
    lasts = draw.uniform(0.2, 0.6)
    return Outage(lasts=lasts), Pace(lasts=lasts + 8, per_s=CLIENTS / draw.uniform(1.5, 3))


def partial(draw: random.Random) -> tuple[AnyAct, ...]:
    """Some lose their connections for a while, and a few, as many as are tolerated at most, for ever."""
    hit = draw.sample(range(CLIENTS), CLIENTS // 3)
    for_ever = tuple(sorted(hit[: draw.randint(0, CLIENTS // 12)]))
    doors = draw.choice(["reset", "503"])
    some = Outage(lasts=draw.uniform(0.5, 2), clients=tuple(sorted(hit)), doors=doors)
    return (some, Outage(clients=for_ever, doors=doors)) if for_ever else (some,)


def readings(run: Measured) -> Iterator[Reading]:
    for episode, course, of_episode in of_courses(run):
        yield from of_episode
        if episode is not None:
            yield from of_clients(run, episode, course)


def of_clients(run: Measured, episode: Episode, course: Course) -> Iterator[Reading]:
    note, flagged, bound = str(run.folder), not run.sound, bound_of(run, episode)
    back, truth = episode.back, course.back
    since = course.start if course.reference is None else course.reference
    yield exact("relapses", episode.relapses, course.relapses, flagged=flagged, note=note)
    yield exact("affected", back.affected, len(truth.at) + len(truth.never), flagged=flagged, note=note)
    yield exact("unreturned", list(back.unreturned), [f"{GROUP}-{c}" for c in truth.never], flagged=flagged, note=note)
    lost, truly_lost = (each / SECOND / CLIENTS for each in (episode.lost_client_ns, course.lost))
    breaks = sum(isinstance(act, Outage) for act in run.script.sections["shape"])  # each may be noticed that late
    yield near("lost client-seconds, per client", lost, truly_lost, breaks * bound, flagged=flagged, note=note)
    said = {0: back.first, 0.5: back.p50, 0.9: back.p90, 0.99: back.p99, 1: back.all}
    for q, got in said.items():
        name = {0: "first", 1: "all"}.get(q, f"{q:.0%}")
        true = truth.share(q)
        if got is None or true is None:
            yield exact(f"back({name}): none", got, true, flagged=flagged, note=note)
            continue
        told, was = got / SECOND, (true - since) / SECOND
        yield near(f"back({name})", told, was, bound, flagged=flagged, note=note)
        yield near("back: never far off", told, was, FAR, flagged=flagged, note=note)
