"""At which instants of a run chaosrun is killed: pure, and the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

TIED = ("intent", "called", "confirmed", "removed", "undone")
"""The lines of the journal around which a fault comes and goes."""
WITHIN_S = 0.05
"""An instant that is tied to a line is at most so long after it."""
_AROUND_S = 0.03
"""No line is out in time to tell when the undo begins: it is aimed at by the clock, and this much before it, too."""


class Mark(NamedTuple):
    """Something that a run tells of itself while it goes on."""

    name: str
    at_s: float
    """Since its process was started."""


class Instant(NamedTuple):
    """So long after a run has told of `after`; `begun`: after its process was started."""

    after: str
    plus_s: float

    def sooner(self) -> Instant:
        """After the same line, for a run that goes quicker than was thought."""
        return self._replace(plus_s=self.plus_s / 2)


class Course(NamedTuple):
    """How a run goes that nobody disturbs."""

    marks: Sequence[Mark]
    """In order of time, `begun` the first of them."""
    end_s: float

    def at(self, name: str) -> float:
        return next(mark.at_s for mark in self.marks if mark.name == name)


def planned(course: Course, kills: int, seed: object) -> list[Instant]:
    """Half of them spread evenly over the whole run, one anywhere in each of as many equal parts of it, and half at the
    lines of the journal; in no order."""
    rng = random.Random(repr(seed))
    evenly = kills - kills // 2
    instants = [_at(course, (part + rng.random()) / evenly * course.end_s) for part in range(evenly)]
    instants += [tied(course, TIED[number % len(TIED)], rng) for number in range(kills // 2)]
    rng.shuffle(instants)
    return instants


def tied(course: Course, line: str, rng: random.Random) -> Instant:
    """An instant shortly after a line of the journal."""
    if line == "removed":
        undo_s = course.at("removed") - course.at("intent")
        return Instant("intent", undo_s + rng.uniform(-_AROUND_S, WITHIN_S))
    return Instant(line, rng.uniform(0, WITHIN_S))


def _at(course: Course, at_s: float) -> Instant:
    """The instant as told from the last mark before it, so that a run that is slower until then is hit where meant."""
    before = [mark for mark in course.marks if mark.at_s <= at_s and mark.name != "removed"]
    return Instant(before[-1].name, at_s - before[-1].at_s)
