"""Histories without a network: a service with known outages, clients that live by the rules, and all they record.

    story = Story(group(clients=4), faults=[strike(at=s(10))])
    story.crash(s(10), s(12))
    history = story.history()

The simulated client differs from the real one in that its reconnects come at a fixed pace and its sends are never late
unless the story says so (`late`, `skip`).
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from chaosrun.plan import FaultPlan, GroupPlan, Plan, RecoveryPlan, StagePlan, StreamPlan
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
from chaosrun.scoring.pacing import due_times, sentinel_times
from chaosrun.scoring.pacing import lives as planned_lives

MS = 1_000_000
S = 1_000_000_000


def ms(value: float) -> int:
    return round(value * MS)


def s(value: float) -> int:
    return round(value * S)


def group(**changes: Any) -> GroupPlan:
    """Four clients with a request a second each; a bad slot in ten is tolerated over 2 s, L is 500 ms."""
    plan: dict[str, Any] = {
        "name": "accounts",
        "clients": 4,
        "period_ns": S,
        "ramp_start": changes.get("clients", 4),
        "connect_within_ns": S,
        "tolerate_requests": 0.1,
        "window_ns": 2 * S,
    }
    return GroupPlan(**(plan | changes))


@dataclass(frozen=True)
class Strike:
    """A fault of the story; what it does is told apart, by `crash`, `freeze`, ..."""

    at: int
    removed: int | None = None
    """None: an instant fault."""
    confirmed: int | None = None
    """None: at once."""
    verified: bool = True
    id: str = "fault"


def strike(at: int, **changes: Any) -> Strike:
    return Strike(at, **changes)


@dataclass(frozen=True)
class Trouble:
    """What the service does to some clients (None: all) of a group (None: all) in `[a, b)`."""

    what: str
    a: int
    b: int
    clients: frozenset[int] | None
    g: int | None

    def strikes(self, g: int, c: int) -> bool:
        return (self.g is None or self.g == g) and (self.clients is None or c in self.clients)


@dataclass
class Story:
    """Ramp from 0, baseline from `baseline`, the first fault wherever it strikes, `after` ends at `end`."""

    groups: Sequence[GroupPlan] | GroupPlan
    faults: Sequence[Strike] = ()
    baseline: int = 3 * S
    end: int = 40 * S
    verify: int = 2 * S
    stable_for: int = 5 * S
    latency: int = MS
    backoff: int = 100 * MS
    loss: float = 0.0
    seed: int = 0
    lag: int = MS
    """p99 of the load's event loop."""
    troubles: list[Trouble] = field(default_factory=list)
    lost: set[tuple[int, int, int]] = field(default_factory=set)
    """Slots (group, client, due) whose reply never comes."""
    delayed: dict[tuple[int, int, int], int] = field(default_factory=dict)
    sent_late: dict[tuple[int, int, int], int] = field(default_factory=dict)
    skipped: set[tuple[int, int, int]] = field(default_factory=set)
    closes: dict[tuple[int, int, int], Closed] = field(default_factory=dict)
    probes: list[Probe] = field(default_factory=list)

    def crash(self, a: int, b: int, clients: Sequence[int] | None = None, g: int | None = None) -> Story:
        """Connections are reset at `a`, attempts refused until `b`."""
        return self._trouble("crash", a, b, clients, g)

    def freeze(self, a: int, b: int, clients: Sequence[int] | None = None, g: int | None = None) -> Story:
        """Nothing is answered from `a`; at `b` the backlog is."""
        return self._trouble("freeze", a, b, clients, g)

    def errors(self, a: int, b: int, clients: Sequence[int] | None = None, g: int | None = None) -> Story:
        """Requests are answered at once, by errors."""
        return self._trouble("errors", a, b, clients, g)

    def swallow(self, a: int, b: int, clients: Sequence[int] | None = None, g: int | None = None) -> Story:
        """Requests are read and never answered."""
        return self._trouble("swallow", a, b, clients, g)

    def lose(self, c: int, *dues: int, g: int = 0) -> Story:
        self.lost.update((g, c, due) for due in dues)
        return self

    def delay(self, c: int, due: int, by: int, g: int = 0) -> Story:
        """The reply comes `by` ns later than the service's latency says."""
        self.delayed[g, c, due] = by
        return self

    def late(self, c: int, due: int, by: int, g: int = 0) -> Story:
        """The observer sends the slot `by` ns after its due time."""
        self.sent_late[g, c, due] = by
        return self

    def skip(self, c: int, due: int, g: int = 0) -> Story:
        """The observer does not send the slot at all."""
        self.skipped.add((g, c, due))
        return self

    def history(self) -> History:
        groups = (self.groups,) if isinstance(self.groups, GroupPlan) else tuple(self.groups)
        scribe = Scribe()
        load_stopped = self.end + self.verify
        for g, plan in enumerate(groups):
            for c in range(plan.clients):
                Actor(self, plan, g, c, load_stopped, scribe).play()
        finish = load_stopped + max((plan.latency_limit_ns for plan in groups), default=0) + 10 * MS
        by_time = sorted(self.faults, key=lambda fault: fault.at)
        first = by_time[0].at if by_time else self.end - S
        marks = [("start", 0), ("ramp", 0), ("baseline", self.baseline), ("fault", first), ("recovery", first)]
        marks += [("after", self.end - S), ("rollback", self.end), ("verify", self.end), ("drain", load_stopped)]
        ids = {fault.id: fault.removed is not None for fault in by_time}
        return History(
            plan=Plan(
                groups=groups,
                recovery=RecoveryPlan(stable_for_ns=self.stable_for),
                faults=tuple(FaultPlan(id=i, name=i, kind="noop", sustained=held) for i, held in ids.items()),
            ),
            phases=[Phase(t=t, name=name) for name, t in marks],
            end=finish,
            load_stopped=load_stopped,
            called=[Called(t=fault.at, id=fault.id) for fault in by_time],
            confirmed=[
                Confirmed(t=fault.at if fault.confirmed is None else fault.confirmed, id=fault.id, verified=True)
                for fault in by_time
                if fault.verified
            ],
            # What would be removed after the run is never removed.
            removed=[
                Removed(t=fault.removed, id=fault.id)
                for fault in by_time
                if fault.removed is not None and fault.removed <= finish
            ],
            attempts=sorted(scribe.attempts, key=lambda record: record.t),
            refused=sorted(scribe.refused, key=lambda record: record.t),
            opened=sorted(scribe.opened, key=lambda record: record.t),
            closed=sorted(scribe.closed, key=lambda record: record.t),
            slots=sorted(scribe.slots, key=lambda row: (row.due, row.group, row.client)),
            probes=self.probes,
            lags=[
                Lag(t=t, span_ns=S, buckets={bucket_of(self.lag): 100}, max_ns=self.lag) for t in range(S, finish, S)
            ],
        )

    def _trouble(self, what: str, a: int, b: int, clients: Sequence[int] | None, g: int | None) -> Story:
        self.troubles.append(Trouble(what, a, b, None if clients is None else frozenset(clients), g))
        return self


