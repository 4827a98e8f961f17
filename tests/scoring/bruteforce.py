"""The same recovery, found slowly: every definition of docs/measurement.md asked anew wherever it could matter.

Shares no code with the scorer but the records. Between two events nothing changes, so that predicates are evaluated at
the instants where something may begin or cease to be so, each from the raw rows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from itertools import accumulate, pairwise
from math import ceil

from storybook import Feed, Still

from chaosrun.plan import GroupPlan
from chaosrun.records import NONE, History, Kind, Slot, Status
from chaosrun.scoring.pacing import lives


@cache
def share(value: float) -> Fraction:
    """The nearest fraction of a denominator up to a million (docs/measurement.md, section 7)."""
    return Fraction(value).limit_denominator(10**6)


def clocks(history: History) -> int:
    """How far from the coordinator's clock that of any node may have been: at a comparison what it found and what that
    was sure to; 100 ppm of the time without one, from the ramp to the end of the run."""
    found = [0]
    for worker in {line.worker for line in history.node_clocks}:
        own = sorted(
            (line.t, abs(line.offset_ns) + line.bound_ns) for line in history.node_clocks if line.worker == worker
        )
        found += [off for _, off in own]
        ramp = next(phase.t for phase in history.phases if phase.name == "ramp")
        if own[0][0] > ramp:
            found.append(own[0][1] + ceil(Fraction(own[0][0] - ramp, 10_000)))
        if (len(own) == 1 or own[-1][0] < history.load_stopped) and own[-1][0] < history.end:
            found.append(own[-1][1] + ceil(Fraction(history.end - own[-1][0], 10_000)))
    return max(found)


@dataclass
class Group:
    """The raw truth of one group."""

    history: History
    g: int
    feed: Feed | None

    @cached_property
    def plan(self) -> GroupPlan:
        return self.history.plan.groups[self.g]

    @cached_property
    def rows(self) -> list[Slot]:
        return [row for row in self.history.slots if row.group == self.g]

    @property
    def asks(self) -> bool:
        return self.plan.period_ns is not None or self.plan.sentinel_period_ns is not None

    @cached_property
    def t0(self) -> int:
        return next(phase.t for phase in self.history.phases if phase.name == "ramp")

    def closed_at(self, c: int, conn: int) -> int | None:
        return self.ends.get((c, conn))

    @cached_property
    def ends(self) -> dict[tuple[int, int], int]:
        return {(r.c, r.conn): r.t for r in self.history.closed if r.g == self.g}

    def good(self, row: Slot) -> bool | None:
        """None: says nothing about the service."""
        limit = self.plan.latency_limit_ns
        tardy = min(limit / 10, self.plan.period_ns or limit)
        if row.status == Status.SKIPPED_OBSERVER:
            return None
        if row.sent == NONE:
            return False
        if row.kind != Kind.CANARY and row.sent - row.due > tardy:
            return None
        if row.got != NONE:
            return row.status == Status.SENT and row.got - row.due <= limit
        if row.status == Status.ERROR or self.closed_at(row.client, row.conn) is not None:
            return False
        return None if self.history.end - row.due <= limit else False

    @cached_property
    def observations(self) -> dict[int, list[tuple[int, bool]]]:
        """Per client: (due, good) of everything that says something, canaries included."""
        found: dict[int, list[tuple[int, bool]]] = {c: [] for c in range(self.plan.clients)}
        for row in self.rows:
            good = self.good(row)
            if good is not None:
                found[row.client].append((row.due, good))
        return found

    # ---- sessions ----

    @cached_property
    def sessions(self) -> list[tuple[int, int, int]]:
        """(client, from, to)."""
        found = []
        for opened in self.history.opened:
            if opened.g != self.g or self.plan.kind == "http":
                continue
            sends = [r.sent for r in self.rows if (r.client, r.conn) == (opened.c, opened.conn) and self.good(r)]
            end = self.closed_at(opened.c, opened.conn)
            if not self.asks:
                sends = [opened.t]
            if sends:
                found.append((opened.c, min(sends), self.history.end if end is None else end))
        return found

    def planned(self, t: int) -> int:
        return sum(a <= t < b for c in range(self.plan.clients) for a, b in self.plan_of(c))

    def sessions_hold(self, t: int) -> bool:
        up = sum(a <= t < b for _, a, b in self.sessions)
        return up >= (1 - share(self.plan.tolerate_sessions)) * self.planned(t)

    def pushes_hold(self, t: int) -> bool:
        stale = {
            span.client for span in (self.feed.stale if self.feed else ()) if self.stale_since(span) <= t < span.end
        }
        return len(stale) <= share(self.plan.tolerate_pushes) * self.plan.clients

    def stale_since(self, span: Still) -> int:
        inside = [call.t for call in self.history.called if span.start < call.t]
        return min(inside) if inside and min(inside) < span.noticed else span.start

    # ---- requests ----

    @cached_property
    def events(self) -> list[tuple[int, bool]]:
        """(time it counts under, bad), good ones first at one time."""
        found = []
        for row in self.rows:
            good = self.good(row)
            if row.kind == Kind.CANARY or good is None:
                continue
            found.append((row.due if good else self.counts_at(row), not good))
        return sorted(found)

    def counts_at(self, row: Slot) -> int:
        """Of a bad row: a fault that found it undecided is what it counts for."""
        call = min((call.t for call in self.history.called if row.due < call.t), default=None)
        return row.due if call is None or self.decided(row) + clocks(self.history) <= call else call

    def decided(self, row: Slot) -> int:
        if row.sent == NONE:
            return row.due
        late = row.due + self.plan.latency_limit_ns
        return late if row.got == NONE else min(late, row.got)

    @cached_property
    def event_times(self) -> list[int]:
        return [t for t, _ in self.events]

    def window(self, x: int, width: int) -> list[tuple[int, bool]]:
        return self.events[bisect_left(self.event_times, x) : bisect_left(self.event_times, x + width)]

    def window_holds(self, x: int) -> bool:
        inside = self.window(x, self.plan.window_ns)
        return bool(inside) and sum(bad for _, bad in inside) <= share(self.plan.tolerate_requests) * len(inside)

    # ---- usability ----

    def usable(self, c: int, t: int) -> bool:
        if not self.asks:
            open_now = any(
                r.c == c and r.g == self.g and r.t <= t < (self.closed_at(c, r.conn) or self.history.end)
                for r in self.history.opened
            )
            spans = self.feed.stale if self.feed else ()
            return open_now and not any(span.client == c and span.start <= t < span.end for span in spans)
        past = [due for due, _ in self.observations[c] if due <= t]
        if not past:
            return False
        last = max(past)
        broken = any(r.g == self.g and r.c == c and last < r.t <= t for r in self.history.closed)
        return not broken and all(good for due, good in self.observations[c] if due == last)

    def usability_changes(self, c: int) -> list[int]:
        times = [due for due, _ in self.observations[c]]
        times += [r.t for r in self.history.closed if (r.g, r.c) == (self.g, c)]
        times += [r.t for r in self.history.opened if (r.g, r.c) == (self.g, c)]
        times += [
            t for span in (self.feed.stale if self.feed else ()) if span.client == c for t in (span.start, span.end)
        ]
        return sorted({t for t in times if t >= 0})

    def plan_of(self, c: int) -> list[tuple[int, int]]:
        return self.plans[c]

    @cached_property
    def plans(self) -> list[list[tuple[int, int]]]:
        """Per client, from when to when it is planned: from its first use, at the latest when its time is over."""
        stop = self.history.load_stopped
        found = []
        for c in range(self.plan.clients):
            own = [(self.t0 + a, stop if b is None else min(stop, self.t0 + b)) for a, b in lives(c, self.plan)]
            found.append([(self.planned_from(c, start), end) for start, end in own])
        return found

    def planned_from(self, c: int, start: int) -> int:
        latest = start + self.plan.connect_within_ns
        moments = {start, *self.usability_changes(c), *(t for client, *span in self.sessions for t in span)}
        return min([latest, *(t for t in moments if start <= t < latest and self.used(c, t))])

    def used(self, c: int, t: int) -> bool:
        http = self.plan.kind == "http"
        return self.usable(c, t) and (http or any(client == c and a <= t < b for client, a, b in self.sessions))


@dataclass
class Sight:
    """One indicator as predicates: `holds(x)` of the window of `width` ns at x, which changes only at `moments`."""

    name: str
    group: Group
    width: int
    holds: Callable[[int], bool]
    moments: list[int]

    @cached_property
    def bad_moments(self) -> list[int]:
        return [x for x in self.moments if not self.holds(x)]

    def tolerates(self, a: int, b: int) -> bool:
        """No window inside `[a, b)` is out of tolerance."""
        last = b - self.width
        if last < a:
            return True
        i = bisect_left(self.bad_moments, a)
        inside = i < len(self.bad_moments) and self.bad_moments[i] <= last
        return self.holds(a) and not inside


class BruteForce:
    """The episodes of a history, one `dict` each."""

    def __init__(self, history: History, feeds: Sequence[Feed | None]) -> None:
        self.history = history
        self.groups = [Group(history, g, feed) for g, feed in enumerate(feeds)]
        beyond = [phase.t for phase in history.phases if phase.name in ("rollback", "verify", "drain")]
        self.end = min([*beyond, history.end, history.load_stopped])
        self.hold = history.plan.recovery.stable_for_ns
        self.window = max(group.plan.window_ns for group in self.groups)
        self.sights = [sight for group in self.groups for sight in self._sights(group)]

    def _sights(self, group: Group) -> list[Sight]:
        found = []
        history = self.history
        if group.plan.kind != "http":
            plans = {t for c in range(group.plan.clients) for span in group.plan_of(c) for t in span}
            moments = sorted({t for _, *span in group.sessions for t in span} | plans | {history.load_stopped})
            found.append(Sight("sessions", group, 1, cache(group.sessions_hold), moments))
        if group.asks:
            width = group.plan.window_ns
            moments = sorted({x for t in group.event_times for x in (t + 1, t - width + 1)})
            found.append(Sight("requests", group, width, cache(group.window_holds), moments))
        if group.plan.streams and group.plan.kind != "http":
            spans = group.feed.stale if group.feed else ()
            moments = sorted({t for span in spans for t in (group.stale_since(span), span.end)})
            found.append(Sight("pushes", group, 1, cache(group.pushes_hold), moments))
        return found

    def tolerates(self, a: int, b: int) -> bool:
        return all(sight.tolerates(a, b) for sight in self.sights)

    # ---- one episode ----

    def episodes(self) -> list[dict[str, object]]:
        calls = sorted(self.history.called, key=lambda call: call.t)
        found, members = [], []
        for i, call in enumerate(calls):
            members.append(call)
            last = i + 1 == len(calls)
            end = self.end if last else calls[i + 1].t
            episode = self.episode([m.id for m in members], members[0].t, end, self.hold if last else self.window)
            quiet = episode["impact"] is None and end - members[0].t >= self.window
            if last or quiet or episode["recovered"] is not None:
                found.append(episode)
                members = []
        return found

    def impact(self, start: int, end: int) -> tuple[int, Sight, int] | None:
        """The impact, by what, and the earliest instant at which any of what was lost up to then may have begun."""
        hits, lost = [], []
        for sight in self.sights:
            moments = [start, *(x for x in sight.moments if x > start)]
            x = next((x for x in moments if x + sight.width <= end and not sight.holds(x)), None)
            if x is not None:
                asks = sight.name == "requests"
                hits.append((self._onset(sight.group, x, start) if asks else x, sight))
                lost.append(self._lost(sight.group, x, start) if asks else (x, x))
        if not hits:
            return None
        impact, first = min(hits, key=lambda hit: hit[0])
        return impact, first, min(since for t, since in lost if t <= impact)

    def _lost(self, group: Group, x: int, start: int) -> tuple[int, int]:
        """The first of the bad slots in a row up to the first of the window at x, and the good one before it."""
        inside = group.window(x, group.plan.window_ns)
        first = next((i for i, (_, bad) in enumerate(inside) if bad), 0)
        before = group.events[: bisect_left(group.event_times, x) + first]
        goods = [i for i, (_, bad) in enumerate(before) if not bad]
        row = [*before[goods[-1] + 1 if goods else 0 :], *inside[first : first + 1]]
        since = before[goods[-1]][0] if goods else start
        return row[0][0] if inside else x, max(start, since)

    def _onset(self, group: Group, x: int, start: int) -> int:
        inside = group.window(x, group.plan.window_ns)
        if not inside:
            return x
        budget = share(group.plan.tolerate_requests) * len(inside)
        bads = [event for event in inside if event[1]]
        breaking = next(i for i in range(len(bads)) if i + 1 > budget)
        position = bisect_left(group.event_times, x) + [i for i, event in enumerate(inside) if event[1]][breaking]
        run = [position]
        while run[-1] > 0 and group.events[run[-1] - 1][1] and group.events[run[-1] - 1][0] >= start:
            run.append(run[-1] - 1)
        return group.events[run[-1]][0]

    def starts(self, begin: int, end: int) -> list[int]:
        """Where a stretch may begin."""
        return sorted({begin} | {x for sight in self.sights for x in sight.moments if begin < x < end})

    def stretches(self, begin: int, end: int, shortest: int) -> list[tuple[int, int]]:
        stops = sorted({end} | {x + sight.width - 1 for sight in self.sights for x in sight.moments})
        stops = [stop for stop in stops if stop <= end]
        found = []
        for a in self.starts(begin, end):
            if a + shortest > end or not self.tolerates(a, a + shortest):
                continue
            lo, hi = bisect_left(stops, a + shortest), len(stops) - 1
            if not self.tolerates(a, stops[lo]):
                found.append((a, a + shortest))
                continue
            while lo < hi:
                mid = (lo + hi + 1) // 2
                lo, hi = (mid, hi) if self.tolerates(a, stops[mid]) else (lo, mid - 1)
            found.append((a, stops[lo]))
        return [(a, b) for a, b in found if not any(x <= a and b <= y and (x, y) != (a, b) for x, y in found)]

    def settle(self, a: int, impact: int, hit: Sight) -> tuple[int, list[Sight]]:
        """Where requests came last, the first good slot at or after `a`."""
        came_last = [
            x for x in self.sights if (x is hit and a == impact) or (a > 0 and not x.holds(a - 1) and x.holds(a))
        ]
        slow = [sight for sight in came_last if sight.name == "requests"]
        goods = [next(t for t, bad in sight.group.events if t >= a and not bad) for sight in slow]
        return max([a, *goods]), slow or came_last

    def episode(self, ids: list[str], start: int, end: int, shortest: int) -> dict[str, object]:
        hit = self.impact(start, end)
        told: dict[str, object] = dict.fromkeys(
            ("impact", "impact_late", "impact_error", "recovered", "first_recovered", "pending", "outage", "error",
             "server_ready"),
            None,
        )  # fmt: skip
        told |= {"faults": tuple(ids), "fault_start": start, "end": end, "relapses": 0, "back": None}
        told["lost_client_ns"] = self.lost(start, end)
        if hit is None:
            return told
        impact, sight, earliest = hit
        last = next((a for a in self.starts(impact, end) if self.tolerates(a, end) and end - a >= self.window), None)
        recovered = None
        if last is not None:
            at, came_last = self.settle(last, impact, sight)
            if end - last >= shortest:
                recovered = at
                told["error"] = self.error(ids, impact, at, end, came_last[0])
            else:
                told["pending"] = at
        firsts = self.stretches(impact, end, self.hold)
        first = self.settle(firsts[0][0], impact, sight)[0] if firsts else recovered
        ended = [b for _, b in self.stretches(impact, end, max(10**9, self.window)) if b < end]
        ready = [p.got for p in self.history.probes if p.connect and p.got != NONE and p.sent >= impact and p.got < end]
        told |= {
            "impact": impact,
            "impact_late": impact - earliest,
            "impact_error": impact - earliest + self.history.lags[0].max_ns + self.width(ids) + clocks(self.history),
            "recovered": recovered,
            "first_recovered": first,
            "relapses": len(ended),
            "outage": None if recovered is None else recovered - impact,
            "server_ready": min(ready, default=None),
            "back": self.back(impact, end if recovered is None else recovered, end),
        }
        return told

    def error(self, ids: list[str], impact: int, at: int, end: int, sight: Sight) -> int:
        group = sight.group
        if sight.name == "sessions":
            rows = [r for r in group.rows if r.sent == at and group.good(r)]
            own = max([r.got - r.sent for r in rows], default=0) if group.asks else 0
        elif sight.name == "pushes":
            own = max(other.feed.longest_baseline_gap_ns for other in self.groups if other.feed)
        else:
            own = at - max([impact, *(t for t, bad in group.events if bad and t < at)])
            width = group.plan.window_ns
            mixed = any(impact <= t < at and not bad for t, bad in group.events)
            around = any(impact - width <= t < impact or at <= t < at + width for t, bad in group.events if bad)
            hidden = 0
            if mixed or around:
                before = [bad for t, bad in group.events if at - width <= t < at]
                fraction = Fraction(sum(before), len(before)) if before else 0
                hidden = ceil(2 * share(group.plan.tolerate_requests) * width / fraction) if fraction else width
            own += max(hidden, self.excess(group, at, end))
        return own + self.history.lags[0].max_ns + self.width(ids) + clocks(self.history)

    def excess(self, group: Group, at: int, end: int) -> int:
        """How long after `at` more slots than tolerated are bad, counted from there, and until they are asked again."""
        after = [(t, bad) for t, bad in group.events if at <= t < end]
        counts = zip(accumulate(bad for _, bad in after), range(1, len(after) + 1), strict=True)
        tolerated = share(group.plan.tolerate_requests)
        too_many = [t for (t, bad), (lost, n) in zip(after, counts, strict=True) if bad and lost > tolerated * n]
        if not too_many:
            return 0
        last = too_many[-1]
        clients = {row.client for row in group.rows if group.good(row) is False and group.counts_at(row) == last}
        return max(min((t for t, _ in group.observations[c] if t > last), default=last) for c in clients) - at

    def width(self, ids: list[str]) -> int:
        widths = [
            confirmed.t - next(c.t for c in self.history.called if c.id == confirmed.id)
            for confirmed in self.history.confirmed
            if confirmed.id in ids
        ]
        return max(widths, default=0)

    def lost(self, start: int, end: int) -> int:
        total = 0
        for group in self.groups:
            for c in range(group.plan.clients):
                for first, last in group.plan_of(c):
                    a, b = max(start, first), min(end, last)
                    cuts = sorted({a, b} | {t for t in group.usability_changes(c) if a < t < b})
                    for this, following in pairwise(cuts):
                        if a < b and not group.usable(c, this):
                            total += following - this
        return total

    def back(self, impact: int, until: int, end: int) -> tuple[list[int], list[str]]:
        """When each affected client returned, ascending, and those that never did."""
        affected = list(self.affected(impact, until, end))
        never = [f"{group.plan.name}-{c}" for group, c, t in affected if t is None]
        return sorted(t for _, _, t in affected if t is not None), never

    def affected(self, impact: int, until: int, stop: int) -> Iterator[tuple[Group, int, int | None]]:
        """Each affected client and when it returned; None: never."""
        for group in self.groups:
            for c in range(group.plan.clients):
                changes = group.usability_changes(c)
                out = []
                for first, last in group.plan_of(c):
                    a, b = max(impact, first), min(until, last)
                    here = [(t, group.usable(c, t)) for t in [a, *(t for t in changes if a < t < b)] if a < b]
                    while last < stop and last <= until and here and not here[-1][1]:
                        here.pop()  # it did not come back before it was sent away
                    out += [t for t, usable in here if not usable]
                if not out or not any(t < impact and group.usable(c, t) for t in changes):
                    continue
                again = [t for t in changes if t > out[-1] and group.usable(c, t)]
                yield group, c, again[0] if again and again[0] < stop else None
