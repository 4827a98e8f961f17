"""What a guard reads while the load runs: of a group from the workers' snapshots, of a role from its last sample.

The snapshots come some five times a second and the samples once. No number of a verdict is made here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from math import inf
from typing import Final, NamedTuple

from chaosrun.load.live import FleetNow
from chaosrun.load.wire import GroupLive
from chaosrun.plan import GroupPlan
from chaosrun.records import OBSERVER, OWN, Resource
from chaosrun.scoring.histogram import Histogram
from chaosrun.spec.guarded import OF_REQUESTS, OF_STREAMS

_RATE_NS: Final = 1_000_000_000
_PERCENTILE_NS: Final = 10_000_000_000
_SILENT_NS: Final = 2_000_000_000
"""The load is heard of five times a second: a picture that is older than this shows nothing any more."""
_UNSAMPLED_NS: Final = 5_000_000_000
"""The same of the samples, which come once a second."""


class Reading(NamedTuple):
    """What was read. Without a value and without `blind` there is rightly nothing to be read yet."""

    value: float | None = None
    blind: str = ""
    """Why nothing can be read that should be."""
    note: str = ""
    """What else was seen, in words."""


NOTHING: Final = Reading()


class _Taken(NamedTuple):
    """Response times of about a second, and the requests that ended without a reply meanwhile."""

    t: int
    latency: dict[int, int]
    unanswered: int


class GroupSight:
    """One load group: its snapshots over as long as its metrics need."""

    def __init__(self, plan: GroupPlan) -> None:
        self._plan = plan
        # Of a slow load nothing may be due for longer than a second.
        apart = 0 if plan.period_ns is None else 2 * plan.period_ns // plan.clients
        self._rate_ns = max(_RATE_NS, apart)
        self._percentile_ns = max(_PERCENTILE_NS, apart)
        self._seen: deque[tuple[int, GroupLive]] = deque()
        self._taken: deque[_Taken] = deque()
        self._unanswered = 0
        self._blind = "nothing was heard of the load yet"

    def see(self, now: int, live: FleetNow) -> None:
        """Take in the newest picture of the load."""
        counts = next((group.counts for group in live.groups if group.counts.name == self._plan.name), None)
        if counts is None or now - live.t > _SILENT_NS:
            self._blind = f"nothing was heard of the load for more than {_SILENT_NS / 1e9:g} s"
        elif counts.clients < self._plan.clients:
            self._blind = "a load process says nothing"
        else:
            self._blind = ""
            self._keep(live.t, counts)

    def _keep(self, t: int, counts: GroupLive) -> None:
        if self._seen and self._seen[-1][0] == t:
            return
        self._seen.append((t, counts))
        while self._seen[0][0] < t - self._rate_ns:
            self._seen.popleft()
        # A picture holds the response times of the last second: one a second is all of them once.
        if not self._taken or t - self._taken[-1].t >= _RATE_NS:
            self._taken.append(_Taken(t, counts.latency, counts.unanswered - self._unanswered))
            self._unanswered = counts.unanswered
        while self._taken[0].t <= t - self._percentile_ns:
            self._taken.popleft()

    def requests(self) -> tuple[int, int] | None:
        """Bad ones and all that could be told by now, since the run began; None: nobody can tell."""
        return None if self._blind or not self._seen else (_bad(self._last), _decided(self._last))

    def read(self, metric: str, *, least: bool) -> Reading:
        """A metric now. `least`: at least so much is wanted of it."""
        if self._blind:
            return Reading(blind=self._blind)
        if metric in _QUANTILES:
            return self._quantile(_QUANTILES[metric])
        if metric in _COUNTS:
            all_came = self._last.counted == self._plan.clients
            # Who is still to come is what is missing of a rate in the ramp.
            return self._rate(_COUNTS[metric]) if all_came or not least else NOTHING
        plain = {"usable": self._usable, "bad": self._bad_share, "unexpected_disconnects": self._disconnects}
        return plain[metric]()

    @property
    def _last(self) -> GroupLive:
        return self._seen[-1][1]

    def _since(self, count: Callable[[GroupLive], int]) -> tuple[int, int]:
        """How much was added, and in how many ns, over the time that rates are told of."""
        (start, first), (end, last) = self._seen[0], self._seen[-1]
        return count(last) - count(first), end - start

    def _usable(self) -> Reading:
        return Reading(self._last.usable / self._last.counted) if self._last.counted else NOTHING

    def _disconnects(self) -> Reading:
        return Reading(float(self._last.disconnects))

    def _rate(self, count: Callable[[GroupLive], int]) -> Reading:
        added, span_ns = self._since(count)
        return Reading(added * 1e9 / span_ns) if span_ns else NOTHING

    def _bad_share(self) -> Reading:
        bad, due = self._since(_bad)[0], self._since(_decided)[0]
        return Reading(max(0, bad) / due) if due > 0 else self._missing(self._rate_ns)

    def _quantile(self, q: float) -> Reading:
        merged, never = Histogram(), 0
        for taken in self._taken:
            merged.merge(Histogram.from_buckets(taken.latency))
            never += taken.unanswered
        if merged.count + never == 0:
            return self._missing(self._percentile_ns)
        value = merged.quantile(q, beyond=never)
        return Reading(inf if value is None else value / 1e9)

    def _missing(self, span_ns: int) -> Reading:
        """In the ramp nobody has been served yet."""
        if not self._last.counted:
            return NOTHING
        return Reading(blind=f"no request was answered or given up within {span_ns / 1e9:g} s")


def _bad(counts: GroupLive) -> int:
    return counts.bad + counts.overdue


def _decided(counts: GroupLive) -> int:
    return counts.due + counts.overdue


_COUNTS: Final[dict[str, Callable[[GroupLive], int]]] = {
    "throughput": lambda counts: counts.replies + counts.pushes,
    "goodput": lambda counts: counts.good,
    "message_rate": lambda counts: counts.pushes,
}
_QUANTILES: Final = {
    "response_p50": 0.5,
    "response_p90": 0.9,
    "response_p95": 0.95,
    "response_p99": 0.99,
    "response_max": 1.0,
}
OF_LOAD: Final = ("usable", "bad", "unexpected_disconnects", *_COUNTS, *_QUANTILES)
"""The metrics of a group that can be read live."""


def suits(metric: str, plan: GroupPlan) -> bool:
    """Whether the group has what the metric is about: requests, streams, or merely clients."""
    if metric in OF_REQUESTS:
        return plan.has_requests
    return metric not in OF_STREAMS or bool(plan.streams)


_OF_A_SAMPLE: Final[dict[str, Callable[[Resource], float]]] = {
    "cpu": lambda sample: sample.cpu,
    "memory": lambda sample: float(sample.memory),
}
OF_ROLE: Final = tuple(_OF_A_SAMPLE)
"""The metrics of a role that can be read live."""


class RoleSight:
    """One role: a process, a container or a unit, found or started, with its children."""

    def __init__(self, role: str) -> None:
        self._role = OWN if role == OBSERVER else role
        self._was_seen = False
        self._sample: Resource | None = None
        self._blind = ""

    def see(self, now: int, resources: Mapping[str, Resource]) -> None:
        """Take in the newest samples: of each role that is up, and of chaosrun itself always."""
        newest = max((sample.t for sample in resources.values()), default=None)
        self._sample = resources.get(self._role)
        self._was_seen |= self._sample is not None
        if newest is None or now - newest > _UNSAMPLED_NS:
            self._blind = "CPU and memory are not being sampled"
        elif not self._was_seen:
            self._blind = f"no process of role {self._role} was seen yet"
        else:
            self._blind = ""

    def read(self, metric: str, *, cores: int) -> Reading:
        """CPU as a share of `cores` cores, or memory in bytes. A role that is down uses nothing, which is known."""
        if self._blind:
            return Reading(blind=self._blind)
        if self._sample is None:
            return Reading(0.0, note="it is down")
        value = _OF_A_SAMPLE[metric](self._sample)
        return Reading(value / cores if metric == "cpu" else value)
