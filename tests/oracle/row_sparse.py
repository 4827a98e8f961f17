"""300 clients with one request in 30 s each: a crash is timed by the sessions, a stall by as much as was asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from courses import SECOND, of_courses
from measured import Measured, Setup, measure_all, noop
from oracle_row import Reading, Size, exact, near
from truth_script import Outage, Script, Stall

NAME = "sparse load"
ACCEPTS = "crash: R exact by sessions; stall: within the printed resolution"
FAST = False

LIMIT = 0.5
"""The latency limit, in s."""


def run(size: Size, seed: int, scratch: Path) -> Iterable[Reading]:
    sizes = [(2.0, 3.0), (0.7, 6.0), (5.0, 2.0), (1.3, 4.0)] if size == "full" else [(2.0, 3.0)]
    plans = [plan(act, seed) for down, still in sizes for act in (Outage(lasts=down), Stall(of="replies", lasts=still))]
    return measure_all(plans, readings, scratch, at_once=4)


def plan(act: Outage | Stall, seed: int) -> tuple[Setup, Script]:
    setup = Setup(
        clients=300,
        requests="1/30s",
        group={"reconnect": {"first": "50ms", "max": "500ms", "seed": seed}, "latency_limit": f"{LIMIT:g}s"},
        method=[noop("trouble")],
        recovery={"stable_for": "6s"},
        timing={"baseline": "7s", "after": "7s", "recovery_timeout": "40s"},
    )
    return setup, Script(sections={"trouble": (act,)}, seed=seed)


def readings(run: Measured) -> Iterator[Reading]:
    crash = isinstance(run.script.sections["trouble"][0], Outage)
    note, flagged = str(run.folder), not run.sound
    for episode, course, of_episode in of_courses(run):
        # A stall is seen by slots 100 ms apart: its times are only as good as that.
        yield from of_episode if crash else [each for each in of_episode if each.what == "episodes"]
        if episode is None or course.recovered is None:
            continue
        yield exact("R came by", episode.recovered_by, f"users.{course.recovered_by}", flagged=flagged, note=note)
        if not crash:
            (act,) = run.truth.acts("trouble")
            assert act.over is not None
            resolution = run.result.tolerance["users"].resolution_s
            assert resolution is not None
            told = None if episode.recovered is None else episode.recovered / SECOND
            yield near("stall: R", told, act.over / SECOND - LIMIT, resolution, flagged=flagged, note=note)
