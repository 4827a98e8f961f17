"""The true values of a simulated run: when each client could be served, and what follows from that by definition.

A client could be served at `t` if a request sent then would be answered in time. It follows from the server's script
and the client's connections as continuous time, without slots, canaries or windows, and shares no code with the scorer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Literal

from simulator import FOREVER, PROBER, Life, Server, World
from simulator_strays import counts_at, stray_spans

from chaosrun.plan import GroupPlan
from chaosrun.scoring.pacing import due_times, sentinel_times

Span = tuple[int, int]


def share(value: float) -> Fraction:
    """The nearest fraction of a denominator up to a million (docs/measurement.md, section 7)."""
    return Fraction(value).limit_denominator(10**6)


def spans_where(intervals: Iterable[Span], holds: Callable[[int], bool]) -> list[Span]:
    """The maximal spans, from 0 on, over which the number of intervals that cover an instant makes `holds` true."""
    changes: Counter[int] = Counter()
    for a, b in intervals:
        changes[a] += 1
        changes[b] -= 1
    found: list[Span] = []
    count = 0
    for t, following in pairwise(sorted({0, FOREVER, *changes})):
        count += changes[t]
        if holds(count):
            if found and found[-1][1] == t:
                found[-1] = found[-1][0], following
            else:
                found.append((t, following))
    return found


@dataclass(frozen=True)
class GroupTruth:
    world: World
    g: int
    lives: Sequence[Life]

    @property
    def plan(self) -> GroupPlan:
        return self.world.groups[self.g]

    @property
    def clients(self) -> int:
        return len(self.lives)

    @cached_property
    def served(self) -> list[list[Span]]:
        """Per client, when a request sent would be answered in time."""
        return [self._served(life) for life in self.lives]

    def _served(self, life: Life) -> list[Span]:
        half = self.world.trip // 2
        limit = self.plan.latency_limit_ns
        found = []
        for conn in life.conns:
            cuts = [(0, conn.opened)]
            for outage in Server(self.world, self.g, life.c).outages:
                if outage.how == "answered":
                    cuts.append((outage.a - half, outage.b + half - limit))
                elif outage.how != "crash":
                    cuts.append((outage.a - half, outage.b - half))
            at = 0
            # A stall that is over within the limit cuts nothing.
            for a, b in sorted((a, b) for a, b in cuts if a < b):
                if at < min(a, conn.broke - half):
                    found.append((at, min(a, conn.broke - half)))
                at = max(at, b)
            if at < conn.broke - half:
                found.append((at, conn.broke - half))
        return found

    @cached_property
    def few_served(self) -> list[Span]:
        """When more than the tolerated share of clients could not be served."""
        least = (1 - share(self.plan.tolerate_requests)) * self.clients
        return spans_where((span for own in self.served for span in own), lambda count: count < least)

    @cached_property
    def few_sessions(self) -> list[Span]:
        """When less than the tolerated share had a session: from the server's first good reply to its end."""
        least = (1 - share(self.plan.tolerate_sessions)) * self.clients
        sessions = (
            (life.served_from[conn.conn], conn.broke)
            for life in self.lives
            for conn in life.conns
            if conn.conn in life.served_from
        )
        return spans_where(sessions, lambda count: count < least)

    def strays(self, start: int, end: int) -> list[Span]:
        """When windows inside `[start, end)` begin that hold too many bad slots that fell outside of `few_served`.

        Late by the lag a slot may meet what it was due before, and so may its reply, or that of a canary.
        """
        lag = self.world.lag
        outages = [(a - lag, b + 2 * lag) for a, b in self.few_served if a < end and b > start]
        calls = [strike.called for strike in self.world.strikes]
        missed = [each for life in self.lives for each in life.missed]
        counted = sorted(counts_at(each, calls) for each in missed)
        strays = [t for t in counted if not any(a <= t < b for a, b in outages)]
        dues = [due for due, _ in self._dues]
        tolerated = share(self.plan.tolerate_requests)
        return stray_spans(dues, missed, strays, calls, self.plan.window_ns, tolerated, start, end)

    def first_missed(self, start: int, end: int) -> int:
        """Where in `[start, end)` the first bad slot counts; else `end`."""
        calls = [strike.called for strike in self.world.strikes]
        counted = (counts_at(each, calls) for life in self.lives for each in life.missed)
        return min((t for t in counted if start <= t < end), default=end)

    @cached_property
    def slots(self) -> list[tuple[int, bool]]:
        """When each slot and sentinel counts, ascending, and whether it had no valid reply in time."""
        calls = [strike.called for strike in self.world.strikes]
        missed = [each for life in self.lives for each in life.missed]
        good = Counter(due for due, _ in self._dues) - Counter(due for due, _ in missed)
        return sorted([*((t, False) for t in good.elements()), *((counts_at(each, calls), True) for each in missed)])

    def prolonged(self, b: int) -> int:
        """The last of the slots that were lost one after the other from `b` on; `b` if the first was not.

        What has lost every request since is out of order for all that anyone can know. So it is with sessions, too:
        they begin with the first reply that the server wrote, and not with the first that it would have written.
        """
        until = b
        for t, lost in self.slots[bisect_left(self.slots, (b, False)) :]:
            if not lost:
                break
            until = t
        return until

    def first_excess(self, start: int, end: int) -> tuple[int, int] | None:
        """The first window inside `[start, end)` that lost more slots than it tolerates: its start, and its first
        slot that was lost."""
        calls = [strike.called for strike in self.world.strikes]
        missed = [each for life in self.lives for each in life.missed]
        counted = sorted(counts_at(each, calls) for each in missed)
        dues = [due for due, _ in self._dues]
        tolerated = share(self.plan.tolerate_requests)
        spans = stray_spans(dues, missed, counted, calls, self.plan.window_ns, tolerated, start, end)
        return (spans[0][0], counted[bisect_left(counted, spans[0][0])]) if spans else None

    @property
    def troubled(self) -> dict[Literal["sessions", "requests"], list[Span]]:
        return {"sessions": self.few_sessions, "requests": self.few_served}

    def nobody_served(self, a: int, b: int) -> bool:
        return not any(start < b and end > a for own in self.served for start, end in own)

    def served_at(self, c: int, t: int) -> bool:
        return any(a <= t < b for a, b in self.served[c])

    @cached_property
    def _dues(self) -> list[tuple[int, int]]:
        """Due times of slots and sentinels, each with its client."""
        plan, stop = self.plan, self.world.load_stopped
        dues = [(due, c) for c in range(self.clients) for due in due_times(c, plan, 0, stop)]
        return dues + list(sentinel_times(plan, self.world.baseline, stop))

    @cached_property
    def _met(self) -> list[int]:
        """Due times of slots and sentinels whose client could not be served."""
        return sorted(due for due, c in self._dues if not self.served_at(c, due))

    @property
    def met(self) -> int:
        """Slots and sentinels whose client could not be served when they were due."""
        return len(self._met)

    def served_since(self, c: int, t: int) -> int:
        """From when on a client that was served at `t`, or next after it, could be."""
        return next(a for a, b in self.served[c] if b > t)

    @cached_property
    def _tolerable(self) -> Fraction:
        """How many bad slots a window tolerates at most: it has one slot of each grid more or less."""
        plan = self.plan
        rates = [Fraction(plan.clients, plan.period_ns)] if plan.period_ns else []
        rates += [Fraction(1, plan.sentinel_period_ns)] if plan.sentinel_period_ns else []
        return share(plan.tolerate_requests) * sum(-(-plan.window_ns * rate // 1) for rate in rates)

    def must_show(self, a: int, b: int) -> bool:
        """Some window inside `[a, b)` had more slots that met it than any window tolerates."""
        inside = self._met[bisect_left(self._met, a) : bisect_left(self._met, b)]
        width = self.plan.window_ns
        most = max((bisect_left(inside, due + width) - i for i, due in enumerate(inside)), default=0)
        return most > self._tolerable


@dataclass(frozen=True)
class Trouble:
    """A span in which a group was truly out of tolerance."""

    a: int
    b: int
    group: GroupTruth
    by: Literal["sessions", "requests", "strays"]

    def shows_after(self, t: int) -> bool:
        """What of it lies at or after `t` cannot hide.

        Sessions are judged at each instant, requests over windows; and strays are known to be too many for theirs.
        """
        a = max(self.a, t)
        if self.by == "requests":
            return self.group.must_show(a, self.b)
        if self.by == "strays":
            return a < self.b
        # A client sees a session begin and end within a trip of the server's own doing.
        return self.b - a > self.group.world.trip + self.group.world.lag


class Truth:
    def __init__(self, world: World, lives: Sequence[Sequence[Life]]) -> None:
        self.world = world
        self.groups = [GroupTruth(world, g, own) for g, own in enumerate(lives)]

    def troubles(self, start: int, end: int) -> list[Trouble]:
        """When in `[start, end)` a group was out of tolerance."""
        lasting = [
            Trouble(max(a, start), min(b, end), group, by)
            for group in self.groups
            for by, spans in group.troubled.items()
            for a, b in spans
            if max(a, start) < min(b, end)
        ]
        return lasting + [Trouble(a, b, group, "strays") for group in self.groups for a, b in group.strays(start, end)]

    def ready(self, t: int) -> int:
        """When, from `t` on, the server would have served a fresh handshake of the prober."""
        server = Server(self.world, 0, PROBER)
        while (outage := server.during(t)) is not None:
            t = outage.b
        return t
