"""All kills of a fault one after the other, and several faults side by side."""

from __future__ import annotations

import random
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from instants import Course, Instant, planned, tied
from shots import NoKill, Shot, Victim, course_of, shoot
from stages import Stage

STANDS = ("called", "confirmed")
"""Lines after which the fault stands for a while, and a guardian must be there: it is killed after one of them."""


@dataclass
class Done:
    """What came of the kills of one fault, or of several."""

    shots: list[Shot] = field(default_factory=list)
    not_made: list[str] = field(default_factory=list)
    """Kills that could not be made, with the reason."""
    hit: dict[str, str] = field(default_factory=dict)
    """What each fault hit."""
    is_enough: bool = False
    """No other kill is to begin."""

    @property
    def left(self) -> list[Shot]:
        return [shot for shot in self.shots if shot.left]


class Job(Protocol):
    @property
    def fault(self) -> str: ...

    def run(self, done: Done) -> None: ...


@dataclass(frozen=True)
class KillsOfAFault:
    """The kills of one fault on a stage of its own, which is set up anew when something was left on it."""

    stage: type[Stage]
    kills: int
    seed: int
    folder: Path
    until: float | None = None
    """On the monotonic clock; no kill begins after it."""

    @property
    def fault(self) -> str:
        return self.stage.fault

    def run(self, done: Done) -> None:
        stage = self.stage()
        stage.__enter__()
        try:
            done.hit[self.fault] = stage.hit
            course = course_of(stage, self.folder)
            aims = list(self._aims(course))
            for number, (victim, instant) in enumerate(aims):
                if done.is_enough or (self.until is not None and time.monotonic() > self.until):
                    done.hit[self.fault] += f" ({len(aims) - number} kills not begun: the time is over)"
                    break
                try:
                    shot = shoot(stage, instant, victim, self.folder / f"kill-{number}")
                except NoKill as why:
                    done.not_made.append(str(why))
                    continue
                done.shots.append(shot)
                if shot.left:
                    _say(shot.told())
                    stage.__exit__()
                    stage = self.stage()
                    stage.__enter__()
                elif number % 10 == 9:
                    _say(f"{self.fault}: {number + 1} of {len(aims)}")
        finally:
            stage.__exit__()

    def _aims(self, course: Course) -> Iterator[tuple[Victim, Instant]]:
        rng = random.Random(repr((self.seed, self.fault, "guardian")))
        for number, instant in enumerate(planned(course, self.kills, (self.seed, self.fault))):
            yield "runner", instant
            if number % 10 == min(9, self.kills - 1):
                line = STANDS[number // 10 % len(STANDS)]
                yield "guardian", tied(course, line, rng)
                yield "both", tied(course, line, rng)


def in_lanes(jobs: Sequence[Job], lanes: int) -> Done:
    """So many jobs at once; one that breaks hides nothing of the others."""
    done = Done()
    with ThreadPoolExecutor(lanes) as pool:
        futures = [(job, pool.submit(job.run, done)) for job in jobs]
        try:
            wait([future for _, future in futures])
        except KeyboardInterrupt:
            _say("no other kill begins; what is under way is seen to its end")
            done.is_enough = True
        for job, future in futures:
            if (error := future.exception()) is not None:
                traceback.print_exception(error)
                done.not_made.append(f"{job.fault}: {error}")
    return done


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
