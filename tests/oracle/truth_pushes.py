"""What was pushed to every client in truth, as a history of its own: from the truth server's log, not from chaosrun's.

A second scorer reads it (tests/scoring/push_bruteforce.py), so that what chaosrun says of every number can be compared.
Two things only the client knows, and are taken from what it recorded: when it closed its last connection itself, and
whether it still took in what was written in the last moments before that.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from measured import Measured
from truth_log import Entry, What

from chaosrun.plan import GroupPlan, Plan, StreamPlan
from chaosrun.records import Closed, Head, History, Phase, Push, Stream, Subscribed

LAST_MOMENTS = 250_000_000
"""Before a client's own close, in ns: what was written by then may still have been on its way."""

Key = tuple[int, str, str]
"""Client, channel, and the epoch as the server counts them, whether it tells or not."""


@dataclass(frozen=True)
class Pushed:
    """The truth of a run."""

    history: History
    """What chaosrun would have recorded, had it been the server."""
    published: dict[tuple[str, str], set[int]]
    """By channel and epoch."""
    received: dict[Key, set[int]]

    def epochs(self, client: int) -> set[str]:
        """The numberings that a client had to do with."""
        lines = (*self.history.subscribed, *self.history.streams)
        return {line.epoch or "" for line in lines if line.c == client}


def pushed(run: Measured) -> Pushed:
    """Put the truth together. A client's connections count once they are subscribed, in the order it had them."""
    writer = _Writer(run)
    for client, connections in _by_client(run).items():
        for conn, (where, entries) in enumerate(connections.items()):
            writer.connection(client, conn, where, entries)
    return writer.finish()


def _by_client(run: Measured) -> dict[int, dict[tuple[int, int], list[Entry]]]:
    """What was told on each connection, by the start of the server and its number there."""
    found: dict[int, dict[tuple[int, int], list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for start, entries in enumerate(run.truth.starts):
        for entry in entries:
            if entry.what in (What.SUBSCRIBED, What.PUSHED, What.MARKED) and entry.client >= 0:
                found[entry.client][start, entry.conn].append(entry)
    return found


class _Writer:
    def __init__(self, run: Measured) -> None:
        assert run.script.feed is not None
        self._run = run
        self._feed = run.script.feed
        self._channels = run.script.channels
        self._ended = {(each.start, each.conn): each.ended for each in run.truth.connections}
        self._own = {(line.c, line.conn): line.t for line in run.history.closed if line.cause == "ours"}
        self._recorded = _recorded(run.history)
        self._born: dict[tuple[int, int, int], int] = {}
        self._published: dict[tuple[str, str], set[int]] = defaultdict(set)
        for entry in run.truth.entries(What.PUBLISHED):
            self._born[entry.channel, entry.epoch, entry.a] = entry.t
            self._published[self._channels[entry.channel], str(entry.epoch)].add(entry.a)
        self._subscribed: list[Subscribed] = []
        self._closed: list[Closed] = []
        self._streams: list[Stream] = []
        self._pushes: list[Push] = []
        self._heads: list[Head] = []

    def connection(self, client: int, conn: int, where: tuple[int, int], entries: list[Entry]) -> None:
        who = {"g": 0, "c": client, "conn": conn}
        own = self._own.get((client, conn))
        ended = self._ended[where] if own is None else own
        if ended is not None:
            self._closed.append(Closed(t=ended, **who, cause="fin" if own is None else "ours", planned=own is not None))
        left = Counter(self._recorded[client, conn])
        sids: dict[tuple[str, str], int] = {}
        for entry in entries:
            name = channel, epoch = self._channels[entry.channel], str(entry.epoch)
            if entry.what == What.SUBSCRIBED:
                head = entry.a if self._feed.head else None
                self._subscribed.append(Subscribed(t=entry.t, **who, channel=channel, head=head, epoch=epoch))
            elif entry.what == What.MARKED:
                self._heads.append(Head(t=entry.t, channel=channel, seq=entry.a, epoch=epoch))
            elif own is None or entry.t < own - LAST_MOMENTS or left[channel, entry.a] > 0:
                left[channel, entry.a] -= 1
                if name not in sids:
                    sids[name] = len(self._streams)
                    self._streams.append(Stream(t=entry.t, sid=sids[name], **who, channel=channel, epoch=epoch))
                born = self._born[entry.channel, entry.epoch, entry.a]
                self._pushes.append(Push(entry.t, entry.a, entry.a, born, sids[name]))

    def finish(self) -> Pushed:
        planned = self._run.history.plan.groups[0]
        stream = StreamPlan(has_epoch=True, has_sent_at=True, resumes=self._feed.replay)
        group = GroupPlan(
            name="all", clients=planned.clients, latency_limit_ns=planned.latency_limit_ns, streams=(stream,)
        )
        received: dict[Key, set[int]] = defaultdict(set)
        for push in self._pushes:
            line = self._streams[push.sid]
            received[line.c, line.channel, line.epoch or ""].add(push.first)
        history = History(
            plan=Plan(groups=(group,)),
            phases=[Phase(t=0, name="start")],
            end=self._run.history.end,
            load_stopped=self._run.history.load_stopped,
            closed=self._closed,
            subscribed=self._subscribed,
            streams=self._streams,
            pushes=sorted(self._pushes, key=lambda push: push.at),
            heads=self._heads,
        )
        return Pushed(history, self._published, received)


def _recorded(history: History) -> dict[tuple[int, int], Counter[tuple[str, int]]]:
    """How often chaosrun says it received each number, by client and connection."""
    found: dict[tuple[int, int], Counter[tuple[str, int]]] = defaultdict(Counter)
    for push in history.pushes:
        stream = history.streams[push.sid]
        found[stream.c, stream.conn][stream.channel, push.first] += 1
    return found
