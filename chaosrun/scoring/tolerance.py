"""What a group tolerates, and when its indicators are out of tolerance.

A group has up to three indicators: sessions and pushes are judged at each instant, requests over every window
`[x, x + W)` of due time. All are kept in one form, an `Indicator`: the start instants of the windows that are out of
tolerance, with the windows' width (1 ns for an instant).

Times are whole nanoseconds, and so is `x`: a slot due at `d` is in the windows with `d - W < x <= d`, so that what
`(i, i + 1]` contains is what `i + 1` contains, and whole `x` stand for all real ones.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

from chaosrun.records import History
from chaosrun.scoring.pacing import blind, resolution
from chaosrun.scoring.phases import observation_end, phase_span
from chaosrun.scoring.ratio import exact
from chaosrun.scoring.sessions import asks
from chaosrun.scoring.steps import Interval, Steps, clipped, merged, where_both
from chaosrun.scoring.timeline import GroupTimeline, StaleSpan
from chaosrun.scoring.windows import EventSlots

IndicatorName = Literal["sessions", "requests", "pushes"]


@dataclass(frozen=True, kw_only=True)
class GroupTolerance:
    """The tolerance in use, for printing; None where the group lacks the indicator. Times in ns, fractions of 1."""

    sessions: float | None
    requests: float | None
    pushes: float | None
    window: int | None
    stable_for: int
    latency_limit: int
    resolution: int | None
    blind: int | None


def group_tolerance(history: History, g: int) -> GroupTolerance:
    group = history.plan.groups[g]
    requests = asks(group)
    return GroupTolerance(
        sessions=None if group.kind == "http" else group.tolerate_sessions,
        requests=group.tolerate_requests if requests else None,
        pushes=group.tolerate_pushes if group.streams else None,
        window=group.window_ns if requests else None,
        stable_for=history.plan.recovery.stable_for_ns,
        latency_limit=group.latency_limit_ns,
        resolution=resolution(group),
        blind=blind(group),
    )


@dataclass(frozen=True, kw_only=True)
class Steadiness:
    """Bad slots and slots per event window of the baseline, on average."""

    bad: float
    slots: float
    tolerated: float

    @property
    def steady(self) -> bool:
        """`m + 4 * sqrt(m) <= l * n`: strays this frequent stay in tolerance, by four standard deviations."""
        return self.slots > 0 and self.bad + 4 * sqrt(self.bad) <= self.tolerated


def steadiness(bad: int, slots: int, span: int, window: int, tolerate: float) -> Steadiness:
    """From the counts of a baseline of `span` ns, event windows of `window` ns and the tolerated fraction."""
    share = window / span if span > 0 else 0.0
    return Steadiness(bad=bad * share, slots=slots * share, tolerated=tolerate * slots * share)


def baseline_steadiness(history: History, timeline: GroupTimeline) -> Steadiness | None:
    """Of the whole baseline, which ends at the first fault; None without a baseline or without requests."""
    span = phase_span(history, "baseline")
    if span is None or not asks(timeline.group):
        return None
    calls = [call.t for call in history.called]
    start, end = span[0], min([span[1], *calls])
    slots, bad = EventSlots.of(timeline).count(start, end)
    return steadiness(bad, slots, end - start, timeline.group.window_ns, timeline.group.tolerate_requests)


@dataclass(frozen=True)
class Indicator:
    """Where one indicator of one group is out of tolerance."""

    group: str
    name: IndicatorName
    width: int
    """A window starting at x is `[x, x + width)`; 1 for what is judged at each instant."""
    bad: Sequence[Interval]
    """The x whose window is out of tolerance, ascending and disjoint."""
    slots: EventSlots | None = None
    """The events behind the request indicator."""

    @property
    def label(self) -> str:
        return f"{self.group}.{self.name}"

    def first_bad(self, a: int) -> int | None:
        """The first `x >= a` that is out of tolerance."""
        i = bisect_right(self.bad, a, key=lambda interval: interval[1])
        return max(a, self.bad[i][0]) if i < len(self.bad) else None

    def holds_until(self, a: int) -> int | None:
        """The largest b for which `[a, b)` is in tolerance; None: as far as was looked."""
        x = self.first_bad(a)
        return None if x is None else x + self.width - 1

    def holds_from(self, b: int) -> int | None:
        """The smallest a for which `[a, b)` is in tolerance; None: as far back as was looked."""
        last = b - self.width
        i = bisect_right(self.bad, last, key=lambda interval: interval[0]) - 1
        return min(self.bad[i][1], last + 1) if i >= 0 else None

    def begins_to_hold(self, a: int) -> bool:
        """It was out of tolerance right up to `a`, and is not at `a`."""
        i = bisect_left(self.bad, a, key=lambda interval: interval[1])
        return i < len(self.bad) and self.bad[i][1] == a

    def impact(self, fault_start: int, end: int) -> int | None:
        """When it was first hit inside `[fault_start, end)`; None: it held."""
        x = self._first_hit(fault_start, end)
        return x if x is None or self.slots is None else self.slots.onset(x, fault_start)

    def first_lost(self, fault_start: int, end: int) -> tuple[int, int] | None:
        """The first slot that its impact may have taken, and after which instant it then began. An instant is exact."""
        x = self._first_hit(fault_start, end)
        return None if x is None else (x, x) if self.slots is None else self.slots.first_lost(x, fault_start)

    def _first_hit(self, fault_start: int, end: int) -> int | None:
        x = self.first_bad(fault_start)
        return None if x is None or x + self.width > end else x


def indicators(
    history: History,
    timelines: Sequence[GroupTimeline],
    stale: Sequence[Sequence[StaleSpan]],
    faults: Sequence[int],
) -> list[Indicator]:
    """Every indicator of every group, from the first of `faults` (times of their calls) to the end of observation.

    Raises ValueError for a group that has none: nothing could show its recovery.
    """
    found: list[Indicator] = []
    begin, end = min(faults), observation_end(history)
    for timeline, spans in zip(timelines, stale, strict=True):
        group = timeline.group
        own: list[Indicator] = []
        if group.kind != "http":
            own.append(_sessions(timeline, begin, end))
        if asks(group):
            slots = EventSlots.of(timeline)
            bad = slots.bad_windows(begin, end)
            own.append(Indicator(group.name, "requests", group.window_ns, bad, slots))
        if group.streams and group.kind != "http":
            own.append(_pushes(timeline, spans, sorted(faults), begin, end))
        if not own:
            raise ValueError(f"group {group.name!r} has no indicator: give it requests, or let it hold connections")
        found += own
    return found


def _sessions(timeline: GroupTimeline, a: int, b: int) -> Indicator:
    """`sum(s_c) >= (1 - l) * planned` at each instant; sessions of clients not yet planned count too."""
    least = 1 - exact(timeline.group.tolerate_sessions)
    over, under = least.numerator, least.denominator
    bad = where_both(timeline.sessions, timeline.planned, lambda up, planned: up * under < over * planned, a, b)
    return Indicator(timeline.group.name, "sessions", 1, bad)


def _pushes(timeline: GroupTimeline, spans: Sequence[StaleSpan], faults: Sequence[int], a: int, b: int) -> Indicator:
    """At most `l * N` clients stale at each instant; a client is stale while any feed of its own is."""
    by_client: dict[int, list[Interval]] = {}
    for span in spans:
        by_client.setdefault(span.client, []).append((_counts_from(span, faults), span.end))
    count = Steps.counting(span for own in by_client.values() for span in merged(clipped(own, a, b)))
    most = exact(timeline.group.tolerate_pushes) * timeline.group.clients
    return Indicator(timeline.group.name, "pushes", 1, count.where(lambda still: still > most, a, b))


def _counts_from(span: StaleSpan, faults: Sequence[int]) -> int:
    """The last receipt before a fault opens the gap that the fault makes: where a gap was not yet too long at the first
    fault in it, it counts from there, as a slot does that was due before a fault and went bad after it."""
    i = bisect_right(faults, span.start)
    return faults[i] if i < len(faults) and faults[i] < span.noticed else span.start
