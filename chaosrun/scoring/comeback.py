"""Which clients a fault reached, when each was usable again, and how each noticed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from chaosrun.records import NONE, History
from chaosrun.scoring.connections import tag
from chaosrun.scoring.outcomes import Fate
from chaosrun.scoring.ratio import rank
from chaosrun.scoring.sessions import ClientTimeline
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


@dataclass(frozen=True, kw_only=True)
class Noticed:
    """How many clients noticed the fault in one way, and how long (ns) after it."""

    count: int
    p50: int
    max: int


def come_back(timelines: Iterable[GroupTimeline], impact: int, recovered: int | None, end: int, since: int) -> Back:
    """Back(q) of the clients that were unusable at some instant between impact and recovery, over all groups.

    A client counts as affected if it had ever been usable before. It is back when it is usable after its last unusable
    instant before the recovery (or before `end`, if there was none): a client that flaps is back when that is over,
    and a stray bad slot after the recovery does not undo it. Times are counted from `since`, never negative.
    """
    returned: list[int] = []
    unreturned: list[str] = []
    until = end if recovered is None else recovered
    for timeline in timelines:
        for client in timeline.clients:
            gaps = client.unusable(impact, until) if _was_usable(client, impact) else []
            if gaps:
                back = next((max(a, gaps[-1][1]) for a, b in client.usable if b > gaps[-1][1]), end)
                if back < end:
                    returned.append(back)
                else:
                    unreturned.append(f"{timeline.group.name}-{client.index}")
    returned.sort()
    affected = len(returned) + len(unreturned)

    def when(count: int) -> int | None:
        return max(0, returned[count - 1] - since) if 0 < count <= len(returned) else None

    return Back(
        affected=affected,
        first=when(1),
        p50=when(rank(0.5, affected)),
        p90=when(rank(0.9, affected)),
        p99=when(rank(0.99, affected)),
        all=when(affected),
        never=len(unreturned),
        unreturned=tuple(unreturned),
    )


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
    slot that had no reply (`deadline`), or a feed that had been still for `stale_after` (`stale`).
    """
    first: dict[tuple[int, int], tuple[int, str]] = {}
    for timeline, spans in zip(timelines, stale, strict=True):
        signs = [
            *_breaks(history, timeline.g, fault_start, until),
            *_deadlines(history, timeline, fault_start, until),
            *_stills(spans, fault_start, until),
        ]
        for t, how, client in signs:
            key = timeline.g, client
            first[key] = min(first.get(key, (t, how)), (t, how))
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
        if closed.g == g and a <= closed.t < b and not closed.planned and closed.cause not in OURS:
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
