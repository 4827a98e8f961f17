"""What the engine must know while the load runs: whether tolerance holds again.

It reads the workers' snapshots, which come some five times a second. It only ends a phase; every number of the verdict
comes from scoring, which reads the whole history afterwards.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from chaosrun.load.live import FleetNow
from chaosrun.load.wire import GroupLive
from chaosrun.plan import GroupPlan


@dataclass
class _GroupTolerance:
    """Since when each indicator of one group has been in tolerance; None: it is not."""

    plan: GroupPlan
    seen: deque[tuple[int, int, int]] = field(default_factory=deque)
    since: dict[str, int | None] = field(default_factory=dict)

    def see(self, t: int, group: GroupLive) -> None:
        self.seen.append((t, group.due, group.bad))
        while len(self.seen) > 1 and self.seen[1][0] <= t - self.plan.window_ns:
            self.seen.popleft()
        start, due, bad = self.seen[0]
        if self.plan.kind == "websocket":
            allowed = self.plan.tolerate_sessions * group.counted
            self._note("sessions", group.counted - group.open <= allowed, t)
        if self.plan.period_ns is not None and t - start >= self.plan.window_ns:
            slots = group.due - due
            held = slots > 0 and group.bad - bad <= self.plan.tolerate_requests * slots
            self._note("requests", held, start)
        if self.plan.streams:
            self._note("pushes", group.stale <= self.plan.tolerate_pushes * group.planned, t)

    def _note(self, indicator: str, held: bool, since: int) -> None:
        if not held:
            self.since[indicator] = None
        elif self.since.get(indicator) is None:
            self.since[indicator] = since

    def held_since(self) -> int | None:
        times = list(self.since.values())
        if self.plan.period_ns is not None and "requests" not in self.since:
            return None
        known = [time for time in times if time is not None]
        return max(known) if known and len(known) == len(times) else None


class LiveTolerance:
    """Follows the tolerance of all groups from `start` on."""

    def __init__(self, groups: Sequence[GroupPlan], start: int) -> None:
        self._start = start
        self._groups = [_GroupTolerance(plan) for plan in groups]

    def see(self, live: FleetNow) -> None:
        if live.t >= self._start:
            for tolerance, group in zip(self._groups, live.groups, strict=False):
                tolerance.see(live.t, group.counts)

    def held_for(self, now: int) -> int:
        """How long every indicator of every group has been in tolerance, in ns; 0: one is not."""
        since = [group.held_since() for group in self._groups]
        known = [time for time in since if time is not None]
        return max(0, now - max(known)) if known and len(known) == len(since) else 0
