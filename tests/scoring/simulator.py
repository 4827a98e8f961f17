"""A run without a network: from what a server truly does to all that clients, prober and engine would record of it.

    world = World(groups, strikes=(Strike(s(10), s(10)),), outages=(Outage(s(10), s(12), "crash"),))
    history, lives = simulate(world)

The server is a script of outages. A message takes half a round trip each way; the server sees a request when it
arrives and answers at once, after the outage, or never. Clients follow the rules of docs/measurement.md: slots on the
grid, a canary after each connect, reconnects with the backoff of the load. They differ from the real ones in that
nothing limits how many connect at a time and no message is ever split.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from chaosrun.load.backoff import delay_ns
from chaosrun.load.config import Backoff
from chaosrun.plan import FaultPlan, GroupPlan, Plan, RecoveryPlan
from chaosrun.records import (
    NONE,
    Attempt,
    Called,
    Closed,
    Confirmed,
    History,
    Kind,
    Lag,
    Opened,
    Phase,
    Probe,
    Refused,
    Removed,
    Slot,
    Status,
)
from chaosrun.scoring.histogram import bucket_of
from chaosrun.scoring.pacing import due_times, planned_start, sentinel_times

MS = 1_000_000
S = 1_000_000_000
FOREVER = 1 << 62
PROBER = -1
"""The prober's index, as a client."""
HANDSHAKE_TIMEOUT = S
"""What a client gives an attempt that nobody answers."""

How = Literal["crash", "answered", "dropped", "errors"]


@dataclass(frozen=True)
class Outage:
    """What the server does in `[a, b)` of its own time.

    crash: connections are reset at `a`, attempts refused until `b`. answered: all that arrives is answered at `b`.
    dropped: it never is. errors: requests are answered by errors, handshakes as always.
    """

    a: int
    b: int
    how: How
    hits: Sequence[frozenset[int] | None] = ()
    """Per group the clients that it reaches; None, or left out: all."""
    prober: bool = True

    def reaches(self, g: int, c: int) -> bool:
        if c == PROBER:
            return self.prober
        own = self.hits[g] if g < len(self.hits) else None
        return own is None or c in own


@dataclass(frozen=True)
class Strike:
    """An injection: when the engine called it, saw its effect, and took it away (None: an instant fault)."""

    called: int
    confirmed: int | None
    removed: int | None = None
    id: str = "fault"


@dataclass(frozen=True, kw_only=True)
class World:
    """The truth of a run. Outages are disjoint, in order."""

    groups: Sequence[GroupPlan]
    strikes: Sequence[Strike]
    outages: Sequence[Outage]
    end: int
    """Of the observation."""
    baseline: int = 3 * S
    verify: int = S
    stable_for: int = 5 * S
    trip: int = 2 * MS
    """From a client to the server and back."""
    lag: int = 0
    """By how much at most the load sees or does something late."""
    loss: float = 0.0
    """Share of requests that the server drops, by chance."""
    backoff: Backoff = field(default_factory=Backoff)
    seed: int = 0

    @property
    def load_stopped(self) -> int:
        return self.end + self.verify


@dataclass(frozen=True)
class Conn:
    """One connection of a client as it truly was."""

    conn: int
    opened: int
    closed: int
    """When the client knew."""
    broke: int
    """When the server ended it."""


@dataclass
class Life:
    """One client: its connections, and when the server answered what for the first time on each of them."""

    g: int
    c: int
    conns: list[Conn] = field(default_factory=list)
    served_from: dict[int, int] = field(default_factory=dict)
    """By connection: when the server wrote its first good reply."""
    dropped: int = 0
    """Slots that were sent and whose reply was not delivered before the time-out."""
    unlucky: int = 0
    """Slots whose reply the server dropped by chance, and would have given in time."""
    missed: list[tuple[int, int]] = field(default_factory=list)
    """Slots and sentinels without a valid reply in time: when each was due, and when that was settled."""


