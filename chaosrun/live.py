"""What the engine must know while the load runs: whether tolerance holds again, and whether a guard is burnt.

Both read the workers' snapshots, which come some five times a second. They only end phases and runs; every number of
the verdict comes from scoring, which reads the whole history afterwards.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from chaosrun.load.live import FleetNow
from chaosrun.load.wire import GroupLive
from chaosrun.plan import GroupPlan
from chaosrun.records import Resource
from chaosrun.scoring.histogram import Histogram

_RATE_NS = 1_000_000_000
_PERCENTILE_NS = 10_000_000_000


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
            allowed = self.plan.tolerate_sessions * group.planned
            self._note("sessions", group.planned - group.open <= allowed, t)
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


# ---- guards ---------------------------------------------------------------------------------------------------------


class Guard(NamedTuple):
    """One entry of `stop_when`: the run ends when it has held throughout `for_ns`."""

    metric: str
    group: str | None
    role: str | None
    below: float | None
    above: float | None
    for_ns: int
    written: str

    def burns(self, value: float | None) -> bool:
        """No evidence burns nothing: a guard stops a run for what was seen only."""
        if value is None:
            return False
        return (self.below is not None and value < self.below) or (self.above is not None and value > self.above)


class _Recent:
    """The snapshots of one group over the last ten seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, GroupLive]] = deque()
        self._latencies: deque[tuple[int, dict[int, int]]] = deque()

    def see(self, t: int, group: GroupLive) -> None:
        self._seen.append((t, group))
        while self._seen[0][0] < t - 2 * _RATE_NS:
            self._seen.popleft()
        # A snapshot holds the latencies of the last second: one a second is all of them once.
        if not self._latencies or t - self._latencies[-1][0] >= _RATE_NS:
            self._latencies.append((t, group.latency))
        while self._latencies[0][0] <= t - _PERCENTILE_NS:
            self._latencies.popleft()

    @property
    def last(self) -> GroupLive:
        return self._seen[-1][1]

    def rate(self, count: Callable[[GroupLive], int]) -> float | None:
        """Events a second over the last second."""
        t, last = self._seen[-1]
        then = next(((at, group) for at, group in self._seen if at >= t - _RATE_NS), None)
        if then is None or then[0] == t:
            return None
        return (count(last) - count(then[1])) * 1e9 / (t - then[0])

    def share(self, part: Callable[[GroupLive], int], whole: Callable[[GroupLive], int]) -> float | None:
        parts, all_of = self.rate(part), self.rate(whole)
        return None if parts is None or not all_of else parts / all_of

    def quantile(self, q: float) -> float | None:
        merged = Histogram()
        for _, buckets in self._latencies:
            merged.merge(Histogram.from_buckets(buckets))
        value = merged.quantile(q)
        return None if value is None else value / 1e9


_OF_A_GROUP: dict[str, Callable[[_Recent], float | None]] = {
    "usable": lambda recent: recent.last.usable / recent.last.planned if recent.last.planned else None,
    "bad": lambda recent: recent.share(lambda g: g.bad, lambda g: g.due),
    "throughput": lambda recent: recent.rate(lambda g: g.replies + g.pushes),
    "goodput": lambda recent: recent.rate(lambda g: g.good),
    "message_rate": lambda recent: recent.rate(lambda g: g.pushes),
    "unexpected_disconnects": lambda recent: float(recent.last.disconnects),
    "response_p50": lambda recent: recent.quantile(0.50),
    "response_p90": lambda recent: recent.quantile(0.90),
    "response_p95": lambda recent: recent.quantile(0.95),
    "response_p99": lambda recent: recent.quantile(0.99),
    "response_max": lambda recent: recent.quantile(1.0),
}
_OF_A_ROLE: dict[str, Callable[[Resource], float]] = {
    "cpu": lambda sample: sample.cpu,
    "memory": lambda sample: float(sample.memory),
}


class Guards:
    """All guards of a run; a guard without a group watches every group, and the worst one counts."""

    def __init__(self, guards: Sequence[Guard]) -> None:
        self._guards = guards
        self._since: dict[Guard, int] = {}
        self._recent: dict[str, _Recent] = {}

    def see(self, live: FleetNow, resources: Mapping[str, Resource]) -> str | None:
        """Take a snapshot in; the text says which guard has burnt through, None: none."""
        for group in live.groups:
            self._recent.setdefault(group.counts.name, _Recent()).see(live.t, group.counts)
        for guard in self._guards:
            burning = [value for value in self._values(guard, resources) if guard.burns(value)]
            if not burning:
                self._since.pop(guard, None)
                continue
            since = self._since.setdefault(guard, live.t)
            if live.t - since >= guard.for_ns:
                return f"stop_when: {guard.written} (last seen {burning[0]:g})"
        return None

    def _values(self, guard: Guard, resources: Mapping[str, Resource]) -> list[float | None]:
        if guard.metric in _OF_A_ROLE:
            sample = resources.get(guard.role or "")
            return [None if sample is None else _OF_A_ROLE[guard.metric](sample)]
        names = [guard.group] if guard.group is not None else list(self._recent)
        return [_OF_A_GROUP[guard.metric](self._recent[name]) for name in names if name in self._recent]