@dataclass
class Scribe:
    """What all clients recorded."""

    attempts: list[Attempt] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    opened: list[Opened] = field(default_factory=list)
    closed: list[Closed] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)


class Actor:
    """One client: connects, sends a canary until one is good, sends its slots, reconnects."""

    def __init__(self, story: Story, plan: GroupPlan, g: int, c: int, stop: int, scribe: Scribe) -> None:
        self.story, self.plan, self.g, self.c, self.stop, self.scribe = story, plan, g, c, stop, scribe
        self.chance = random.Random(f"{story.seed}/{g}/{c}")
        self.troubles = [trouble for trouble in story.troubles if trouble.strikes(g, c)]
        self.lives: list[tuple[int, int, int]] = []
        """(opened, closed, conn)."""

    def play(self) -> None:
        conn = 0
        planned = deque(planned_lives(self.c, self.plan) if self.plan.kind != "http" else ())
        while planned:
            start, end = planned.popleft()
            conn = self.live(start, self.until(end), conn, planned)
        for due in due_times(self.c, self.plan, 0, self.stop):
            self.slot(due, Kind.SLOT)
        for due, client in sentinel_times(self.plan, self.story.baseline, self.stop):
            if client == self.c:
                self.slot(due, Kind.SENTINEL)

    def until(self, end: int | None) -> int:
        return self.stop if end is None else min(end, self.stop)

    def live(self, t: int, leave: int, conn: int, planned: deque[tuple[int, int | None]]) -> int:
        """Be there until `leave`; the number of the next connection. A life of those `planned` that begins while it
        still comes is lived on that connection: a client has no two at a time."""
        while t < leave:
            self.scribe.attempts.append(Attempt(t=t, g=self.g, c=self.c))
            down = self.during("crash", t)
            if down is not None:
                self.scribe.refused.append(Refused(t=t, g=self.g, c=self.c, why="refused"))
                t += self.story.backoff
                continue
            frozen = self.during("freeze", t)
            at = (t if frozen is None else frozen.b) + self.story.latency
            broken = self.next_crash(t)
            if broken <= at:
                self.scribe.refused.append(Refused(t=broken, g=self.g, c=self.c, why="reset"))
                t = broken + self.story.backoff
                continue
            while planned and planned[0][0] <= at:
                leave = self.until(planned.popleft()[1])
            self.scribe.opened.append(Opened(t=at, g=self.g, c=self.c, conn=conn, began=t, shaken=at))
            gone = min(broken, leave) if leave < self.stop else broken
            if gone <= at:  # it has to go while it still comes
                gone = at + 1
            self.lives.append((at, gone, conn))
            if self.plan.period_ns is not None or self.plan.sentinel_period_ns is not None:
                self.canaries(at, gone, conn)
            if gone < broken and gone < self.stop:
                ours = Closed(t=gone, g=self.g, c=self.c, conn=conn, cause="ours", planned=True)
                self.scribe.closed.append(ours)
                return conn + 1
            if broken < self.stop:
                end = self.story.closes.get((self.g, self.c, conn))
                cause, code = ("rst", None) if end is None else (end.cause, end.code)
                self.scribe.closed.append(Closed(t=broken, g=self.g, c=self.c, conn=conn, cause=cause, code=code))
            conn += 1
            t = broken + self.story.backoff
        return conn

    def canaries(self, at: int, broken: int, conn: int) -> None:
        for t in range(at, min(broken, self.stop), self.plan.latency_limit_ns):
            status, got = self.answer(t, t, broken)
            self.scribe.slots.append(Slot(self.g, self.c, t, t, got, status, Kind.CANARY, conn))
            if status == Status.SENT and got != NONE and got - t <= self.plan.latency_limit_ns:
                break

    def slot(self, due: int, kind: Kind) -> None:
        key = self.g, self.c, due
        life = next((life for life in self.lives if life[0] <= due < life[1]), None)
        if self.plan.kind == "http":
            life = (0, self.story.end * 2, 0)
        if life is None:
            row = Slot(self.g, self.c, due, NONE, NONE, Status.SKIPPED_DISCONNECTED, kind, len(self.lives) - 1)
        elif key in self.story.skipped:
            row = Slot(self.g, self.c, due, NONE, NONE, Status.SKIPPED_OBSERVER, kind, life[2])
        else:
            sent = due + self.story.sent_late.get(key, 0)
            status, got = self.answer(due, sent, life[1])
            row = Slot(self.g, self.c, due, sent, got, status, kind, life[2])
        self.scribe.slots.append(row)

    def answer(self, due: int, sent: int, broken: int) -> tuple[Status, int]:
        """What becomes of a request sent on a connection that ends at `broken`."""
        key = self.g, self.c, due
        if key in self.story.lost or self.during("swallow", sent) or self.chance.random() < self.story.loss:
            return Status.SENT, NONE
        if self.plan.kind == "http" and self.during("crash", sent):
            return Status.ERROR, NONE
        frozen = self.during("freeze", sent)
        got = (sent if frozen is None else frozen.b) + self.story.latency + self.story.delayed.get(key, 0)
        if got >= broken:
            return Status.SENT, NONE
        return (Status.ERROR if self.during("errors", sent) else Status.SENT), got

    def during(self, what: str, t: int) -> Trouble | None:
        return next((trouble for trouble in self.troubles if trouble.what == what and trouble.a <= t < trouble.b), None)

    def next_crash(self, t: int) -> int:
        return min(
            (trouble.a for trouble in self.troubles if trouble.what == "crash" and trouble.a > t), default=10**18
        )


