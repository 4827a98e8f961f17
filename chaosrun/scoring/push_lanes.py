"""Who listened to what, when and on which connection: the accounts of a group before a single message is counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby

from chaosrun.plan import StreamPlan
from chaosrun.records import Closed, History, Opened, Stream, Subscribed
from chaosrun.scoring.intervals import IntervalSet
from chaosrun.scoring.leaves import Leaves
from chaosrun.scoring.push_accounts import Account, Lane, Stay, Visit

POOLED = "*"
"""The channel of a lane whose numbers run on over all channels of a client or connection."""

LogKey = tuple[str, str, str | None]
"""Channel, stream and epoch of the server's own log."""


@dataclass
class Lanes:
    """The lanes of a group, and the visit that each row key (`sid`) belongs to; None: another group's."""

    lanes: list[Lane]
    visit_of: list[Visit | None]
    logs: dict[LogKey, IntervalSet]


@dataclass
class _Entry:
    """What the records say of one lane on one connection."""

    subscribed: list[Subscribed] = field(default_factory=list)
    streams: list[tuple[int, Stream]] = field(default_factory=list)

    def epochs(self) -> dict[str | None, int]:
        """The epochs that were named here, with the instant of the first mention, in that order."""
        seen: dict[str | None, int] = {}
        mentions = [(s.t, s.epoch) for s in self.subscribed] + [(s.t, s.epoch) for _, s in self.streams]
        for t, epoch in sorted(mentions, key=lambda mention: mention[0]):
            seen.setdefault(epoch, t)
        return seen

    def head(self, epoch: str | None) -> int | None:
        """The lowest head told for the epoch: a second subscription on a connection replays nothing."""
        return min((s.head for s in self.subscribed if s.epoch == epoch and s.head is not None), default=None)


class _Connections:
    """When each connection of the group's clients was open, and where a fault that strikes a role lay between."""

    def __init__(self, history: History, g: int) -> None:
        self.opened: dict[tuple[int, int], Opened] = {(o.c, o.conn): o for o in history.opened if o.g == g}
        self.closed: dict[tuple[int, int], Closed] = {(c.c, c.conn): c for c in history.closed if c.g == g}
        self._end = history.end
        self._of: dict[int, list[int]] = defaultdict(list)
        for client, conn in sorted(self.opened):
            self._of[client].append(conn)
        self._restarts = list(_restarts(history))

    def of(self, client: int) -> list[int]:
        return self._of.get(client, [])

    def until(self, client: int, conn: int) -> int:
        closed = self.closed.get((client, conn))
        return self._end if closed is None else closed.passed_until

    def restarted(self, before: int, opened: int) -> bool:
        """Whether the server may have begun to number anew between the beginnings of two connections.

        Not the end of the first counts: a connection may look open long after the server behind it was restarted.
        """
        return any(before <= removed and called <= opened for called, removed in self._restarts)


def _restarts(history: History) -> Iterable[tuple[int, int]]:
    # Whatever role a fault strikes may be the one that numbers; only what strikes none leaves all numberings alone.
    spares = {fault.id for fault in history.plan.faults if fault.role is None and not fault.reaches_server}
    for called in history.called:
        if called.id not in spares:
            removed = (r.t for r in history.removed if r.id == called.id and r.t >= called.t)
            yield called.t, next(removed, history.end)


def find_lanes(history: History, g: int) -> Lanes:
    """The lanes of group `g`, each account with what is known of it before the first receipt."""
    plans = {plan.name: plan for plan in history.plan.groups[g].streams}
    entries = _entries(history, g, plans)
    connections = _Connections(history, g)
    leaves = Leaves(history, g)
    logs = _logs(history)
    epochs: dict[tuple[str, str], set[str]] = defaultdict(set)
    for (_, channel, stream), by_conn in entries.items():
        epochs[channel, stream] |= {e for entry in by_conn.values() for e in entry.epochs() if e is not None}
    lanes: list[Lane] = []
    visit_of: list[Visit | None] = [None] * len(history.streams)
    for (client, channel, stream), by_conn in sorted(entries.items(), key=lambda item: item[0]):
        plan = plans.get(stream) or StreamPlan(name=stream)
        conns = sorted({*by_conn, *_implied(client, by_conn, connections)})
        for _, between_leaves in groupby(conns, key=partial(leaves.before, client)):
            build = _LaneBuilder(Lane(client, channel, plan), connections, epochs[channel, stream], logs)
            for conn in between_leaves:
                for sid, visit in build.stay(conn, by_conn.get(conn, _Entry())):
                    visit_of[sid] = visit
            lanes.append(build.finish(history.load_stopped))
    return Lanes(lanes, visit_of, logs)


