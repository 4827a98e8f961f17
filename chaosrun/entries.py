"""The experiments of a sequence: as they were asked for, and as they are once they are loaded."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from chaosrun.against import Against
from chaosrun.errors import Exit, SpecError
from chaosrun.series import Repetition
from chaosrun.spec.fleet import FleetKind
from chaosrun.spec.loader import Loaded, load_experiment

Skip = Literal["no-profile", "unavailable"]
"""What is left out rather than counted against the whole: an experiment without the profile that was asked for; one
that needs something that is not here."""


@dataclass(frozen=True)
class Entry:
    """An experiment of a sequence, as it was asked for."""

    path: Path
    profile: str | None = None
    sets: tuple[str, ...] = ()
    target: Path | None = None
    fleet: FleetKind | None = None
    """Where its load is played; None: where it says."""
    repetition: Repetition | None = None
    """None: a single run."""


@dataclass(frozen=True)
class Ready:
    """An experiment that is loaded and may be run."""

    entry: Entry
    loaded: Loaded
    against: Against | None = None
    """The earlier runs that its own are held against."""


@dataclass(frozen=True)
class LeftOut:
    """An experiment that is skipped, and why."""

    entry: Entry
    title: str
    exit: Exit
    why: str


Item = Ready | LeftOut


def load_entries(
    entries: Sequence[Entry], *, revealed: set[str] | None = None, skip: Collection[Skip] = ()
) -> list[Item]:
    """All experiments, in their order.

    Args:
        revealed: as for `load_experiment`.
        skip: with `no-profile`, those without the profile that was asked for are left out.

    Raises:
        SpecError: with everything that is wrong with any of them.
    """
    items: list[Item] = []
    problems: dict[str, None] = {}
    for entry in entries:
        try:
            items.append(_load(entry, revealed, "no-profile" in skip))
        except SpecError as error:
            problems.update(dict.fromkeys(error.problems))
    if problems:
        raise SpecError(list(problems))
    return items


def _load(entry: Entry, revealed: set[str] | None, may_skip: bool) -> Item:
    def load(profile: str | None) -> Loaded:
        return load_experiment(
            entry.path, profile=profile, sets=entry.sets, target=entry.target, revealed=revealed
        ).played_by(entry.fleet)

    try:
        return Ready(entry, load(entry.profile))
    except SpecError as error:
        if not may_skip or entry.profile is None:
            raise
        try:
            plain = load(None)
        except SpecError as also:
            raise SpecError(tuple(dict.fromkeys((*also.problems, *error.problems)))) from error
        if entry.profile in plain.experiment.profiles:
            raise
        return LeftOut(entry, plain.experiment.title, Exit.USAGE, f"it has no profile {entry.profile}")
