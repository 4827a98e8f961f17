"""A row of the table of oracles: what it accepts, and how it is read."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

Size = Literal["small", "full"]

ROWS = (
    "simulator",
    "outages",
    "impact",
    "delays",
    "stall",
    "tags",
    "shapes",
    "pushes",
    "quiet",
    "sabotage",
    "episodes",
    "sparse",
)
"""Each is a module `row_NAME.py`, and that is the row. In the order of the table."""


@dataclass(frozen=True)
class Reading:
    """One comparison of what chaosrun says with the truth."""

    what: str
    """The quantity; readings of one quantity are a line of the table."""
    error: float
    """How far it is from the truth, at least 0; for an exact quantity how many are wrong."""
    bound: float
    """How far it may be."""
    unit: str = "s"
    flagged: bool = False
    """The run said itself that this number is not to be trusted (null, censored, unknown, observer not sound)."""
    note: str = ""
    """Where to look: the run's folder, the seed, the two values."""

    @property
    def is_out(self) -> bool:
        """It is wrong, and nobody said so."""
        return not self.error <= self.bound and not self.flagged


class Row(Protocol):
    """A module with these."""

    NAME: str
    ACCEPTS: str
    """What the table asks for, in words."""
    FAST: bool
    """Its small size takes a few seconds, so that it is part of the fast tests."""

    def run(self, size: Size, seed: int, scratch: Path) -> Iterable[Reading]:
        """Take the readings. `scratch` is an empty folder; the same seed gives the same scripts."""
        ...


def find_row(name: str) -> Row:
    return importlib.import_module(f"row_{name}")  # type: ignore[return-value]  # a module that is a Row


def all_rows() -> Iterator[Row]:
    for name in ROWS:
        yield find_row(name)


def exact(what: str, got: object, truth: object, *, flagged: bool = False, note: str = "") -> Reading:
    """A quantity that must be equal."""
    told = f"{note}: {got!r}, in truth {truth!r}" if got != truth else note
    return Reading(what, float(got != truth), 0, "wrong", flagged, told.lstrip(": "))


def near(what: str, got: float | None, truth: float, bound: float, *, flagged: bool = False, note: str = "") -> Reading:
    """A quantity that may be off by `bound`; None is said to be unknown, and so flagged."""
    if got is None:
        return Reading(what, float("inf"), bound, flagged=True, note=f"{note}: null")
    return Reading(what, abs(got - truth), bound, flagged=flagged, note=f"{note}: {got:.6f}, in truth {truth:.6f}")
