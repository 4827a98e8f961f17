"""What a run is like this second, as metrics: `/metrics` while it goes on.

The engine tells it what it tells the display, and that is only kept; a scrape makes the families of what was kept last,
in a thread of its own. Counters begin anew with each run of a series.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

from prometheus_client.metrics_core import Metric

from chaosrun.load.wire import GroupLive
from chaosrun.plan import Plan
from chaosrun.reports._families import Family
from chaosrun.reports._view import SHOWN_PHASES, GroupView, View
from chaosrun.spec.secret import mask

PHASES: Final = (*SHOWN_PHASES, "rollback", "ramp_down", "cool-down")


class LiveMetrics(View):
    """A `Watcher` that can be collected by a registry of prometheus-client, from any thread.

    Args:
        secrets: texts that are masked in every label.
    """

    def __init__(self, secrets: Collection[str], clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._secrets = secrets
        self._standing: Mapping[str, int] = {}
        """How many injections of each fault were not taken away yet; replaced whole."""

    def began(self, folder: Path, title: str, plan: Plan) -> None:
        super().began(folder, title, plan)
        self.groups, self._earlier, self.resources = (), (), {}
        self._standing = {fault.name: 0 for fault in plan.faults}

    def fault(self, name: str, event: str, detail: str) -> None:
        super().fault(name, event, detail)
        change = {"called": 1, "undone": -1}.get(event, 0)  # one that failed stands, as far as is known
        self._standing = {**self._standing, name: max(0, self._standing.get(name, 0) + change)}

    def collect(self) -> Iterator[Metric]:
        """All families that have a sample."""
        groups = [(self._safe(group.now.counts.name), group) for group in self.groups]
        families = [*self._run(), *self._guards(), *_counts(groups), *_last_second(groups), *self._resources()]
        return (family.metric for family in families if family.metric.samples)

    def _safe(self, text: str) -> str:
        return mask(text, self._secrets)

    def _run(self) -> Iterator[Family]:
        if self.folder is None:
            return  # no run has begun yet
        info = Family("run_info", "Which run this is; always 1.")
        info.add(1, title=self._safe(self.title))
        elapsed = Family("run_elapsed", "How long the run has been going on.", "seconds")
        elapsed.add(round(self.elapsed, 3))
        now = Family("phase", "1 for the phase that the run is in, 0 for the others.")
        for name in PHASES:
            now.add(float(self.phase_now is not None and self.phase_now.name == name), phase=name)
        standing = Family("fault_standing", "1 while a fault is injected and not taken away.")
        for name, count in self._standing.items():
            standing.add(float(count > 0), fault=self._safe(name))
        yield from (info, elapsed, now, standing)

    def _guards(self) -> Iterator[Family]:
        """Two that are written alike are one here: the further burnt, which stands first."""
        burnt = Family("guard_burnt", "How far a guard of stop_when has burnt; at 1 it ends the run.", "ratio")
        blind = Family("guard_blind", "1 while a guard of stop_when cannot be read.")
        told = {(guard.guard, guard.of): guard for guard in reversed(self.guards_now)} if self.guards_armed else {}
        for guard in told.values():
            burnt.add(guard.burnt, guard=self._safe(guard.guard), of=self._safe(guard.of))
            blind.add(float(guard.blind), guard=self._safe(guard.guard), of=self._safe(guard.of))
        yield from (burnt, blind)

    def _resources(self) -> Iterator[Family]:
        lag = Family("event_loop_lag", "Worst lag of chaosrun's own load processes in the last second.", "seconds")
        if self.groups:
            lag.add(self.lag_max_ns / 1e9)
        cpu = Family("role_cpu", "CPU of a role over the last second, 1 being one core.", "ratio")
        memory = Family("role_memory", "Resident memory of a role.", "bytes")
        for role, sample in self.resources.items():
            cpu.add(round(sample.cpu, 6), role=self._safe(role))
            memory.add(sample.memory, role=self._safe(role))
        yield from (lag, cpu, memory)


_Named = list[tuple[str, GroupView]]

_GAUGES: Final = {
    "counted": ("planned_clients", "Clients that should be served: from their first use on, or when it is overdue."),
    "open": ("connected_clients", "Clients with a session."),
    "usable": ("usable_clients", "Clients that are being served."),
    "stale": ("stale_clients", "Clients whose feed stands still."),
    "in_flight": ("requests_in_flight", "Requests that wait for their reply."),
}
_COUNTERS: Final = {
    "due": ("requests_due", "Requests that were due and are decided."),
    "good": ("requests_good", "Requests that were answered in time."),
    "bad": ("requests_bad", "Requests that were not: late, by an error, or not at all."),
    "unanswered": ("requests_unanswered", "Requests that will never have a reply."),
    "replies": ("replies", "Replies received."),
    "pushes": ("pushes", "Pushed messages received."),
    "attempts": ("connection_attempts", "Connection attempts."),
    "refused": ("refused_connections", "Connection attempts that failed."),
    "disconnects": ("unexpected_disconnects", "Connections that ended and were not meant to."),
    "malformed": ("malformed_messages", "Messages that the protocol could not accept."),
}
"""By the name that a snapshot of the load has for it."""


def _counts(groups: _Named) -> Iterator[Family]:
    for field, (name, told) in _GAUGES.items():
        family = Family(name, told)
        for group, view in groups:
            family.add(_of(view.now.counts, field), group=group)
        yield family
    for field, (name, told) in _COUNTERS.items():
        family = Family(name, told, kind="counter")
        for group, view in groups:
            family.count(_of(view.now.counts, field), group=group)
        yield family
    errors = Family("errors", "Refusals and unplanned ends of connections, by why.", kind="counter")
    for group, view in groups:
        for why, count in view.now.counts.errors.items():
            errors.count(count, group=group, why=why)
    yield errors


def _of(counts: GroupLive, field: str) -> int:
    value: int = getattr(counts, field)
    return value


def _last_second(groups: _Named) -> Iterator[Family]:
    response = Family("response", "Response time of the requests answered within the last second.", "seconds")
    replies = Family("replies_per_second", "Replies in the last second.")
    pushes = Family("pushes_per_second", "Pushed messages in the last second.")
    bad = Family("bad", "Share of the requests decided in the last second that were bad.", "ratio")
    for group, view in groups:
        response.add(_seconds(view.now.response_p50_ns), group=group, quantile="0.5")
        response.add(_seconds(view.now.response_p99_ns), group=group, quantile="0.99")
        replies.add(view.replies_per_s, group=group)
        pushes.add(view.pushes_per_s, group=group)
        bad.add(view.bad_share, group=group)
    yield from (response, replies, pushes, bad)


def _seconds(ns: int | None) -> float | None:
    return None if ns is None else ns / 1e9