def ticking(**changes: Any) -> GroupPlan:
    """A group that only listens to one stream."""
    return group(**({"period_ns": None, "streams": (StreamPlan(),)} | changes))


@dataclass(frozen=True)
class Still:
    """A stale interval, as the push score gives it."""

    client: int
    channel: str
    stream: str
    start: int
    end: int
    limit: int = S

    @property
    def noticed(self) -> int:
        return self.start + self.limit


@dataclass(frozen=True)
class Feed:
    """The part of a push score that recovery reads."""

    stale: Sequence[Still]
    longest_baseline_gap_ns: int | None = 200 * MS


def random_story(seed: int, *, staged: bool = False) -> tuple[Story, list[Feed | None]]:
    """A small story by chance: outages of 50 ms to 20 s, by phase, rate, loss, flapping, partial, several faults, some
    of them long before its clients' time to connect is over.

    `staged`: clients come and go by plan meanwhile.
    """
    dice = random.Random(seed)
    groups = [_random_group(dice, g, staged) for g in range(dice.choice((1, 1, 1, 2)))]
    to_connect = random.Random(f"{seed}, to connect").choice((S, S, s(4), s(15)))
    groups = [msgspec.structs.replace(plan, connect_within_ns=to_connect) for plan in groups]
    first = s(6) + dice.randrange(S)
    faults, at = [], first
    for i in range(dice.choice((1, 1, 1, 2, 3))):
        removed = at + dice.randrange(ms(50), s(8)) if dice.random() < 0.4 else None
        confirmed = at + dice.randrange(ms(20))
        faults.append(strike(at, removed=removed, confirmed=confirmed, verified=dice.random() < 0.9, id=f"fault{i}"))
        at += dice.choice((0, ms(300), s(2), s(5), s(12))) + dice.randrange(ms(500))
    last = faults[-1].at
    story = Story(
        groups,
        faults=faults,
        end=last + dice.randrange(s(2), s(28)),
        stable_for=dice.choice((s(2), s(3), s(5))),
        latency=dice.choice((1, MS, ms(40))),
        backoff=dice.choice((ms(30), ms(250))),
        loss=dice.choice((0, 0, 0.01, 0.05)),
        seed=seed,
    )
    for trouble in _random_troubles(dice, first, groups):
        story.troubles.append(trouble)
    story.probes = [
        Probe(t, NONE if dice.random() < 0.4 else t + MS, t + S, connect=True) for t in range(first, last, ms(250))
    ]
    for due, client in _some_slots(dice, groups[0], story.end):
        dice.choice((story.late, story.delay))(client, due, dice.randrange(ms(700)))
    for due, client in _some_slots(dice, groups[0], story.end):
        story.skip(client, due)
    return story, [_random_feed(dice, plan, first, story.end) for plan in groups]