class Server:
    """What becomes of a message that arrives at `t`."""

    def __init__(self, world: World, g: int, c: int) -> None:
        self.outages = [outage for outage in world.outages if outage.reaches(g, c)]
        self.breaks = [outage.a for outage in self.outages if outage.how == "crash"]

    def during(self, t: int) -> Outage | None:
        return next((outage for outage in self.outages if outage.a <= t < outage.b), None)

    def next_break(self, t: int) -> int:
        return min((a for a in self.breaks if a >= t), default=FOREVER)

    def accepts(self, t: int) -> int | None:
        """When a handshake that arrives at `t` is answered; None: never. Refusals are asked for apart."""
        outage = self.during(t)
        if outage is None or outage.how == "errors":
            return t
        return outage.b if outage.how == "answered" else None

    def refuses(self, t: int) -> bool:
        outage = self.during(t)
        return outage is not None and outage.how == "crash"

    def replies(self, t: int) -> tuple[int | None, bool]:
        """When a request that arrives at `t` on a living connection is answered (None: never), and if it is valid."""
        outage = self.during(t)
        if outage is None or outage.how == "errors":
            return t, outage is None
        return (outage.b if outage.how == "answered" else None), True


class Client:
    """Lives by the rules, and writes down what it does and sees."""

    def __init__(self, world: World, g: int, c: int) -> None:
        self.world, self.g, self.c = world, g, c
        self.plan = world.groups[g]
        self.half = world.trip // 2
        self.server = Server(world, g, c)
        self.chance = random.Random(f"{world.seed}/{g}/{c}")
        self.life = Life(g, c)
        self.attempts: list[Attempt] = []
        self.refused: list[Refused] = []
        self.opened: list[Opened] = []
        self.closed: list[Closed] = []
        self.slots: list[Slot] = []

    def play(self) -> Client:
        self._connect(planned_start(self.c, self.plan))
        for due in due_times(self.c, self.plan, 0, self.world.load_stopped):
            self._slot(due, Kind.SLOT)
        for due, client in sentinel_times(self.plan, self.world.baseline, self.world.load_stopped):
            if client == self.c:
                self._slot(due, Kind.SENTINEL)
        return self

    def _late(self, t: int) -> int:
        return t + (self.chance.randrange(self.world.lag + 1) if self.world.lag else 0)

    def _connect(self, t: int) -> None:
        tries = waits = 0
        while t < self.world.load_stopped:
            self.attempts.append(Attempt(t=t, g=self.g, c=self.c))
            tries += 1
            arrives = t + self.half
            answered = self.server.accepts(arrives)
            if answered is None:
                refused = self.server.refuses(arrives)
                over = self._late(arrives + self.half if refused else t + HANDSHAKE_TIMEOUT)
                self.refused.append(Refused(t=over, g=self.g, c=self.c, why="refused" if refused else "timeout"))
                t = over + delay_ns(self.world.backoff, self.c, waits, tries)
                waits += 1
                continue
            waits = 0
            t = self._stay(t, answered) + delay_ns(self.world.backoff, self.c, 0, tries)

    def _stay(self, began: int, answered: int) -> int:
        """One connection; returns when the client knew of its end."""
        n = len(self.life.conns)
        opened = self._late(answered + self.half)
        broke = self.server.next_break(answered)
        closed = max(opened + 1, self._late(broke + self.half)) if broke < FOREVER else FOREVER
        conn = Conn(n, opened, closed, broke)
        self.life.conns.append(conn)
        self.opened.append(Opened(t=opened, g=self.g, c=self.c, conn=n, began=began, shaken=opened))
        if closed < self.world.load_stopped:
            self.closed.append(Closed(t=closed, g=self.g, c=self.c, conn=n, cause="rst"))
        if self.plan.period_ns is not None or self.plan.sentinel_period_ns is not None:
            for t in range(opened, min(closed, self.world.load_stopped), self.plan.latency_limit_ns):
                row = self._ask(t, t, Kind.CANARY, conn)
                self.slots.append(row)
                if row.status == Status.SENT and row.got != NONE and row.got - t <= self.plan.latency_limit_ns:
                    break
        return closed

    def _slot(self, due: int, kind: Kind) -> None:
        sent = self._late(due)
        conn = next((conn for conn in self.life.conns if conn.opened <= sent < conn.closed), None)
        if conn is None:
            last = len([conn for conn in self.life.conns if conn.closed <= sent]) - 1
            self.slots.append(Slot(self.g, self.c, due, NONE, NONE, Status.SKIPPED_DISCONNECTED, kind, last))
            self.life.missed.append((due, due))
            return
        row = self._ask(due, sent, kind, conn)
        self.slots.append(row)
        over = due + self.plan.latency_limit_ns
        if row.got == NONE or row.got > over or row.status == Status.ERROR:
            self.life.missed.append((due, over if row.got == NONE else min(over, row.got)))

    def _ask(self, due: int, sent: int, kind: Kind, conn: Conn) -> Slot:
        """A request on a connection that its server ends at `conn.broke`."""
        at, valid = self.server.replies(sent + self.half)
        unlucky = self.chance.random() < self.world.loss
        if at is None or at >= conn.broke or unlucky:
            in_time = valid and at is not None and at < conn.broke
            in_time = in_time and at + self.half - due <= self.plan.latency_limit_ns
            self.life.dropped += kind is Kind.SLOT
            self.life.unlucky += kind is Kind.SLOT and in_time
            return Slot(self.g, self.c, due, sent, NONE, Status.SENT, kind, conn.conn)
        got = min(self._late(at + self.half), conn.closed)
        # A reply that comes after the time-out counts as none.
        self.life.dropped += kind is Kind.SLOT and got - due > self.plan.reply_timeout_ns
        if valid and got - due <= self.plan.latency_limit_ns:
            self.life.served_from[conn.conn] = min(at, self.life.served_from.get(conn.conn, at))
        return Slot(self.g, self.c, due, sent, got, Status.SENT if valid else Status.ERROR, kind, conn.conn)


