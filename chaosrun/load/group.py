"""The clients of one group that one worker plays, whatever they speak: their slots, and how they look right now."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from chaosrun.cutting import How
from chaosrun.load.agenda import Agenda
from chaosrun.load.config import GroupLoad
from chaosrun.load.recorder import PendingSlot, Recorder
from chaosrun.load.requests import Requests
from chaosrun.load.schedule import NEVER, SentinelCursor, SlotCursor
from chaosrun.load.severing import Severed
from chaosrun.load.wire import GroupLive
from chaosrun.records import Kind
from chaosrun.scoring.pacing import late_after, lives
from chaosrun.spec import units

LEAVE_AT_ONCE: Final = 20


@dataclass(slots=True)
class Counts:
    """What the live display counts. The record of the run is elsewhere."""

    open: int = 0
    due: int = 0
    good: int = 0
    bad: int = 0
    unanswered: int = 0
    replies: int = 0
    pushes: int = 0
    attempts: int = 0
    refused: int = 0
    disconnects: int = 0
    malformed: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    latency: Counter[int] = field(default_factory=Counter)


class Member(Protocol):
    """One client of a group."""

    c: int
    requests: Requests
    wanted: bool
    """The plan wants it up, since `wanted_since`."""
    wanted_since: int
    grace_until: int
    """By then it should be usable again after it took leave while there was load."""

    @property
    def is_open(self) -> bool:
        """Its requests can be sent."""

    @property
    def is_connected(self) -> bool:
        """It holds a connection, or tries to get one that it would have to give up."""

    def come(self, now: int) -> None:
        """A planned life begins."""

    def go(self, by: int) -> None:
        """A planned life ends: take leave once nothing is owed any more, or at `by`."""

    def slot(self, due: int, kind: Kind, k: int) -> None:
        """A slot or sentinel is due, or has been for a while: send it, or record why not."""

    def leave(self) -> None:
        """The run is over: take leave, as politely as its protocol has it."""

    def cut(self) -> None:
        """Close now, whatever the protocol thinks of it."""

    def sever(self, how: How, code: int | None, due: int) -> Severed | None:
        """A fault cuts it off; None: there is nothing to cut."""


class Group(ABC):
    def __init__(self, load: GroupLoad, *, shard: int, shards: int, agenda: Agenda, recorder: Recorder) -> None:
        plan = load.plan
        self.index = load.index
        self.agenda = agenda
        self.recorder = recorder
        self.now = agenda.now
        self.counts = Counts()
        self.period_ns = plan.period_ns
        self.latency_limit_ns = plan.latency_limit_ns
        self.late_after_ns = late_after(plan)
        self.reply_timeout_ns = plan.reply_timeout_ns
        self.connect_within_ns = plan.connect_within_ns
        limit = units.format_size(load.max_size)
        self.too_large = f"a message of more than {limit}; if it is right, raise `max_message` of group {plan.name!r}"
        self.asks = (plan.period_ns or plan.sentinel_period_ns) is not None
        self._load = load
        self._plan = plan
        self._shard = shard
        self._shards = shards
        self._tasks: set[asyncio.Task[None]] = set()
        self._cursors: list[tuple[SlotCursor | SentinelCursor, Kind]] = []
        self._stop_at: int | None = None
        self._served_until = 0
        """No slot due at or after this time was served."""
        self._excused: set[Member] = set()
        """Those that the plan does not want up, or that have not been usable since it does and still have time."""

    @property
    @abstractmethod
    def clients(self) -> Sequence[Member]:
        """Those of this worker, in order of their number."""

    # ---- orders of the engine

    def ramp(self, t0: int) -> None:
        """The phase `ramp` starts at `t0`: clients begin by the plan, slots are due by the plan."""
        for client in self.clients:
            for start, end in lives(client.c, self._plan):
                self.agenda.at(t0 + start, self._admit, client)
                if end is not None:
                    self.agenda.at(t0 + end, self._dismiss, client)
        if self.asks and self._plan.period_ns is not None and self.clients:
            self._follow(SlotCursor(self._plan, t0, self._shard, self._shards), Kind.SLOT)

    def sentinels(self, begin: int) -> None:
        if self.asks and self._plan.sentinel_period_ns is not None and self.clients:
            self._follow(SentinelCursor(self._plan, begin, self._shard, self._shards), Kind.SENTINEL)

    def stop(self, at: int) -> int:
        """No slot is due at or after `at`.

        Returns the end that can be kept: it is later than `at` where slots due after it have been served already.
        Called again, with a later end, what is due until then is served.
        """
        self._stop_at = max(at, self._served_until)
        self.settle_slots()
        return self._stop_at

    def sever(self, c: int, how: How, code: int | None, due: int) -> Severed | None:
        """A fault cuts one client off; None: it has no open connection."""
        return self.clients[c // self._shards].sever(how, code, due)

    def settle_slots(self) -> None:
        """Every slot that was due before the end of the load is sent or skipped now."""
        for cursor, kind in self._cursors:
            self._serve(cursor, kind)

    def catch_up(self) -> None:  # noqa: B027 - most groups are as fast as they can be
        """Take what was left waiting on purpose: the load is over, and what reached this machine is not lost."""

    def ask_heads(self) -> None:  # noqa: B027 - most groups have none
        """Ask for the newest numbers."""

    async def leave(self) -> None:
        """Have all clients take leave, a few at a time: the loop must go on hearing the others."""
        for place, client in enumerate(self.clients):
            client.leave()
            if place % LEAVE_AT_ONCE == 0:
                await asyncio.sleep(0)

    def cut(self) -> None:
        """Close whatever is left, and abandon attempts that are under way."""
        for task in self._tasks:
            task.cancel()
        for client in self.clients:
            client.cut()

    def decide_rest(self) -> None:
        for client in self.clients:
            client.requests.give_up()

    def flush(self) -> None:  # noqa: B027 - most groups write every line at once
        """Hand what is counted in memory to the recorder."""

    def pending(self) -> Iterator[PendingSlot]:
        for client in self.clients:
            yield from client.requests.pending()

    @property
    def in_flight(self) -> int:
        return sum(client.requests.in_flight for client in self.clients)

    @property
    def heads_owed(self) -> int:
        """Answers to `ask_heads` that are still to come."""
        return 0

    @property
    def connected(self) -> int:
        return sum(client.is_connected for client in self.clients)

    def background(self, work: Coroutine[None, None, None]) -> None:
        """Attempts to connect, which are abandoned with the group."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    # ---- live

    def live(self) -> GroupLive:
        now = self.agenda.now()
        counts = self.counts
        self._excuse(now)
        overdue_before = now - self.latency_limit_ns
        planned = in_flight = usable = overdue = 0
        for client in self.clients:
            planned += client.wanted and (client.is_open or now >= client.grace_until)
            if client.is_open:
                in_flight += client.requests.in_flight
                overdue += client.requests.overdue(overdue_before)
                if client.wanted and (not self.asks or client.requests.usable(overdue_before)):
                    usable += 1
                    self._excused.discard(client)
        latency, counts.latency = counts.latency, Counter()
        return GroupLive(
            name=self._plan.name,
            clients=len(self.clients),
            planned=planned,
            counted=len(self.clients) - len(self._excused),
            open=self._open,
            usable=usable,
            stale=self._stale(now),
            in_flight=in_flight,
            due=counts.due,
            bad=counts.bad,
            good=counts.good,
            unanswered=counts.unanswered,
            overdue=overdue,
            replies=counts.replies,
            pushes=counts.pushes,
            attempts=counts.attempts,
            refused=counts.refused,
            disconnects=counts.disconnects,
            malformed=counts.malformed,
            errors=dict(counts.errors),
            latency=dict(latency),
        )

    @property
    @abstractmethod
    def _open(self) -> int:
        """Clients whose connection is open."""

    def _stale(self, now: int) -> int:  # noqa: ARG002 - most groups have no feeds
        """Clients whose feeds stand still."""
        return 0

    # ---- inside

    def _follow(self, cursor: SlotCursor | SentinelCursor, kind: Kind) -> None:
        self._cursors.append((cursor, kind))
        if cursor.due != NEVER:
            self.agenda.at(cursor.due, self._pump, (cursor, kind))

    def _pump(self, which: tuple[SlotCursor | SentinelCursor, Kind]) -> None:
        cursor, kind = which
        self._serve(cursor, kind)
        if cursor.due < (NEVER if self._stop_at is None else self._stop_at):
            self.agenda.at(cursor.due, self._pump, which)

    def _serve(self, cursor: SlotCursor | SentinelCursor, kind: Kind) -> None:
        """Every slot of the cursor that is due by now."""
        end = self.agenda.now() + 1
        if self._stop_at is not None:
            end = min(end, self._stop_at)
        while cursor.due < end:
            client, due, k = self.clients[cursor.client // self._shards], cursor.due, cursor.k
            cursor.advance()  # first: a slot that raises is not served again
            self._served_until = max(self._served_until, due + 1)
            client.slot(due, kind, k)

    def _admit(self, client: Member) -> None:
        client.come(self.agenda.now())

    def excuse(self, client: Member) -> None:
        """It is not missed, or not yet."""
        self._excused.add(client)

    def _dismiss(self, client: Member) -> None:
        self.excuse(client)
        client.go(self.agenda.now() + self.reply_timeout_ns)

    def _excuse(self, now: int) -> None:
        """No longer those whose time to connect is over, as in the score of the run."""
        late = now - self.connect_within_ns
        self._excused = {
            each for each in self._excused if not each.wanted or each.wanted_since > late or each.grace_until > now
        }

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            context = {"message": "a connection attempt failed in our own code", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
