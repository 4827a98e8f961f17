"""One check of the observer: what it found, how bad that is, and which criteria it makes unknown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from chaosrun.records import History
from chaosrun.scoring.words import Unit, show

Need = Literal["lag", "send", "skipped", "journal", "clock", "sampler", "source", "prober", "effect"]
"""What a metric depends on: event-loop lag (L), send lateness (S), slots that the observer skipped (K), journal and
conservation (J), clocks (C), the resource sampler, a known source of what was published, the prober, and a fault whose
effect was confirmed."""

Grade = Literal["ok", "warn", "invalid"]
Span = tuple[int, int]

MS = 1_000_000
SECOND = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check, decided. `value` and `limit` (where it invalidates) are in `unit`."""

    name: str
    value: float | None = None
    limit: float | None = None
    unit: Unit = "count"
    grade: Grade | None = None
    """None: there was nothing to check."""
    clouds: frozenset[Need] = frozenset()
    spans: tuple[Span, ...] = ()
    """When it clouds them, if it is invalid; empty: throughout the run."""
    why: str = ""
    group: str | None = None
    """The only group that it speaks of."""
    only_slows: bool = False
    """It can only have made things later or fewer, for load and service alike: what kept its limit in spite of it, kept
    it. So it makes unknown what did not."""

    @property
    def subject(self) -> Literal["observer", "machine", "baseline", "effect"]:
        """What is unsound if it fails: a baseline that is none clouds no single number."""
        if self.only_slows:
            return "machine"
        if not self.clouds:
            return "baseline"
        return "effect" if self.clouds == {"effect"} else "observer"

    def told(self) -> str:
        """Its name and why, in words."""
        return f"{self.name}: {self.why}" if self.why else self.name

    def hits(self, needs: Iterable[Need], start: int, end: int, group: str | None) -> bool:
        """Does it make unknown what a metric with these needs read in [start, end) of a group?"""
        if self.grade != "invalid" or self.clouds.isdisjoint(needs):
            return False
        if self.group is not None and group is not None and self.group != group:
            return False
        return not self.spans or any(a < end and start < b for a, b in self.spans)


def graded(value: float | None, warn: float, invalid: float) -> Grade | None:
    """Above `warn` it warns, above `invalid` it invalidates; None stays None."""
    if value is None:
        return None
    return "invalid" if value > invalid else "warn" if value > warn else "ok"


def timed(name: str, value: float | None, warn: float, invalid: float, clouds: frozenset[Need]) -> Check:
    """A check of a time in ns."""
    grade = graded(value, warn, invalid)
    shown = None if value is None else value / SECOND
    why = show(value / SECOND, "s") if value is not None and grade != "ok" else ""
    return Check(name=name, value=shown, limit=invalid / SECOND, unit="s", grade=grade, clouds=clouds, why=why)


@dataclass(frozen=True)
class Stretch:
    """A named part of the run that is judged: a phase from the baseline to `verify`."""

    name: str
    start: int
    end: int


def judged(history: History) -> list[Stretch]:
    """The phases that criteria look at; a busy ramp says nothing about the numbers after it."""
    ends = [*(phase.t for phase in history.phases[1:]), history.end]
    return [
        Stretch(phase.name, phase.t, end)
        for phase, end in zip(history.phases, ends, strict=False)  # a run that was cut off early has no phase at all
        if phase.name in ("baseline", "fault", "recovery", "after", "rollback", "verify") and end > phase.t
    ]


def silences(times: Iterable[int], start: int, end: int) -> list[Span]:
    """The times between one of `times` and the next, from `start` to `end`."""
    return list(pairwise([start, *sorted(t for t in times if start < t < end), end]))
