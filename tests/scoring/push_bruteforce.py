"""A second scorer of pushes, by sets of single numbers and by asking about each number one by one.

Written from docs/measurement.md and shares nothing with the package but the records. It knows contiguous streams with
named epochs, numbered per channel.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from chaosrun.records import History, Subscribed

Key = tuple[int, str, str]


@dataclass
class Sets:
    """What became of the copies of one (client, channel, epoch)."""

    owed: set[int] = field(default_factory=set)
    got: set[int] = field(default_factory=set)
    replayed: set[int] = field(default_factory=set)
    lost_connected: set[int] = field(default_factory=set)
    missed_disconnected: set[int] = field(default_factory=set)
    tail: set[int] = field(default_factory=set)
    in_flight_at_end: set[int] = field(default_factory=set)
    duplicates: int = 0
    reordered: int = 0
    unexpected: int = 0


@dataclass(frozen=True)
class Receipt:
    at: int
    number: int
    conn: int
    sent_at: int | None


class Brute:
    """Scores one history."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.group = history.plan.groups[0]
        self.limit = self.group.latency_limit_ns
        self.stream = self.group.streams[0]
        self.receipts: dict[Key, list[Receipt]] = defaultdict(list)
        for at, first, _, sent_at, sid in history.pushes:
            s = history.streams[sid]
            self.receipts[s.c, s.channel, s.epoch or ""].append(Receipt(at, first, s.conn, sent_at))
        self.subscriptions: dict[tuple[int, str], dict[int, Subscribed]] = defaultdict(dict)
        for sub in history.subscribed:
            self.subscriptions[sub.c, sub.channel][sub.conn] = sub
        self.closes = {(line.c, line.conn): line.t for line in history.closed}
        self.order = {lane: self._epochs(*lane) for lane in self.subscriptions}
        self._add_slept_through()
        self.result = {
            (c, ch, epoch): self._score(c, ch, epoch) for (c, ch), epochs in self.order.items() for epoch in epochs
        }

    # ---- what is known of the server

    def _log(self, channel: str, epoch: str) -> dict[int, int] | None:
        """When each number was published, by the server's log."""
        log = {p.last: p.t for p in self.history.published if (p.channel, p.epoch) == (channel, epoch)}
        return log or None

    def _times(self, channel: str, epoch: str) -> tuple[list[tuple[int, int]], bool]:
        """(t, number) sightings, and whether t is the time of publication."""
        log = self._log(channel, epoch)
        if log is not None:
            return [(t, n) for n, t in log.items()], True
        rows = [r for (_, ch, e), each in self.receipts.items() if (ch, e) == (channel, epoch) for r in each]
        if self.stream.has_sent_at:
            return [(r.sent_at, r.number) for r in rows if r.sent_at is not None], True
        return [(r.at, r.number) for r in rows], False

    def _all_subscriptions(self) -> list[Subscribed]:
        return [s for subs in self.subscriptions.values() for s in subs.values()]

    def _first_heard(self, channel: str, epoch: str) -> int:
        heard = [s.t for s in self._all_subscriptions() if (s.channel, s.epoch) == (channel, epoch)]
        heard += [s.t for s in self.history.streams if (s.channel, s.epoch) == (channel, epoch)]
        return min(heard)

    # ---- what a client heard of

    def _epochs(self, c: int, channel: str) -> list[str]:
        """In the order in which the client heard of them."""
        named = {conn: s for conn, s in self.subscriptions[c, channel].items() if s.epoch is not None}
        mentions = [(conn, s.t, s.epoch or "") for conn, s in named.items()]
        mentions += [(s.conn, s.t, s.epoch or "") for s in self.history.streams if (s.c, s.channel) == (c, channel)]
        return list(dict.fromkeys(epoch for _, _, epoch in sorted(mentions)))

    def _add_slept_through(self) -> None:
        known = {lane: list(epochs) for lane, epochs in self.order.items()}
        for (c, channel), epochs in known.items():
            everywhere = {e for (_, ch), each in known.items() if ch == channel for e in each}
            newest = max(everywhere, key=lambda e: self._first_heard(channel, e))
            heard = [s.t for s in self.subscriptions[c, channel].values()]
            for epoch in epochs:
                seen: set[int] = set()
                for r in self.receipts[c, channel, epoch]:
                    head = self.subscriptions[c, channel][r.conn]
                    stale = head.epoch == epoch and head.head is not None and r.number <= head.head
                    if r.number not in seen and not stale:
                        heard.append(r.at)
                    seen.add(r.number)
            if newest not in epochs and self._open(c, channel) and max(heard) <= self._first_heard(channel, newest):
                self.order[c, channel].append(newest)

    def _last_conn(self, c: int, channel: str) -> int:
        return max(self.subscriptions[c, channel])

    def _open(self, c: int, channel: str) -> bool:
        return self.closes[c, self._last_conn(c, channel)] >= self.history.load_stopped

    # ---- one (client, channel, epoch)

    def _score(self, c: int, channel: str, epoch: str) -> Sets:
        order = self.order[c, channel]
        place = order.index(epoch)
        receipts = self.receipts[c, channel, epoch]
        subs = self.subscriptions[c, channel]
        heads = {k: s.head for k, s in subs.items() if s.epoch == epoch and s.head is not None}
        points, exact = self._times(channel, epoch)
        log = self._log(channel, epoch)
        sets = Sets()

        def published_by(n: int, t: int) -> bool:
            return any(m >= n and when <= t for when, m in points)

        def published_after(n: int, t: int) -> bool:
            return any(m <= n and when > t for when, m in points) and not published_by(n, t)

        # where owed begins
        if place > 0:
            start: int | None = self.stream.first_seq
        else:
            real = [r for r in receipts if log is None or r.number in log]
            until_conn = real[0].conn if real else max(subs)
            told = [heads[k] + 1 for k in sorted(heads) if k <= until_conn]
            start = told[0] if told else real[0].number if real else None
            if start is None:
                joined = min(s.t for s in subs.values())  # the client wanted all of the channel since it came
                numbers = sorted(m for _, m in points)
                if exact:
                    later = [n for n in numbers if published_after(n, joined)]
                    start = min(later, default=max(numbers, default=0) + 1 if numbers else None)
                else:
                    out = [n for n in numbers if published_by(n, joined + self.limit)]
                    start = max(out) + 1 if out else min(numbers, default=None)
        if start is None:
            sets.unexpected = len(receipts)
            return sets

        # receipts one by one
        top: dict[int, int] = {}
        low: dict[int, int] = {}
        highest = start - 1
        for r in receipts:
            n = r.number
            if n < start or (log is not None and n not in log):
                sets.unexpected += 1
                continue
            if n in sets.got:
                sets.duplicates += 1
            elif n <= heads.get(r.conn, -1):
                sets.replayed.add(n)
            elif n < top.get(r.conn, -1):
                sets.reordered += 1
            sets.got.add(n)
            top[r.conn] = max(top.get(r.conn, -1), n)
            if n > highest:
                low.setdefault(r.conn, n)
                highest = n

        # how far owed goes
        extent = max([start - 1, *sets.got, *heads.values()])
        last_conn = self._last_conn(c, channel)
        current = place == len(order) - 1
        is_open = current and self._open(c, channel)
        upto = extent
        if is_open:
            until = self.closes[c, last_conn]
            marks = [h for h in self.history.heads if (h.channel, h.epoch) == (channel, epoch)]
            upto = max([upto, *(h.seq for h in marks if h.t <= until)])
            by = until if exact else until - self.limit
            upto = max([upto, *(m for when, m in points if when <= by)])
        elif current or self._alive(channel, epoch):
            conns = [r.conn for r in receipts] + [k for k, s in subs.items() if s.epoch == epoch]
            conn = last_conn if current else max(conns)
            upto = max([upto, *(m for when, m in points if when <= self.closes[c, conn] - self.limit)])
        else:
            got = [each for (_, ch, e), each in self.receipts.items() if (ch, e) == (channel, epoch)]
            everyone = [r.number for each in got for r in each if log is None or r.number in log]
            everyone += [
                s.head for s in self._all_subscriptions() if (s.channel, s.epoch) == (channel, epoch) and s.head
            ]
            everyone += [h.seq for h in self.history.heads if (h.channel, h.epoch) == (channel, epoch)]
            upto = max([upto, *everyone, *(log or ())])
        sets.owed = {n for n in range(start, upto + 1) if log is None or n in log}
        missing = sets.owed - sets.got
        sets.got &= sets.owed

        # where each missing number was missed
        conns_here = sorted({*(r.conn for r in receipts), *(k for k, s in subs.items() if s.epoch == epoch)})
        base = {k: heads[k] if k in heads else low[k] - 1 for k in conns_here if k in heads or k in low}
        if place > 0 and conns_here and conns_here[0] not in heads:
            before = order[place - 1]
            others = [r.conn for r in self.receipts[c, channel, before]]
            others += [k for k, s in subs.items() if s.epoch == before]
            if others and max(others) == conns_here[0]:
                base[conns_here[0]] = start - 1

        def due(n: int, k: int) -> bool:
            if k in base:
                return n > base[k]
            if exact:
                return published_after(n, subs[k].t)
            known = any(when <= subs[k].t + self.limit for when, _ in points)
            return known and not published_by(n, subs[k].t + self.limit)

        died_here = False
        if not current and conns_here:
            after = order[place + 1]
            nexts = [r.conn for r in self.receipts[c, channel, after]]
            nexts += [k for k, s in subs.items() if s.epoch == after]
            died_here = bool(nexts) and min(nexts) == conns_here[-1]
        # Whether anything tells which numbers were due on a last connection that got none.
        since = subs[last_conn].t
        datable = any(when > since if exact else when <= since + self.limit for when, _ in points)
        for n in missing:
            closed = [k for k in subs if not (is_open and k == last_conn)]
            at_the_end = last_conn in base or not datable or due(n, last_conn)
            if is_open and n > extent and at_the_end:
                flying = exact and published_after(n, self.closes[c, last_conn] - self.limit)
                (sets.in_flight_at_end if flying else sets.tail).add(n)
            elif (
                any(k in base and base[k] < n <= top.get(k, -1) for k in conns_here)
                or any(due(n, k) and published_by(n, self.closes[c, k] - self.limit) for k in closed)
                or (died_here and n > extent)
            ):
                sets.lost_connected.add(n)
            else:
                sets.missed_disconnected.add(n)
        return sets

    def _alive(self, channel: str, epoch: str) -> bool:
        return any(order[-1] == epoch and self._open(c, ch) for (c, ch), order in self.order.items() if ch == channel)
