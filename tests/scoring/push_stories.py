"""Invented runs of a pushing server: every number it publishes, and what became of every copy, is drawn from a seed.

The server publishes on a fixed beat; a restart ends its epoch or only its connections; clients are cut off and come
back; messages are dropped, doubled, delayed past their followers and replayed.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field

from chaosrun.plan import GroupPlan, Plan, StreamPlan
from chaosrun.records import Closed, Head, History, Opened, Phase, Published, Push, Stream, Subscribed

MS = 1_000_000
LIMIT = 50 * MS
BEAT = 20 * MS
LOAD_STOPPED = 3_000 * MS


@dataclass
class Story:
    """A history and the truth behind it."""

    history: History
    published: dict[tuple[str, str], dict[int, int]]
    """By (channel, epoch): when each number was published."""
    stays: dict[tuple[int, str], list[tuple[int, int]]]
    """By (client, channel): when it was subscribed."""
    joined: dict[tuple[int, str], tuple[str, int]]
    """By (client, channel): the epoch and the head when it first subscribed."""


@dataclass
class _Connection:
    conn: int
    since: int
    until: int
    ours: bool


@dataclass
class _Teller:
    """Draws a story."""

    rng: random.Random
    heads: bool
    logged: bool
    marked: bool
    stamped: bool
    resumes: bool
    named_late: bool = False
    """Now and then a subscription is told neither epoch nor head."""
    clients: int = 3
    rows: list[tuple[int, int, int | None, tuple[int, int, str, str]]] = field(default_factory=list)
    subscribed: list[Subscribed] = field(default_factory=list)
    opened: list[Opened] = field(default_factory=list)
    closed: list[Closed] = field(default_factory=list)

    def tell(self) -> Story:
        channels = ["A", "B"][: self.rng.choice((1, 1, 2))]
        births = self._births()
        published = {
            (channel, epoch): numbers for channel in channels for epoch, numbers in self._publish(births).items()
        }
        connections = {c: self._connections(births) for c in range(self.clients)}
        joined: dict[tuple[int, str], tuple[str, int]] = {}
        for c, theirs in connections.items():
            for connection in theirs:
                self._record(c, connection)
                for channel in channels:
                    self._listen(c, channel, connection, births, published, joined)
        stays = {(c, ch): [(k.since, k.until) for k in theirs] for c, theirs in connections.items() for ch in channels}
        return Story(self._history(channels, births, published), published, stays, joined)

    def _births(self) -> list[tuple[int, str, bool]]:
        """When each epoch begins, and whether its restart cut all connections."""
        births = [(0, "E1", False)]
        if self.rng.random() < 0.5:
            births.append((self.rng.randrange(800, 2200) * MS, "E2", self.rng.random() < 0.6))
        return births

    def _publish(self, births: list[tuple[int, str, bool]]) -> dict[str, dict[int, int]]:
        epochs: dict[str, dict[int, int]] = {}
        for index, (born, epoch, _) in enumerate(births):
            dies = births[index + 1][0] - 200 * MS if index + 1 < len(births) else LOAD_STOPPED + 200 * MS
            first = born + self.rng.randrange(BEAT)
            epochs[epoch] = {1 + k: t for k, t in enumerate(range(first, dies, BEAT))}
        return epochs

    def _connections(self, births: list[tuple[int, str, bool]]) -> list[_Connection]:
        cuts = [born - 200 * MS for born, _, cut in births if cut]
        cuts += [self.rng.randrange(300 * MS, 2800 * MS) for _ in range(self.rng.choice((0, 0, 1, 2)))]
        made: list[_Connection] = []
        since = self.rng.randrange(5 * MS, 300 * MS)
        for cut in sorted(cuts):
            if cut <= since:
                continue
            made.append(_Connection(len(made), since, cut, ours=False))
            since = cut + self.rng.randrange(10 * MS, 400 * MS)
            if self.rng.random() < 0.1:
                return made  # never comes back
        if since < LOAD_STOPPED:
            made.append(_Connection(len(made), since, LOAD_STOPPED + self.rng.randrange(100 * MS), ours=True))
        return made

    def _record(self, c: int, k: _Connection) -> None:
        self.opened.append(
            Opened(t=k.since - MS, g=0, c=c, conn=k.conn, began=k.since - 3 * MS, shaken=k.since - 2 * MS)
        )
        cause = "ours" if k.ours else "rst"
        self.closed.append(Closed(t=k.until, g=0, c=c, conn=k.conn, cause=cause, planned=k.ours))

    def _listen(
        self,
        c: int,
        channel: str,
        k: _Connection,
        births: list[tuple[int, str, bool]],
        published: dict[tuple[str, str], dict[int, int]],
        joined: dict[tuple[int, str], tuple[str, int]],
    ) -> None:
        epoch = max((born, name) for born, name, _ in births if born <= k.since)[1]
        out = published[channel, epoch]
        head = max((n for n, t in out.items() if t < k.since), default=0)
        told = not self.named_late or self.rng.random() < 0.5
        self.subscribed.append(
            Subscribed(
                t=k.since,
                g=0,
                c=c,
                conn=k.conn,
                channel=channel,
                head=head if self.heads and told else None,
                epoch=epoch if told else None,
            )
        )
        first_time = (c, channel) not in joined
        joined.setdefault((c, channel), (epoch, head))
        if self.resumes and not first_time:
            for n in range(max(1, head - self.rng.randrange(12)), head + 1):
                if self.rng.random() < 0.9:
                    self._deliver(k, n, out[n], k.since, (c, k.conn, channel, epoch))
        bad = self.rng.choice((0.0, 0.02, 0.15))
        for _, name, _ in births:
            for n, t in published[channel, name].items():
                if k.since <= t < k.until and not (self.rng.random() < bad and self.rng.random() < 0.6):
                    times = 2 if self.rng.random() < bad else 1
                    for _ in range(times):
                        late = self.rng.randrange(60) * MS if self.rng.random() < bad else 0
                        self._deliver(k, n, t, t + self.rng.randrange(MS, 3 * MS) + late, (c, k.conn, channel, name))
        if bad and self.rng.random() < 0.3:  # something that nobody published
            self._deliver(k, max(out) + 500, k.since, k.since + 5 * MS, (c, k.conn, channel, epoch))

    def _deliver(self, k: _Connection, n: int, sent: int, at: int, key: tuple[int, int, str, str]) -> None:
        if at < k.until:
            self.rows.append((at, n, sent if self.stamped else None, key))

    def _history(
        self,
        channels: list[str],
        births: list[tuple[int, str, bool]],
        published: dict[tuple[str, str], dict[int, int]],
    ) -> History:
        self.rows.sort(key=lambda row: row[0])
        sids: dict[tuple[int, int, str, str], int] = {}
        streams: list[Stream] = []
        pushes: list[Push] = []
        for at, n, sent, key in self.rows:
            if key not in sids:
                sids[key] = len(streams)
                c, conn, channel, epoch = key
                streams.append(Stream(t=at, sid=len(streams), g=0, c=c, conn=conn, channel=channel, epoch=epoch))
            pushes.append(Push(at, n, n, sent, sids[key]))
        log = [
            Published(t=t, channel=channel, epoch=epoch, first=n, last=n)
            for (channel, epoch), numbers in published.items()
            for n, t in numbers.items()
        ]
        heads: list[Head] = []
        for channel in channels:
            current = published[channel, births[-1][1]]
            seq = max((n for n, t in current.items() if t < LOAD_STOPPED), default=0)
            heads.append(Head(t=LOAD_STOPPED, channel=channel, seq=seq, epoch=births[-1][1]))
        stream = StreamPlan(has_epoch=True, has_sent_at=self.stamped, resumes=self.resumes)
        group = GroupPlan(name="all", clients=self.clients, latency_limit_ns=LIMIT, streams=(stream,))
        return History(
            plan=Plan(groups=(group,)),
            phases=[Phase(t=0, name="start")],
            end=LOAD_STOPPED + 200 * MS,
            load_stopped=LOAD_STOPPED,
            opened=sorted(self.opened, key=lambda o: o.t),
            closed=sorted(self.closed, key=lambda o: o.t),
            subscribed=sorted(self.subscribed, key=lambda o: o.t),
            streams=streams,
            pushes=pushes,
            heads=heads if self.marked else [],
            published=sorted(log, key=lambda p: p.t) if self.logged else [],
        )


def tell(seed: int) -> Story:
    """The story of a seed; what the protocol tells is drawn too."""
    rng = random.Random(seed)
    heads, logged, marked, stamped = (rng.random() < 0.6 for _ in range(4))
    resumes = rng.random() < 0.5
    return _Teller(rng, heads, logged, marked, stamped, resumes=resumes, named_late=rng.random() < 0.3).tell()


def tell_all(seed: int) -> Story:
    """The story of a seed where the protocol tells everything."""
    rng = random.Random(seed)
    return _Teller(rng, heads=True, logged=True, marked=True, stamped=True, resumes=rng.random() < 0.5).tell()


def received(story: Story) -> dict[tuple[int, str, str], list[int]]:
    """By (client, channel, epoch): the numbers in order of receipt."""
    got: dict[tuple[int, str, str], list[int]] = defaultdict(list)
    for push in story.history.pushes:
        stream = story.history.streams[push.sid]
        got[stream.c, stream.channel, stream.epoch or ""].append(push.first)
    return got
