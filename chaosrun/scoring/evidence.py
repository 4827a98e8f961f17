"""All that is known of a run, ready to be asked: a group's ledgers, latencies and pushes over any stretch of it.

Everything is computed from the history when it is asked for, and once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from chaosrun.plan import GroupPlan
from chaosrun.records import History, Push
from chaosrun.scoring.connections import Connections, measure_connections
from chaosrun.scoring.phases import phase_span
from chaosrun.scoring.push_windows import PushWindow, measure_pushes
from chaosrun.scoring.pushes import PushLedger, PushScore, count_pushes
from chaosrun.scoring.recovery import Recovery
from chaosrun.scoring.requests import RequestWindow
from chaosrun.scoring.timeline import GroupTimeline, build_timeline


@dataclass(frozen=True)
class GroupEvidence:
    """All that is known of one load group."""

    history: History
    g: int
    pushes: PushScore | None
    """None: the group listens to no stream."""
    timeline: GroupTimeline
    _connections: dict[tuple[int, int], Connections] = field(default_factory=dict, repr=False)
    _requests: dict[tuple[int, int, str | None], RequestWindow] = field(default_factory=dict, repr=False)
    _pushes: dict[tuple[int, int, str | None], PushWindow] = field(default_factory=dict, repr=False)
    _ledgers: dict[int, dict[str, PushLedger]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, history: History, g: int) -> GroupEvidence:
        group = history.plan.groups[g]
        pushes = count_pushes(history, g, baseline_of(history)) if group.streams else None
        timeline = build_timeline(history, g, pushes.stale if pushes else ())
        return cls(history, g, pushes, timeline)

    @property
    def plan(self) -> GroupPlan:
        return self.history.plan.groups[self.g]

    def connections_in(self, start: int, end: int) -> Connections:
        """What was needed, made and lost in [start, end)."""
        if (start, end) not in self._connections:
            self._connections[start, end] = measure_connections(self.history, self.g, start, end)
        return self._connections[start, end]

    def requests_in(self, start: int, end: int, request: str | None = None) -> RequestWindow | None:
        """The slots due in [start, end); None: the group sends no requests."""
        if not self.plan.has_requests:
            return None
        key = start, end, request
        if key not in self._requests:
            kind = None if request is None else self.plan.requests.index(request)
            (self._requests[key],) = self.timeline.requests.measure([(start, end)], kind)
        return self._requests[key]

    def pushes_in(self, start: int, end: int, stream: str | None = None) -> PushWindow | None:
        """The messages received in [start, end); None: the group listens to no stream."""
        if not self.plan.streams:
            return None
        key = start, end, stream
        if key not in self._pushes:
            self.read_pushes([(start, end)], stream)
        return self._pushes[key]

    def read_pushes(self, spans: Iterable[tuple[int, int]], stream: str | None = None) -> None:
        """Read the messages once for several windows: there may be millions, on disk."""
        wanted = sorted({span for span in spans if (*span, stream) not in self._pushes})
        history = self.history if stream is None else _only(self.history, stream)
        if wanted and self.plan.streams:
            for span, found in zip(wanted, measure_pushes(history, self.g, wanted), strict=True):
                self._pushes[(*span, stream)] = found

    def ledgers_until(self, t: int) -> dict[str, PushLedger]:
        """The push ledger of each stream as it stood at `t`; at the end of the run, the whole one."""
        if self.pushes is None:
            return {}
        if t >= self.history.load_stopped:
            return self.pushes.by_stream  # with the high-water marks that were asked for at the end
        if t not in self._ledgers:
            self._ledgers[t] = count_pushes(until(self.history, t), self.g, baseline_of(self.history)).by_stream
        return self._ledgers[t]


@dataclass(frozen=True)
class Evidence:
    """All that is known of a run, as metrics and the judge need it."""

    history: History
    groups: tuple[GroupEvidence, ...]
    recovery: Recovery | None
    """None: no fault was injected."""
    cores: int | None = None
    """Of the machine, for `of: machine`."""

    def group(self, name: str) -> GroupEvidence:
        return next(group for group in self.groups if group.plan.name == name)


def baseline_of(history: History) -> tuple[int, int]:
    """The baseline, or what there is before the first fault; empty if the run never got there."""
    return phase_span(history, "baseline") or (0, 0)


def until(history: History, t: int) -> History:
    """The run as it was known at `t`: nobody had asked for a high-water mark yet."""
    return replace(
        history,
        phases=[line for line in history.phases if line.t < t],
        end=t,
        load_stopped=min(t, history.load_stopped),
        opened=[line for line in history.opened if line.t < t],
        closed=[line for line in history.closed if line.t < t],
        subscribed=[line for line in history.subscribed if line.t < t],
        published=[line for line in history.published if line.t < t],
        heads=(),
        pushes=_Until(history.pushes, t),
    )


@dataclass(frozen=True)
class _Until:
    """The messages received before `t`, read anew each time."""

    pushes: Iterable[Push]
    t: int

    def __iter__(self) -> Iterator[Push]:
        return (push for push in self.pushes if push.at < self.t)


@dataclass(frozen=True)
class _Of:
    """The messages of some row keys, read anew each time."""

    pushes: Iterable[Push]
    sids: frozenset[int]

    def __iter__(self) -> Iterator[Push]:
        return (push for push in self.pushes if push.sid in self.sids)


def _only(history: History, stream: str) -> History:
    sids = frozenset(sid for sid, line in enumerate(history.streams) if line.stream == stream)
    return replace(history, pushes=_Of(history.pushes, sids))
