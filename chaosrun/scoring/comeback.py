"""Which clients a fault reached, when each was usable again (and how sure that is), and how each noticed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from chaosrun.records import NONE, History
from chaosrun.scoring.connections import tag
from chaosrun.scoring.node_clocks import clock_bound
from chaosrun.scoring.outcomes import Fate, Outcome
from chaosrun.scoring.ratio import rank
from chaosrun.scoring.sessions import ClientTimeline, asks
from chaosrun.scoring.steps import Interval
from chaosrun.scoring.timeline import GroupTimeline, StaleSpan

OURS = ("ours", "injected")
"""Causes of a closed connection that tell nothing about what the client noticed."""


@dataclass(frozen=True, kw_only=True)
class Back:
    """How long (ns) until `ceil(q * n)` of the affected clients were usable again; None: never, or none affected."""

    affected: int = 0
    first: int | None = None
    p50: int | None = None
    p90: int | None = None
    p99: int | None = None
    all: int | None = None
    never: int = 0
    unreturned: tuple[str, ...] = ()
    """`group-index` of the clients that never came back."""
    errors: Mapping[str, int] = field(default_factory=dict)
    """By the name of a field above, the error bound (ns) of its time; a name that is missing: unknown."""


class Return(NamedTuple):
    """A client was usable again at `at`; it truly could be served from some instant in `[low, high]` on."""

    at: int
    low: int
    high: int


@dataclass(frozen=True, kw_only=True)
class Noticed:
    """How many clients noticed the fault in one way, and how long (ns) after it."""

    count: int
    p50: int
    max: int


def come_back(
    history: History,
    timelines: Sequence[GroupTimeline],
    gaps: Sequence[int | None],
    impact: int,
    recovered: int | None,
    end: int,
    since: int,
    doubt: int | None,
) -> Back:
    """Back(q) of the clients that were unusable at some instant between impact and recovery, over all groups.

    A client counts as affected if it had ever been usable before. It is back when it is usable after its last unusable
    instant before the recovery (or before `end`, if there was none): a client that flaps is back when that is over,
    and a stray bad slot after the recovery does not undo it. One whose plan sent it away before it was back is not
    counted: nobody waited for it any more. Times are counted from `since`, never negative.

    Args:
        gaps: of each group the longest gap of its feeds in the baseline; None: unknown, or no feed.
        doubt: what every instant of the run is unsure by (`bounds.doubt`); None: unknown.
    """
    returned: list[Return] = []
    unreturned: list[str] = []
    until = end if recovered is None else recovered
    for timeline, gap in zip(timelines, gaps, strict=True):
        signs = _Signs(history, timeline, gap)
        for way in ways_back(timeline, impact, until, end):
            if way.back is not None:
                returned.append(signs.around(way.client.index, way.back))
            else:
                unreturned.append(f"{timeline.group.name}-{way.client.index}")
    affected = len(returned) + len(unreturned)
    counts = {"first": 1, "p50": rank(0.5, affected), "p90": rank(0.9, affected), "p99": rank(0.99, affected)}
    # The k-th of all lies between the k-th of the earliest and the k-th of the latest that each may be.
    ats, lows, highs = (sorted(times) for times in zip(*returned, strict=True)) if returned else ([], [], [])
    known = {name: k - 1 for name, k in (counts | {"all": affected}).items() if 0 < k <= len(ats)}
    errors = {name: max(ats[i] - lows[i], highs[i] - ats[i]) + (doubt or 0) for name, i in known.items()}
    return Back(
        affected=affected,
        never=len(unreturned),
        unreturned=tuple(unreturned),
        errors={} if doubt is None else errors,
        **{name: max(0, ats[i] - since) for name, i in known.items()},
    )


class Way(NamedTuple):
    """What an affected client went through."""

    client: ClientTimeline
    lost: int
    """Its first unusable instant at or after the impact."""
    back: int | None
    """When it was usable again after the last one before the recovery; None: never while the episode was observed."""


def ways_back(timeline: GroupTimeline, impact: int, until: int, end: int) -> Iterator[Way]:
    """The affected clients of a group by the definition of `come_back`, in the order of their index.

    Args:
        until: the recovery, or `end` where there was none.
    """
    for client in timeline.clients:
        away = _waits(client, impact, until, end) if _was_usable(client, impact) else []
        if away:
            back = next((max(a, away[-1][1]) for a, b in client.usable if b > away[-1][1]), end)
            yield Way(client, away[0][0], back if back < end else None)


class _Signs:
    """What a group's clients showed before and at their return."""

    def __init__(self, history: History, timeline: GroupTimeline, gap: int | None) -> None:
        self._asks = asks(timeline.group)
        self._gap = gap or 0
        self._seen: defaultdict[int, list[Outcome]] = defaultdict(list)
        for outcome in timeline.requests.outcomes:
            if outcome.good is not None:
                self._seen[outcome.client].append(outcome)
        self._opened = {(line.c, line.conn): line for line in history.opened if line.g == timeline.g}
        self._began = {(line.c, line.t): line.shaken for line in self._opened.values()}

    def around(self, client: int, at: int) -> Return:
        """The return of a client that was usable from `at` on.

        It could not be served yet when its last bad observation was due, or before its connection was open; it was
        served when the reply to its good one came. A group that only listens has its handshake, or the longest gap of
        the baseline, instead.
        """
        if not self._asks:
            return Return(at, min(at, self._began.get((client, at), at - self._gap)), at)
        low, high = NONE, at
        for outcome in self._seen[client]:
            if outcome.due > at:
                break
            if not outcome.good:
                low = max(low, outcome.due)
            elif outcome.due == at:
                high = max(high, outcome.got)
                opened = self._opened.get((client, outcome.conn))
                low = max(low, opened.t if opened is not None else NONE)
        return Return(at, min(at, low) if low != NONE else at, high)


