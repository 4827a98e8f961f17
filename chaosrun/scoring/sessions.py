"""One client's life: when it had a session, and when it was usable.

Both are judged from what was asked of the server and answered; that a connection is open proves neither.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chaosrun.plan import GroupPlan
from chaosrun.records import NONE, History
from chaosrun.scoring.outcomes import Outcome
from chaosrun.scoring.steps import Interval, clipped, merged, outside, shared


@dataclass(frozen=True, kw_only=True)
class ClientTimeline:
    """All intervals are half-open, in ns of run time, ascending and disjoint."""

    index: int
    planned: tuple[Interval, ...]
    """The plan wants it up: from its first use after a planned start, at the latest from `connect_within` after that
    start, to its planned leave or the end of the load."""
    sessions: tuple[Interval, ...]
    usable: tuple[Interval, ...]

    def unusable(self, a: int, b: int) -> list[Interval]:
        """When in `[a, b)` the plan wanted it up and it was not usable."""
        return shared(clipped(self.planned, a, b), outside(self.usable, a, b))


def asks(group: GroupPlan) -> bool:
    """The group sends something that must be answered."""
    return group.period_ns is not None or group.sentinel_period_ns is not None


def sessions(history: History, g: int, outcomes: Iterable[Outcome]) -> dict[int, list[Interval]]:
    """Per client, from the send of each connection's first good slot or canary to the connection's end.

    Groups without requests: from the end of the opening conversation. HTTP has no sessions.
    """
    group = history.plan.groups[g]
    found: defaultdict[int, list[Interval]] = defaultdict(list)
    if group.kind == "http":
        return found
    first: dict[tuple[int, int], int] = {}
    for o in outcomes:
        if o.good and o.sent < first.get((o.client, o.conn), history.end):
            first[o.client, o.conn] = o.sent
    ends = {(closed.c, closed.conn): closed.t for closed in history.closed if closed.g == g}
    for opened in history.opened:
        if opened.g == g:
            key = opened.c, opened.conn
            start = first.get(key) if asks(group) else opened.t
            if start is not None:
                found[opened.c].append((start, ends.get(key, history.end)))
    return defaultdict(list, {c: merged(intervals) for c, intervals in found.items()})


def usable_by_outcomes(outcomes: Sequence[Outcome], closes: Sequence[int], end: int) -> list[Interval]:
    """When the last observation due at or before t was good, and no connection ended since.

    `outcomes` and `closes` of one client, in time order. Of observations due at one instant all must be good; of a
    disconnect and an observation at one instant the disconnect comes first.
    """
    changes: dict[tuple[int, int], bool] = {(t, 0): False for t in closes}
    for outcome in outcomes:
        if outcome.good is not None:
            key = outcome.due, 1
            changes[key] = changes.get(key, True) and outcome.good
    found: list[Interval] = []
    since = NONE
    for (t, _), good in sorted(changes.items()):
        if good and since == NONE:
            since = t
        elif not good and since != NONE:
            found.append((since, t))
            since = NONE
    if since != NONE:
        found.append((since, end))
    return merged(found)