def simulate(world: World, probes: Sequence[Probe] = ()) -> tuple[History, list[list[Life]]]:
    """What all recorded, and each client's true life by group."""
    played = [[Client(world, g, c).play() for c in range(plan.clients)] for g, plan in enumerate(world.groups)]
    clients = [client for group in played for client in group]
    finish = world.load_stopped + max(plan.latency_limit_ns for plan in world.groups) + 10 * MS
    plans = tuple(
        FaultPlan(id=strike.id, name=strike.id, kind="noop", sustained=strike.removed is not None)
        for strike in {strike.id: strike for strike in world.strikes}.values()
    )
    history = History(
        plan=Plan(groups=tuple(world.groups), recovery=RecoveryPlan(stable_for_ns=world.stable_for), faults=plans),
        phases=list(_phases(world)),
        end=finish,
        load_stopped=world.load_stopped,
        called=[Called(t=strike.called, id=strike.id) for strike in world.strikes],
        confirmed=[
            Confirmed(t=strike.confirmed, id=strike.id, verified=True)
            for strike in world.strikes
            if strike.confirmed is not None
        ],
        removed=[Removed(t=strike.removed, id=strike.id) for strike in world.strikes if strike.removed is not None],
        attempts=sorted((line for client in clients for line in client.attempts), key=lambda line: line.t),
        refused=sorted((line for client in clients for line in client.refused), key=lambda line: line.t),
        opened=sorted((line for client in clients for line in client.opened), key=lambda line: line.t),
        closed=sorted((line for client in clients for line in client.closed), key=lambda line: line.t),
        slots=sorted((row for client in clients for row in client.slots), key=lambda row: (row.due, row[:2])),
        probes=probes,
        lags=[Lag(t=t, span_ns=S, buckets={bucket_of(world.lag): 100}, max_ns=world.lag) for t in range(S, finish, S)],
    )
    return history, [[client.life for client in group] for group in played]


def _phases(world: World) -> Iterator[Phase]:
    first = min(strike.called for strike in world.strikes)
    last = max(strike.called for strike in world.strikes)
    marks = [("start", 0), ("ramp", 0), ("baseline", world.baseline), ("fault", first), ("recovery", last)]
    marks += [("after", world.end - S), ("rollback", world.end), ("verify", world.end), ("drain", world.load_stopped)]
    for name, t in marks:
        yield Phase(t=t, name=name)