def _waits(client: ClientTimeline, impact: int, until: int, end: int) -> list[Interval]:
    """When it was unusable though planned to be up, but for what its own plan ended: it did not wait to come back."""
    left = {leave for _, leave in client.planned if leave < end}
    return [gap for gap in client.unusable(impact, until) if gap[1] not in left]


def _was_usable(client: ClientTimeline, before: int) -> bool:
    return bool(client.usable) and client.usable[0][0] < before


def notice(
    history: History,
    timelines: Sequence[GroupTimeline],
    stale: Sequence[Iterable[StaleSpan]],
    fault_start: int,
    until: int,
) -> dict[str, Noticed]:
    """By tag, how clients first noticed a fault between `fault_start` and `until`.

    Each client counts once, under what came first: its connection's end (not by our own hand), the latency limit of a
    slot due before `until` that had no reply (`deadline`; it may pass later), or a feed that had been still for
    `stale_after` (`stale`). By the clock of another node a connection may have ended just before the fault that ended
    it: then it counts as ended with the fault.
    """
    since = fault_start - (clock_bound(history) or 0)
    first: dict[tuple[int, int], tuple[int, str]] = {}
    for timeline, spans in zip(timelines, stale, strict=True):
        signs = [
            *_breaks(history, timeline.g, since, until),
            *_deadlines(history, timeline, fault_start, until),
            *_stills(spans, fault_start, until),
        ]
        for t, how, client in signs:
            key = timeline.g, client
            sign = max(t, fault_start), how
            first[key] = min(first.get(key, sign), sign)
    by_tag: dict[str, list[int]] = {}
    for t, how in sorted(first.values()):
        by_tag.setdefault(how, []).append(t - fault_start)
    return {
        how: Noticed(count=len(times), p50=times[rank(0.5, len(times)) - 1], max=times[-1])
        for how, times in sorted(by_tag.items())
    }


Sign = tuple[int, str, int]
"""When, what, which client."""


def _breaks(history: History, g: int, a: int, b: int) -> Iterator[Sign]:
    for closed in history.closed:
        # A client that gives up what a fault has silenced does so by itself: planned, and noticed all the same.
        if closed.g == g and a <= closed.t < b and closed.cause not in OURS:
            yield closed.t, tag(closed), closed.c


def _deadlines(history: History, timeline: GroupTimeline, a: int, b: int) -> Iterator[Sign]:
    limit = timeline.group.latency_limit_ns
    ends = {(closed.c, closed.conn): closed.t for closed in history.closed if closed.g == timeline.g}
    for o in timeline.requests.due_in(a - limit, b):
        # A connection that ended before the limit is a sign of its own, and an error reply is an answer.
        waited = o.fate is not Fate.LOST_AT_BREAK or ends.get((o.client, o.conn), o.due) >= o.due + limit
        answered = o.due <= o.got <= o.due + limit
        if o.good is False and o.sent != NONE and waited and not answered and o.due + limit >= a:
            yield o.due + limit, "deadline", o.client


def _stills(spans: Iterable[StaleSpan], a: int, b: int) -> Iterator[Sign]:
    for span in spans:
        if a <= span.noticed < b:
            yield span.noticed, "stale", span.client
