"""The timeline of a group: how many clients had a session, were usable, and should have been up, at each instant."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from chaosrun.plan import GroupPlan
from chaosrun.records import History
from chaosrun.scoring.leaves import Leaves
from chaosrun.scoring.outcomes import Outcome
from chaosrun.scoring.pacing import lives as planned_lives
from chaosrun.scoring.phases import ramp_start
from chaosrun.scoring.requests import Requests
from chaosrun.scoring.sessions import ClientTimeline, asks, sessions, usable_by_outcomes
from chaosrun.scoring.steps import Interval, Steps, clipped, merged, outside, shared


class StaleSpan(Protocol):
    """The feed of one client's channel stood still from the receipt `start` to the receipt `end`."""

    @property
    def client(self) -> int: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def noticed(self) -> int:
        """When it had stood still for as long as it may."""
        ...


@dataclass(frozen=True, kw_only=True)
class GroupTimeline:
    """What recovery, metrics and reports need to know of a group's clients over time."""

    g: int
    group: GroupPlan
    requests: Requests
    clients: tuple[ClientTimeline, ...]
    sessions: Steps
    usable: Steps
    """Usable clients, whether the plan wants them up yet or not."""
    planned: Steps
    """Clients that the plan wants up: each from its first use on, and where it has none in time, from then on."""
    unusable: Steps
    """Clients that the plan wants up and that are not usable: `planned` minus the usable among them."""

    def lost_client_ns(self, a: int, b: int) -> int:
        """Client-nanoseconds lost in `[a, b)`: the area between planned and usable."""
        return self.unusable.integral(a, b)


def build_timeline(history: History, g: int, stale: Iterable[StaleSpan] = ()) -> GroupTimeline:
    """The timeline of group `g`.

    `stale` matters to groups without requests only: having no other observation, their clients are usable while they
    have a session and no feed of theirs is stale.
    """
    group = history.plan.groups[g]
    requests = Requests.of(history, g)
    clients = _clients(history, g, requests.outcomes, stale)
    return GroupTimeline(
        g=g,
        group=group,
        requests=requests,
        clients=clients,
        sessions=Steps.counting(span for client in clients for span in client.sessions),
        usable=Steps.counting(span for client in clients for span in client.usable),
        planned=Steps.counting(span for client in clients for span in client.planned),
        unusable=Steps.counting(span for client in clients for span in client.unusable(0, history.end)),
    )


def _clients(
    history: History, g: int, outcomes: Iterable[Outcome], stale: Iterable[StaleSpan]
) -> tuple[ClientTimeline, ...]:
    group = history.plan.groups[g]
    by_client: defaultdict[int, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_client[outcome.client].append(outcome)
    closes: defaultdict[int, list[int]] = defaultdict(list)
    for closed in history.closed:
        if closed.g == g:
            closes[closed.c].append(closed.t)
    still: defaultdict[int, list[Interval]] = defaultdict(list)
    for span in stale:
        still[span.client].append((span.start, span.end))
    lives = sessions(history, g, (o for outcomes in by_client.values() for o in outcomes))
    leaves = Leaves(history, g)

    def timeline(c: int) -> ClientTimeline:
        usable = usable_by_outcomes(by_client[c], closes[c], history.end) if asks(group) else _fresh(lives[c], still[c])
        # What a request due just before it was sent tells of is not yet a session.
        used = usable if group.kind == "http" else shared(usable, lives[c])
        return ClientTimeline(
            index=c, planned=_planned(history, group, c, leaves, used), sessions=tuple(lives[c]), usable=tuple(usable)
        )

    return tuple(timeline(c) for c in range(group.clients))


def _planned(
    history: History, group: GroupPlan, c: int, leaves: Leaves, used: Sequence[Interval]
) -> tuple[Interval, ...]:
    """Each of its stays from its first use on, at the latest from when its time to connect was over."""
    t0 = ramp_start(history)
    if t0 is None:
        return ()
    stop = history.load_stopped
    lives = [(t0 + start, stop if end is None else min(stop, t0 + end)) for start, end in planned_lives(c, group)]
    ends = [end for _, end in used]
    found: list[Interval] = []
    for stay in (stay for life in lives for stay in leaves.stays(c, *life)):
        nth = bisect_right(ends, stay.start)
        start = min(stay.by, max(stay.start, used[nth][0])) if nth < len(used) else stay.by
        if start < stay.end:
            found.append((start, stay.end))
    return tuple(found)


def _fresh(lives: list[Interval], still: list[Interval]) -> list[Interval]:
    """What of the sessions no stale interval covers."""
    gaps = merged(still)
    return [piece for a, b in lives for piece in outside(clipped(gaps, a, b), a, b)]
