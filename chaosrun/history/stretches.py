"""The runs of a line as a look sees them: stretches of them that somebody accepted are where it begins anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from chaosrun.history.accepted import Acceptance
from chaosrun.history.kept import Kept
from chaosrun.scoring.look import Point


class Stretch(NamedTuple):
    """Runs that were accepted, by their places among all."""

    first: int
    last: int
    """That whose folder says so."""
    said: Acceptance


def stretches(runs: Sequence[Kept], name: str) -> list[Stretch]:
    """What was accepted of a number, oldest first.

    Args:
        runs: of one fingerprint, oldest first.
    """
    found = []
    for last, run in enumerate(runs):
        if (said := run.accepted.get(name)) is not None:
            first = next((place for place in range(last) if runs[place].began >= said.began), last)
            found.append(Stretch(first, last, said))
    return found


def points(runs: Sequence[Kept], name: str) -> list[Point]:
    """What a look sees of the runs by this number."""
    accepted = stretches(runs, name)
    firsts = {stretch.first for stretch in accepted}
    within = {place for stretch in accepted for place in range(stretch.first, stretch.last + 1)}
    return [
        Point(
            run.value(name),
            run.counts,
            run.is_good or (place in within and run.would_be_good),
            accepted=place in within,
            anew=place in firsts,
        )
        for place, run in enumerate(runs)
    ]
