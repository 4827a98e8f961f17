"""The clients of one group that one worker plays: their slots, their connections, and how they look right now."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Final

from chaosrun.cutting import How
from chaosrun.errors import UsageError
from chaosrun.load.agenda import Agenda
from chaosrun.load.client import Client, State
from chaosrun.load.config import GroupLoad
from chaosrun.load.gate import Gate
from chaosrun.load.recorder import PendingSlot, Recorder
from chaosrun.load.route import Refusal
from chaosrun.load.schedule import SentinelCursor, SlotCursor
from chaosrun.load.severing import Severed
from chaosrun.load.transport import Connection, Options, transport
from chaosrun.load.wire import GroupLive
from chaosrun.protocols import find
from chaosrun.protocols._base import ClientIdentity, Clocks, Handshake
from chaosrun.records import Kind
from chaosrun.scoring.pacing import late_after, planned_start
from chaosrun.spec import units
from chaosrun.spec.userinfo import authorized

STALE_AFTER_NS: Final = 5_000_000_000
"""For the live display, where the plan leaves it to the longest gap of the baseline: that is not known yet."""
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


class Group:
    def __init__(
        self,
        load: GroupLoad,
        *,
        shard: int,
        shards: int,
        clocks: Clocks,
        agenda: Agenda,
        gate: Gate,
        recorder: Recorder,
    ) -> None:
        """Raises UsageError if the protocol cannot be found, or has no requests where the plan wants some."""
        plan = load.plan
        self.index = load.index
        self.clocks = clocks
        self.agenda = agenda
        self.gate = gate
        self.recorder = recorder
        self.reconnect = load.reconnect
        self.protocol = find(load.protocol)
        self.pick = self.protocol.pick
        self.now = agenda.now
        self.push = recorder.push
        self.counts = Counts()
        self.period_ns = plan.period_ns
        self.latency_limit_ns = plan.latency_limit_ns
        self.late_after_ns = late_after(plan)
        limit = units.format_size(load.max_size)
        self.too_large = f"a message of more than {limit}; if it is right, raise `max_message` of group {plan.name!r}"
        self.asks = (plan.period_ns or plan.sentinel_period_ns) is not None
        if self.asks and not self.protocol.requests:
            raise UsageError(
                f"group {plan.name!r} should send requests, and its protocol has none; leave `requests` out"
            )
        self.heads_are_own = any(stream.scope != "channel" for stream in self.protocol.streams)
        self.connecting = True
        """Clients without a connection go on trying to get one."""
        self._load = load
        self._plan = plan
        self._shard = shard
        self._shards = shards
        self._connect = transport(load.transport)
        self._last_address: tuple[Handshake, str, Options] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._cursors: list[tuple[SlotCursor | SentinelCursor, Kind]] = []
        self._t0: int | None = None
        self._stop_at: int | None = None
        self._served_until = 0
        """No slot due at or after this time was served."""
        self._asked_head: set[int] = set()
        self._stale_after_ns = max((stream.stale_after_ns or STALE_AFTER_NS for stream in plan.streams), default=None)
        self.clients = [Client(self, c, load.identity(c)) for c in range(shard, plan.clients, shards)]
        self._excused = set(self.clients)
        """Those that were never usable and still have time to connect."""

    # ---- orders of the engine

    def ramp(self, t0: int) -> None:
        """The phase `ramp` starts at `t0`: clients connect by the plan, slots are due by the plan."""
        self._t0 = t0
        for client in self.clients:
            self.agenda.at(t0 + planned_start(client.c, self._plan), client.retry, None)
        if self.asks and self._plan.period_ns is not None and self.clients:
            self._follow(SlotCursor(self._plan, t0, self._shard, self._shards), Kind.SLOT)

    def sentinels(self, begin: int) -> None:
        if self.asks and self._plan.sentinel_period_ns is not None and self.clients:
            self._follow(SentinelCursor(self._plan, begin, self._shard, self._shards), Kind.SENTINEL)

    def stop(self, at: int) -> int:
        """No slot is due at or after `at`; from then on nobody connects any more.

        Returns the end that can be kept: it is later than `at` where slots due after it have been served already.
        Called again, with a later end, what is due until then is served.
        """
        self._stop_at = max(at, self._served_until)
        self.agenda.at(self._stop_at, self._stop_connecting, None)
        self.settle_slots()
        return self._stop_at

    def sever(self, c: int, how: How, code: int | None, due: int) -> Severed | None:
        """A fault cuts one client off; None: it has no open connection."""
        return self.clients[c // self._shards].sever(how, code, due)

    def settle_slots(self) -> None:
        """Every slot that was due before the end of the load is sent or skipped now."""
        for cursor, kind in self._cursors:
            self._serve(cursor, kind)

    def ask_heads(self) -> None:
        """Ask for the newest numbers: once per channel, or every client where each has numbers of its own."""
        if not self.protocol.has_heads:
            return
        covered: set[str] = set()
        for client in self.clients:
            channels = set(self._load.identity(client.c).channels) or {""}
            if client.state is State.OPEN and (self.heads_are_own or not channels <= covered):
                covered |= channels
                self._asked_head.add(client.c)
                client.ask_head()

    def heard_head(self, c: int) -> None:
        self._asked_head.discard(c)

    async def leave(self) -> None:
        """Have all clients take leave, a few at a time: the loop must go on hearing the others."""
        for place, client in enumerate(self.clients):
            client.leave()
            if place % LEAVE_AT_ONCE == 0:
                await asyncio.sleep(0)

    def cut(self) -> None:
        """Close whatever is left, and abandon attempts that are under way."""
        self.connecting = False
        for task in self._tasks:
            task.cancel()
        for client in self.clients:
            client.cut()

    def decide_rest(self) -> None:
        for client in self.clients:
            client.requests.give_up()

    def pending(self) -> Iterator[PendingSlot]:
        for client in self.clients:
            yield from client.requests.pending()

    @property
    def in_flight(self) -> int:
        return sum(client.requests.in_flight for client in self.clients)

    @property
    def heads_owed(self) -> int:
        return len(self._asked_head)

    @property
    def connected(self) -> int:
        return sum(client.connection is not None for client in self.clients)

    # ---- what a client needs of its group

    async def dial(self, client: Client, identity: ClientIdentity) -> Connection:
        """Connect `client`.

        Raises:
            Refusal: whatever went wrong.
        """
        try:
            url, options = self._address(self.protocol.handshake(identity))
            return await self._connect(url, client, options)
        except (Refusal, asyncio.CancelledError):
            raise
        except Exception as error:
            raise Refusal("other", None, f"{type(error).__name__}: {error}") from error

    def background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    # ---- live

    def live(self) -> GroupLive:
        now = self.agenda.now()
        counts = self.counts
        overdue_before = now - self.latency_limit_ns
        silent_before = None if self._stale_after_ns is None else now - self._stale_after_ns
        in_flight = usable = stale = overdue = 0
        for client in self.clients:
            if client.state is State.OPEN:
                in_flight += client.requests.in_flight
                overdue += client.requests.overdue(overdue_before)
                if not self.asks or client.requests.usable(overdue_before):
                    usable += 1
                    self._excused.discard(client)
                stale += silent_before is not None and client.pushed_at < silent_before
        self._excuse(now)
        latency, counts.latency = counts.latency, Counter()
        return GroupLive(
            name=self._plan.name,
            clients=len(self.clients),
            planned=self._planned(now),
            counted=len(self.clients) - len(self._excused),
            open=counts.open,
            usable=usable,
            stale=stale,
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

    # ---- inside

    def _follow(self, cursor: SlotCursor | SentinelCursor, kind: Kind) -> None:
        self._cursors.append((cursor, kind))
        self.agenda.at(cursor.due, self._pump, (cursor, kind))

    def _pump(self, which: tuple[SlotCursor | SentinelCursor, Kind]) -> None:
        cursor, kind = which
        self._serve(cursor, kind)
        if self._stop_at is None or cursor.due < self._stop_at:
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

    def _stop_connecting(self, _: None) -> None:
        self.connecting = False
        self.gate.clear()

    def _planned(self, now: int) -> int:
        if self._t0 is None:
            return 0
        since = now - self._t0
        if since >= self._plan.ramp_over_ns:
            return len(self.clients)
        return sum(planned_start(client.c, self._plan) <= since for client in self.clients)

    def _excuse(self, now: int) -> None:
        """No longer those whose time to connect is over, as in the score of the run."""
        if self._t0 is not None and self._excused:
            started_by = now - self._t0 - self._plan.connect_within_ns
            self._excused = {each for each in self._excused if planned_start(each.c, self._plan) > started_by}

    def _address(self, shake: Handshake) -> tuple[str, Options]:
        """Where and how to connect: worked out anew only for a handshake unlike the one before; most are alike."""
        if self._last_address is None or shake != self._last_address[0]:
            load = self._load
            url, headers = authorized(shake.url(load.url), (*load.headers.items(), *shake.headers.items()))
            options = Options(
                headers=headers,
                subprotocols=shake.subprotocols,
                via=load.via,
                open_timeout_s=load.open_timeout_s,
                max_size=load.max_size,
                heartbeat_every_s=load.heartbeat_every_s,
                heartbeat_timeout_s=load.heartbeat_timeout_s,
            )
            self._last_address = shake, url, options
        return self._last_address[1:]

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            context = {"message": "a connection attempt failed in our own code", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
