"""A sabotaged observer: the run must say so, must not pass, and must not hold it against the service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from oracle_row import Reading, Size, exact
from sabotages import SABOTAGES, faults_of
from sabotages import run as run_harmed

NAME = "a sabotaged observer"
ACCEPTS = "always flagged, never passed, and not blamed on the service"
FAST = False

SMALL = ("a loop blocked for 300 ms", "a prober that dies")
TRIES = 3


def _one(name: str, scratch: Path) -> Reading:
    """One sabotage; where the baseline was never steady no harm came to pass, and the reading says so."""
    sabotage = SABOTAGES[name]
    for number in range(TRIES):
        told = run_harmed(sabotage, scratch / f"{name.replace(' ', '-')}-{number}")
        if told.was_harmed(sabotage):
            return exact(name, faults_of(told, sabotage), [], note=str(told.folder))
    return Reading(name, 1, 0, "wrong", flagged=True, note="the baseline was never steady")


def run(size: Size, seed: int, scratch: Path) -> Iterator[Reading]:
    """Every sabotage, or two of them."""
    names = SMALL if size == "small" else SABOTAGES
    for place, name in enumerate(names):
        yield _one(name, scratch / str(place))
