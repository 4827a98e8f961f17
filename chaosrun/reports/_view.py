"""What is known of a run while it goes on, gathered for drawing: the same for lines and for the live display.

It takes what the engine tells, in the engine's thread, and only keeps it. Whoever draws reads it from another thread:
every field is replaced whole, never changed in place, so that no lock is needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chaosrun.guards.watch import GuardNow
from chaosrun.load.live import FleetNow, GroupNow
from chaosrun.plan import Plan
from chaosrun.records import Resource

SHOWN_PHASES: Final = ("start", "ramp", "warmup", "baseline", "fault", "recovery", "after", "verify", "drain")
_NOTES: Final = 4
_RATE_NS: Final = 1_000_000_000
_MINUTE: Final = 60


@dataclass(frozen=True)
class PhaseView:
    name: str
    began: float
    """On the view's clock, in seconds."""
    planned_s: float | None
    at_most_s: float | None = None
    """It ends when something has happened, but not later than this; None: as planned, or with no such bound."""

    def left(self, now: float) -> float | None:
        """Seconds until its planned end, or its latest, not below 0; None: nobody can tell."""
        whole = self.at_most_s if self.planned_s is None else self.planned_s
        return None if whole is None else max(0.0, self.began + whole - now)


@dataclass(frozen=True)
class FaultView:
    name: str
    event: str
    detail: str
    at: float


@dataclass(frozen=True)
class GroupView:
    """A group right now; rates are over the last second."""

    now: GroupNow
    replies_per_s: float | None = None
    pushes_per_s: float | None = None
    bad_share: float | None = None
    """Of the slots decided within the last second."""


class View:
    """A `Watcher` that only remembers."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, heading: str = "") -> None:
        self._clock = clock
        self.heading = heading
        """Which run of several it is, in words."""
        self.began_at = clock()
        self.title = ""
        self.folder: Path | None = None
        """Where the run is kept; None until there is such a place."""
        self.faults_planned = 0
        self.phase_now: PhaseView | None = None
        self.last_fault: FaultView | None = None
        self.groups: tuple[GroupView, ...] = ()
        self.lag_max_ns = 0
        self.resources: Mapping[str, Resource] = {}
        self.guards_now: tuple[GuardNow, ...] = ()
        """The one that is nearest to ending the run first; those that are equally near as in `stop_when`."""
        self.guards_armed = False
        self.notes: tuple[str, ...] = ()
        self.served: tuple[float, ...] = ()
        """Usable clients as a share of the planned ones, one value a second, over the last minute."""
        self._at_most_ns: Mapping[str, int] = {}
        self._earlier: tuple[FleetNow, ...] = ()
        self._served_second = -1

    @property
    def elapsed(self) -> float:
        return self._clock() - self.began_at

    @property
    def now(self) -> float:
        return self._clock()

    # ---- what the engine tells --------------------------------------------------------------------------------------

    def began(self, folder: Path, title: str, plan: Plan) -> None:
        self.began_at = self._clock()
        self.title, self.folder, self.faults_planned = title, folder, len(plan.faults)
        self._at_most_ns = plan.phases_ns

    def phase(self, name: str, planned_ns: int | None) -> None:
        longest = self._at_most_ns.get(name) if planned_ns is None else None
        self.phase_now = PhaseView(name, self._clock(), _seconds(planned_ns), _seconds(longest))

    def fault(self, name: str, event: str, detail: str) -> None:
        self.last_fault = FaultView(name, event, detail, self._clock())

    def note(self, text: str) -> None:
        self.notes = (*self.notes, text)[-_NOTES:]

    def live(self, live: FleetNow, resources: Mapping[str, Resource]) -> None:
        then = next((fleet for fleet in self._earlier if fleet.t >= live.t - _RATE_NS), None)
        self._earlier = (*(fleet for fleet in self._earlier if fleet.t >= live.t - _RATE_NS), live)
        self.groups = tuple(
            _group(group, then.groups[place] if then is not None and place < len(then.groups) else None, live, then)
            for place, group in enumerate(live.groups)
        )
        self.lag_max_ns = live.lag_max_ns
        self.resources = dict(resources)
        self._remember_served(live)

    def guards(self, guards: Sequence[GuardNow], armed: bool) -> None:
        self.guards_now = tuple(sorted(guards, key=lambda guard: (-guard.burnt, not guard.blind)))
        self.guards_armed = armed

    def _remember_served(self, live: FleetNow) -> None:
        counted = sum(group.counts.counted for group in live.groups)
        second = int(self.elapsed)
        if counted and second != self._served_second:
            share = sum(group.counts.usable for group in live.groups) / counted
            self.served = (*self.served, min(1.0, share))[-_MINUTE:]
            self._served_second = second


def _seconds(ns: int | None) -> float | None:
    return None if ns is None else ns / 1e9


def _group(group: GroupNow, before: GroupNow | None, live: FleetNow, then: FleetNow | None) -> GroupView:
    if before is None or then is None or live.t <= then.t:
        return GroupView(group)
    seconds = (live.t - then.t) / 1e9
    due = group.counts.due - before.counts.due
    return GroupView(
        group,
        replies_per_s=(group.counts.replies - before.counts.replies) / seconds,
        pushes_per_s=(group.counts.pushes - before.counts.pushes) / seconds,
        bad_share=(group.counts.bad - before.counts.bad) / due if due > 0 else None,
    )