def _entries(history: History, g: int, plans: dict[str, StreamPlan]) -> dict[tuple[int, str, str], dict[int, _Entry]]:
    def lane_of(record: Subscribed | Stream) -> tuple[int, str, str]:
        plan = plans.get(record.stream)
        pooled = plan is not None and plan.scope != "channel"
        return record.c, POOLED if pooled else record.channel, record.stream

    entries: dict[tuple[int, str, str], dict[int, _Entry]] = defaultdict(lambda: defaultdict(_Entry))
    for subscribed in history.subscribed:
        if subscribed.g == g:
            entries[lane_of(subscribed)][subscribed.conn].subscribed.append(subscribed)
    for sid, stream in enumerate(history.streams):
        if stream.g == g:
            entries[lane_of(stream)][stream.conn].streams.append((sid, stream))
    return entries


def _implied(client: int, by_conn: dict[int, _Entry], connections: _Connections) -> Iterable[int]:
    """Connections that carry the lane without a word: where the protocol has no subscription to record."""
    if any(entry.subscribed for entry in by_conn.values()):
        return ()
    return (conn for conn in connections.of(client) if conn > min(by_conn))


def _logs(history: History) -> dict[LogKey, IntervalSet]:
    ranges: dict[LogKey, list[tuple[int, int]]] = defaultdict(list)
    for line in history.published:
        ranges[line.channel, line.stream, line.epoch].append((line.first, line.last))
    return {key: IntervalSet(sorted(each)) for key, each in ranges.items()}


class _LaneBuilder:
    """Goes through the connections of one lane in order."""

    def __init__(
        self, lane: Lane, connections: _Connections, epochs: set[str], logs: dict[LogKey, IntervalSet]
    ) -> None:
        self._lane = lane
        self._connections = connections
        self._epochs = epochs
        self._logs = logs
        self._current: dict[str | None, Account] = {}
        self._last: Visit | None = None

    def stay(self, conn: int, entry: _Entry) -> Iterable[tuple[int, Visit]]:
        """One more connection: the visits on it, by row key."""
        lane, plan = self._lane, self._lane.stream
        epochs = entry.epochs()
        since = self._since(conn, entry)
        if lane.stays and self._unaccountable_since(lane.stays[-1], since):
            lane.unaccountable += 1
            self._current.clear()
            if not epochs:
                self._account(None)
        lane.stays.append(Stay(conn, since, self._connections.until(lane.client, conn)))
        bare = entry.head(None) if None in epochs and self._named(plan) else None
        if self._named(plan) and not any(s.epoch is None for _, s in entry.streams):
            epochs.pop(None, None)
        visits: dict[str | None, Visit] = {}
        for epoch, t in epochs.items():
            head = entry.head(epoch)
            # A head told without an epoch is that of the first epoch that comes after it.
            visits[epoch] = self._visit(epoch, conn, t, head if head is not None or visits else bare)
        if not visits and not lane.accounts and lane.told_head is None:
            lane.told_head = bare
        lane.fresh_at = max([lane.fresh_at, *(s.t for s in entry.subscribed if s.epoch is not None)])
        return [(sid, visits[stream.epoch]) for sid, stream in entry.streams]

    def finish(self, load_stopped: int) -> Lane:
        """The lane; it is open at the end if its last connection outlived the load."""
        lane = self._lane
        last = lane.stays[-1]
        lane.open_at_end = (lane.client, last.conn) not in self._connections.closed or last.until >= load_stopped
        return lane

    def _since(self, conn: int, entry: _Entry) -> int:
        if entry.subscribed:
            return min(s.t for s in entry.subscribed)
        opened = self._connections.opened.get((self._lane.client, conn))
        return opened.t if opened is not None else min(s.t for _, s in entry.streams)

    def _named(self, plan: StreamPlan) -> bool:
        """Whether the numbering has epochs with names."""
        return plan.has_epoch or bool(self._epochs)

    def _unaccountable_since(self, before: Stay, since: int) -> bool:
        plan = self._lane.stream
        if plan.order == "none":
            return False  # nothing about it is accountable; that is said once
        if plan.scope == "connection":
            return True
        return not self._named(plan) and self._connections.restarted(before.since, since)

    def _visit(self, epoch: str | None, conn: int, since: int, head: int | None) -> Visit:
        account = self._current.get(epoch)
        if account is None:
            account = self._account(epoch)
            if head is None and account.start is not None and self._last is not None and self._last.conn == conn:
                head = account.start - 1  # the epoch was born while the client listened
        visit = Visit(account, conn, since, head)
        account.visits.append(visit)
        self._last = visit
        return visit

    def _account(self, epoch: str | None) -> Account:
        lane, plan = self._lane, self._lane.stream
        private = plan.scope != "channel" or lane.unaccountable > 0
        later = bool(lane.accounts) and self._named(plan) and plan.scope != "connection"
        account = Account(
            lane,
            epoch,
            start=plan.first_seq if later else None,
            private=private,
            log=None if private else self._logs.get((lane.channel, lane.stream.name, epoch)),
        )
        lane.accounts.append(account)
        self._current[epoch] = account
        return account
