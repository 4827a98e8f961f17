"""The numbers that follow from an episode, and the ledger of requests, found slowly: each row is asked by itself.

Like bruteforce.py it shares no code with the scorer but the records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from math import ceil

from bruteforce import BruteForce, Group, clocks, share

from chaosrun.records import NONE, Kind, Slot, Status

Told = Mapping[str, object]
FOREVER = 1 << 62


def ledger(group: Group) -> dict[str, int]:
    """What became of every slot, and of canaries and sentinels apart."""
    counts: Counter[str] = Counter()
    for row in group.rows:
        good = group.good(row)
        if row.kind != Kind.SLOT:
            counts["sentinels"] += row.kind == Kind.SENTINEL
            counts["canaries_sent"] += row.kind == Kind.CANARY
            counts["canaries_good"] += row.kind == Kind.CANARY and bool(good)
            continue
        counts["due"] += 1
        fate = fate_of(group, row)
        counts[fate] += 1
        counts["sent"] += row.sent != NONE
        counts["valid"] += row.got != NONE and fate != "replied_error"
        if row.sent != NONE and good is None and row.sent - row.due > tardy(group):
            counts["late_observer"] += 1
        elif row.status != Status.SKIPPED_OBSERVER:
            counts[{True: "good", False: "bad", None: "undecided"}[good]] += 1
    return dict(counts)


def tardy(group: Group) -> float:
    limit = group.plan.latency_limit_ns
    return min(limit / 10, group.plan.period_ns or limit)


def fate_of(group: Group, row: Slot) -> str:
    end, given_up = group.history.end, row.due + group.plan.reply_timeout_ns
    if row.sent == NONE:
        return "skipped_observer" if row.status == Status.SKIPPED_OBSERVER else "skipped_disconnected"
    if NONE < row.got <= given_up:
        if row.status == Status.ERROR:
            return "replied_error"
        return "replied_late" if row.got - row.due > group.plan.latency_limit_ns else "replied_in_time"
    ours = [
        line
        for line in group.history.closed
        if (line.g, line.c, line.conn) == (group.g, row.client, row.conn)
        and not (line.cause == "ours" and line.t >= group.history.load_stopped)
    ]
    if row.got == NONE and (row.status == Status.ERROR or any(line.t < min(given_up, end) for line in ours)):
        return "lost_at_break"
    return "in_flight_at_end" if given_up > end else "lost_connected"


class Rest:
    """What follows from an episode that `BruteForce` found."""

    def __init__(self, slow: BruteForce) -> None:
        self.slow, self.history = slow, slow.history

    def of(self, told: Told) -> dict[str, object]:
        ids, start, end = told["faults"], told["fault_start"], told["end"]
        impact, recovered = told["impact"], told["recovered"]
        assert isinstance(ids, tuple)
        assert isinstance(start, int)
        assert isinstance(end, int)
        assert impact is None or isinstance(impact, int)
        assert recovered is None or isinstance(recovered, int)
        reference = self.reference(ids)
        absorbed = self.absorbed(ids, start, end, reference) if impact is None else False
        ttr = 0 if absorbed else None
        if recovered is not None and reference is not None:
            ttr = max(0, recovered - reference)
        censored = None
        if impact is not None and recovered is None:
            censored = 0 if reference is None else max(0, end - reference)
        return {
            "reference": reference,
            "verified": self.verified(ids),
            "absorbed": absorbed,
            "ttr": ttr,
            "ttr_censored_above": censored,
            "detection": None if impact is None else impact - start,
            "bad_slots": sum(bad for group in self.slow.groups for t, bad in group.events if start <= t < end),
            "noticed": self.noticed(start, end if recovered is None else recovered),
            "server_ready_error": None if impact is None else self.ready_error(ids, start, impact, end),
        }

    # ---- faults ----

    def sustained(self, fault: str) -> bool:
        return any(plan.id == fault and plan.sustained for plan in self.history.plan.faults)

    def reference(self, ids: tuple[str, ...]) -> int | None:
        """The last removal, which of an instant fault is its call; each id is called once."""
        found: list[int] = []
        for fault in ids:
            lines = self.history.removed if self.sustained(fault) else self.history.called
            times = [line.t for line in lines if line.id == fault]
            if not times:
                return None
            found += times
        return max(found)

    def verified(self, ids: tuple[str, ...]) -> bool:
        return all(any(line.id == fault and line.verified for line in self.history.confirmed) for fault in ids)

    def width(self, ids: tuple[str, ...]) -> int:
        called = {line.id: line.t for line in self.history.called}
        return max([0, *(line.t - called[line.id] for line in self.history.confirmed if line.id in ids)])

    def absorbed(self, ids: tuple[str, ...], start: int, end: int, reference: int | None) -> bool | None:
        last = ids[-1] == max(self.history.called, key=lambda line: line.t).id
        until = end
        if reference is not None and any(self.sustained(fault) for fault in ids):
            until = min(end, reference)
        crossed = any(start <= row.sent < until for row in self.history.slots)
        long_enough = end - start >= (self.slow.hold if last else self.slow.window)
        return True if self.verified(ids) and crossed and long_enough else None

    # ---- clients ----

    def noticed(self, start: int, until: int) -> dict[str, tuple[int, int, int]]:
        """By tag: how many, the median (the lower one of two), and the last."""
        first: dict[tuple[int, int], tuple[int, str]] = {}
        for group in self.slow.groups:
            for t, how, c in [*self.ends(group, start), *self.waits(group, until), *self.stills(group)]:
                if start <= t < (until if how != "deadline" else FOREVER):
                    first[group.g, c] = min((t, how), first.get((group.g, c), (t, how)))
        times: dict[str, list[int]] = {}
        for t, how in first.values():
            times.setdefault(how, []).append(t - start)
        return {how: (len(own), sorted(own)[(len(own) - 1) // 2], max(own)) for how, own in times.items()}

    def ends(self, group: Group, start: int) -> Iterator[tuple[int, str, int]]:
        """By the clock of a node one may have ended just before the fault that ended it."""
        for line in self.history.closed:
            if line.g == group.g and line.cause not in ("ours", "injected"):
                t = start if start - clocks(self.history) <= line.t < start else line.t
                yield t, line.cause if line.code is None else f"close({line.code})", line.c

    def waits(self, group: Group, until: int) -> Iterator[tuple[int, str, int]]:
        """Deadlines of what was due before `until`; they may pass later."""
        limit = group.plan.latency_limit_ns
        for row in group.rows:
            if (
                row.due >= until
                or group.good(row) is not False
                or row.sent == NONE
                or NONE < row.got <= row.due + limit
            ):
                continue
            closed = group.closed_at(row.client, row.conn)
            if fate_of(group, row) != "lost_at_break" or (row.due if closed is None else closed) >= row.due + limit:
                yield row.due + limit, "deadline", row.client

    def stills(self, group: Group) -> Iterator[tuple[int, str, int]]:
        for span in group.feed.stale if group.feed else ():
            yield span.noticed, "stale", span.client

    # ---- error bounds ----

    def ready_error(self, ids: tuple[str, ...], start: int, impact: int, end: int) -> int | None:
        handshakes = [probe for probe in self.history.probes if probe.connect]
        good = [p for p in handshakes if p.sent >= impact and NONE < p.got < end]
        if not good:
            return None
        first = min(p.got for p in good)
        latest = max(p.sent for p in good if p.got == first)
        bounds = [impact] + [p.sent for p in handshakes if impact <= p.sent < latest and p.got == NONE]
        usual = [p.got - p.sent for p in handshakes if NONE < p.got < start]
        if usual and first - latest > max(usual):
            bounds.append(first - max(usual))
        return first - max(bounds) + self.width(ids) + clocks(self.history)

    def back_errors(self, told: Told) -> dict[str, int]:
        """The distance of each printed quantile from the same quantile of the earliest, and of the latest, returns."""
        if told["back"] is None:
            return {}
        assert isinstance(told["back"], tuple)
        assert isinstance(told["faults"], tuple)
        assert isinstance(told["impact"], int)
        until = told["end"] if told["recovered"] is None else told["recovered"]
        _, never = told["back"]
        found = self.slow.affected(told["impact"], until, told["end"])
        affected = [(group, c, t) for group, c, t in found if t is not None]
        at = sorted(t for _, _, t in affected)
        early = sorted(min(t, *self.not_yet(group, c, t)) for group, c, t in affected)
        late = sorted(max(t, *self.proved(group, c, t)) for group, c, t in affected)
        n = len(affected) + len(never)
        ranks = {"first": 1, "all": n} | {
            name: max(1, ceil(share(q) * n)) for name, q in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
        }
        doubt = self.history.lags[0].max_ns + self.width(told["faults"]) + clocks(self.history)
        return {
            name: max(at[k - 1] - early[k - 1], late[k - 1] - at[k - 1]) + doubt
            for name, k in ranks.items()
            if 0 < k <= len(at)
        }

    def not_yet(self, group: Group, c: int, t: int) -> Iterable[int]:
        """The last instant at which the client was known not to be served before it was back at `t`; `t` itself."""
        yield t
        if not group.asks:
            opened = [line for line in self.history.opened if (line.g, line.c, line.t) == (group.g, c, t)]
            yield opened[0].shaken if opened else t - (group.feed.longest_baseline_gap_ns or 0 if group.feed else 0)
            return
        rows = [row for row in group.rows if row.client == c]
        known = [row.due for row in rows if row.due <= t and group.good(row) is False]
        conns = {row.conn for row in rows if row.due == t and group.good(row)}
        known += [line.t for line in self.history.opened if (line.g, line.c) == (group.g, c) and line.conn in conns]
        if known:
            yield max(known)

    def proved(self, group: Group, c: int, t: int) -> Iterable[int]:
        yield t
        if group.asks:
            yield from (row.got for row in group.rows if row.client == c and row.due == t and group.good(row))