def _random_group(dice: random.Random, g: int, staged: bool) -> GroupPlan:
    clients = dice.randrange(1, 6)
    stages = _random_stages(dice, clients) if staged else ()
    kind = "http" if g and dice.random() < 0.5 else "websocket"
    listens = kind == "websocket" and dice.random() < 0.15
    return group(
        name=f"group{g}",
        kind=kind,
        clients=clients,
        period_ns=None if listens else dice.choice((ms(500), S, s(2))) + dice.randrange(3) * 7_777_777,
        ramp_start=dice.randrange(1, clients + 1),
        ramp_over_ns=dice.choice((S, s(3))),
        stages=stages,
        latency_limit_ns=dice.choice((ms(200), ms(500))),
        sentinel_period_ns=ms(400) if dice.random() < 0.15 and not listens and not staged else None,
        tolerate_sessions=dice.choice((0.01, 0.25, 0.5)),
        tolerate_requests=dice.choice((0.01, 0.1, 0.3)),
        tolerate_pushes=dice.choice((0.01, 0.25)),
        window_ns=dice.choice((S, s(2))),
        streams=(StreamPlan(),) if listens or dice.random() < 0.2 else (),
    )


def _random_stages(dice: random.Random, clients: int) -> tuple[StagePlan, ...]:
    """All clients within three seconds, then comings and goings while faults strike."""
    stages = [StagePlan(name="up", length_ns=dice.choice((0, S, s(3))), clients=clients)]
    for number in range(dice.randrange(1, 5)):
        stages.append(StagePlan(name=f"hold{number}", length_ns=dice.randrange(S, s(12)), clients=stages[-1].clients))
        to = dice.randrange(clients + 1)
        stages.append(StagePlan(name=f"to{number}", length_ns=dice.choice((0, ms(700), s(4))), clients=to))
    return tuple(stages)


def _random_troubles(dice: random.Random, first: int, groups: Sequence[GroupPlan]) -> Iterator[Trouble]:
    at = first + dice.choice((0, 0, ms(3), ms(400)))
    for _ in range(dice.choice((0, 1, 1, 1, 2, 4))):
        length = dice.choice((dice.randrange(ms(50), ms(900)), dice.randrange(S, s(5)), dice.randrange(s(5), s(20))))
        clients = None if dice.random() < 0.6 else frozenset(c for c in range(5) if dice.random() < 0.5)
        what = dice.choice(("crash", "crash", "freeze", "errors", "swallow"))
        yield Trouble(what, at, at + length, clients, dice.randrange(len(groups)) if dice.random() < 0.3 else None)
        at += length + dice.choice((dice.randrange(ms(50), S), dice.randrange(S, s(7))))


def _some_slots(dice: random.Random, plan: GroupPlan, end: int) -> list[tuple[int, int]]:
    slots = [(due, c) for c in range(plan.clients) for due in due_times(c, plan, 0, end)]
    return dice.sample(slots, min(len(slots), dice.choice((0, 0, 3))))


def _random_feed(dice: random.Random, plan: GroupPlan, first: int, end: int) -> Feed | None:
    if not plan.streams:
        return None
    stale = []
    for c in range(plan.clients):
        at = first - dice.randrange(S)
        while dice.random() < 0.6 and at < end:
            length = dice.randrange(S, s(9))
            stale.append(Still(c, dice.choice("AB"), "stream", at, min(at + length, end)))
            at += length + dice.randrange(s(6))
    return Feed(stale)
