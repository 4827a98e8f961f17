"""One simulated client: its connection, its conversation, what it is still owed, and what it records of them.

It hears from three sides: the transport (messages, the end of the connection), the conversation (what the messages
mean), and its group (a slot is due, connect, leave). Every attempt, session and request leaves exactly one record of
how it ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from chaosrun.cutting import LASTING, How
from chaosrun.errors import Unwritable
from chaosrun.foreign import brief, clean
from chaosrun.load.backoff import delay_ns
from chaosrun.load.requests import Requests
from chaosrun.load.route import Refusal
from chaosrun.load.schedule import NEVER
from chaosrun.load.severing import Severed
from chaosrun.load.transport import Connection
from chaosrun.protocols._base import ClientIdentity, Conversation
from chaosrun.protocols._values import LARGEST, LONGEST_NAME
from chaosrun.records import (
    Attempt,
    Closed,
    Head,
    Kind,
    Malformed,
    Opened,
    Record,
    Refused,
    Silenced,
    Status,
    Stream,
    Subscribed,
)

if TYPE_CHECKING:
    from chaosrun.load.websocket_group import WebSocketGroup

MAX_MALFORMED: Final = 20
"""Lines about malformed messages per connection: what a hostile server makes us write is bounded."""
MAX_NAMES: Final = 10_000
"""Lines that name a stream, a subscription or a head, per connection. A server that makes up more channels than that
is not measured by them: its messages are malformed."""
MAX_EARLY: Final = 10_000
"""Messages that are kept while the opening goes on."""
AHEAD_NS: Final = 1_000_000_000
"""A time stamp so much later than the receipt is no time at which the message was sent."""
TOO_LARGE: Final = ("protocol", 1009)
"""How a connection ends that brought a longer message than `max_message` (RFC 6455 7.4.1)."""
GOING_NS: Final = 20_000_000
"""How often a client whose planned life is over looks whether its last replies have come."""
_monotonic_ns = time.monotonic_ns
_Push = tuple[str, int, int, int | None, str | None, str]


class State(Enum):
    AWAY = auto()
    """No connection: before the planned start, waiting for the next attempt, or gone for good."""
    CONNECTING = auto()
    OPENING = auto()
    """The handshake is done, the opening conversation is not."""
    OPEN = auto()
    CLOSING = auto()
    """We ended it; the transport has yet to say that it is over."""


class Client:
    __slots__ = (
        "_began",
        "_conversation",
        "_cut",
        "_early",
        "_going",
        "_group",
        "_identity",
        "_malformed",
        "_named",
        "_now",
        "_origin_ns",
        "_shaken",
        "_sids",
        "_tries",
        "_waits",
        "_wakes_at",
        "c",
        "changed_at",
        "conn",
        "connection",
        "grace_until",
        "pushed_at",
        "requests",
        "state",
        "wanted",
        "wanted_since",
    )

    def __init__(self, group: WebSocketGroup, c: int, identity: ClientIdentity) -> None:
        self.c = c
        self.state = State.AWAY
        self.conn = -1
        """Number of the session that is open, or of the last one."""
        self.connection: Connection | None = None
        self.changed_at = 0
        """When the session last opened or ended."""
        self.pushed_at = 0
        self.wanted = False
        """The plan wants it up, since `wanted_since`."""
        self.wanted_since = 0
        self.grace_until = 0
        """By then it should be usable again after it took leave while there was load; NEVER: it has not tried yet."""
        self.requests = Requests(group, c)
        self._group = group
        self._identity = identity
        self._origin_ns = group.agenda.origin_ns
        self._conversation: Conversation | None = None
        self._cut: Severed | None = None
        """The last cut of the connection that is open, or that was; it is a fault's doing from then on."""
        self._sids: dict[tuple[str, str, str | None], int] = {}
        self._early: list[Subscribed | _Push] = []
        self._going = False
        """It is to leave as soon as nothing is owed any more."""
        self._tries = 0
        self._waits = 0
        """Waits before attempts since a session was last open."""
        self._malformed = 0
        self._named = 0
        self._now = 0
        self._began = 0
        self._shaken = 0
        self._wakes_at: int | None = None
        """The earliest call of `_wake` on the agenda."""

    @property
    def is_open(self) -> bool:
        return self.state is State.OPEN

    @property
    def is_connected(self) -> bool:
        return self.connection is not None

    # ---- its group speaks

    def come(self, now: int) -> None:
        """A planned life begins."""
        self.wanted, self.wanted_since = True, now
        self.grace_until = 0
        self._going = False
        self.retry()

    def go(self, by: int) -> None:
        """A planned life ends: take leave once nothing is owed any more, or at `by`."""
        self.wanted = False
        self._going = True
        self._go_when_done(by)

    def connect(self) -> None:
        """Begin an attempt (called by the gate)."""
        if not self.wanted:  # it was sent away while it queued
            self._group.gate.leave(self)
            return
        self.state = State.CONNECTING
        self._group.background(self._connect())

    def slot(self, due: int, kind: Kind, k: int) -> None:
        """A slot or sentinel is due, or has been for a while: send it, or record why not."""
        group = self._group
        now = group.now()
        which = group.pick(self.c, k)
        if group.period_ns is not None and now - due > group.period_ns and not self._was_away(due):
            self.requests.skip(due, Status.SKIPPED_OBSERVER, kind, which, self.conn)
        elif self.state is not State.OPEN or not self._ask(due, now, kind, which):
            self.requests.skip(due, Status.SKIPPED_DISCONNECTED, kind, which, self.conn)

    def ask_head(self) -> None:
        if self.state is State.OPEN and self._conversation is not None:
            self._guarded(self._conversation.ask_head, self._tick())

    def read_freely(self) -> None:
        """The load is over: a slow reader takes what still waits for it."""
        if self.connection is not None:
            self.connection.read_freely()

    def leave(self) -> None:
        """The run is over: close politely, as the protocol wants it."""
        if self.state is State.OPEN and self._conversation is not None:
            self._guarded(self._conversation.finish, self._tick())
            self._watch()

    def cut(self) -> None:
        """Close now, whatever the protocol thinks of it."""
        if self.state is State.OPEN:
            self._end("ours", None, planned=True)
        elif self.state is State.OPENING and self.connection is not None:
            self.state = State.CLOSING
        if self.connection is not None:
            self.connection.close()

    def sever(self, how: How, code: int | None, due: int) -> Severed | None:
        """A fault cuts the connection off; None: there is none that is open, or not silent already."""
        connection = self.connection
        if self.state is not State.OPEN or connection is None or not connection.is_open:
            return None
        silent_since = None if self._cut is None else self._cut.silent_since
        if silent_since is not None and how in LASTING:
            return None  # another fault's: whoever is removed first would let it speak for both
        severed = self._cut = Severed(self.c, connection, due, silent_since)
        match how:
            case "rst":
                connection.reset()
            case "fin":
                connection.fin()
            case "close":
                self._tick()
                self._end("injected", None, planned=True)
                connection.close(code or 1000)
            case "silent" | "vanished":
                connection.silence(vanished=how == "vanished")
                now = self._tick()
                severed.fell_silent(now)
                self._record(Silenced(t=now, g=self._group.index, c=self.c, conn=self.conn, how=how))
        return severed

    def retry(self, _: None = None) -> None:
        """The planned start, or the wait between two attempts, is over."""
        if self.wanted and self._group.connecting and self.state is State.AWAY:
            self._group.gate.enter(self)

    # ---- connecting

    async def _connect(self) -> None:
        group = self._group
        self._began = self._tick()
        if self.grace_until == NEVER:
            self.grace_until = self._began + group.connect_within_ns
        self._tries += 1
        group.counts.attempts += 1
        self._record(Attempt(t=self._began, g=group.index, c=self.c))
        try:
            self.connection = await group.dial(self, self._identity)
        except Refusal as refusal:
            self._refused(refusal.why, refusal.status, refusal.detail)
            return
        finally:
            group.gate.leave(self)
        self._shaken = self._tick()
        self.state = State.OPENING
        self._cut = None
        self._malformed = self._named = 0
        self._early.clear()
        self._sids.clear()
        self._guarded(self._converse, self._shaken)
        self._watch()

    def _converse(self, now: int) -> None:
        group = self._group
        self._conversation = group.protocol.conversation(self._identity, self, group.clocks, self._conversation)
        self._conversation.start(now)

    def _refused(self, why: str, status: int | None, detail: str) -> None:
        self._note_refused(why, status, detail)
        self._away()

    def _note_refused(self, why: str, status: int | None, detail: str) -> None:
        group = self._group
        group.counts.refused += 1
        group.counts.errors[why] += 1
        self._record(Refused(t=group.now(), g=group.index, c=self.c, why=why, status=status, detail=self._told(detail)))

    def _told(self, text: str) -> str:
        """Masked before it is cut: half of a secret would not be found any more."""
        return brief(self._group.recorder.told(text, self._identity.account))

    def _away(self) -> None:
        """No connection now; plan the next attempt."""
        self.state = State.AWAY
        self.connection = None
        group = self._group
        if self.wanted and group.connecting and group.reconnect.enabled:
            wait = delay_ns(group.reconnect, self.c, self._waits, self._tries)
            self._waits += 1
            group.agenda.at(group.now() + wait, self.retry, None)

    # ---- the transport speaks

    def on_message(self, data: memoryview | bytes, binary: bool) -> None:
        now = self._now = _monotonic_ns() - self._origin_ns
        conversation = self._conversation
        assert conversation is not None
        try:
            conversation.receive(data, binary, now)
        except Unwritable as error:
            self._group.recorder.unwritable(error)
        except Exception as error:
            self._broke(error)
        if conversation.wake_at is not None:
            self._watch()

    def on_closed(self, cause: str, code: int | None) -> None:
        self._tick()
        if (cause, code) == TOO_LARGE:
            self.malformed(self._group.too_large)
        if self.state is State.OPEN:
            self._end(cause, code, planned=cause in ("ours", "injected") or self._cut is not None)
        elif self.state is State.OPENING:
            self._note_refused("conversation", None, f"{cause}{f' {code}' if code else ''} during the opening")
        self._away()

    def _end(self, cause: str, code: int | None, *, planned: bool) -> None:
        """The session is over; its connection may still linger."""
        group = self._group
        self.state = State.CLOSING
        self.changed_at = self._now
        self._waits = 0
        silent_since = None
        if self._cut is not None:
            self._cut.ended(self._now)
            silent_since = self._cut.silent_since
        group.counts.open -= 1
        if cause == "ours" and group.connecting:  # a leave, and nobody misses it before it had its time to come back
            group.excuse(self)
            self.grace_until = NEVER
        if not planned:
            group.counts.disconnects += 1
            group.counts.errors[cause if code is None else f"{cause} {code}"] += 1
        self._record(
            Closed(
                t=self._now,
                g=group.index,
                c=self.c,
                conn=self.conn,
                cause=cause,
                code=code,
                planned=planned,
                silent_since=silent_since,
            )
        )
        self.requests.give_up()

    # ---- the conversation speaks

    def send(self, data: bytes, binary: bool) -> bool:
        return self.connection is not None and self.connection.send(data, binary)

    def opened(self) -> None:
        group = self._group
        self.state = State.OPEN
        self.conn += 1
        self._going = False
        self.changed_at = self.pushed_at = self._now
        self.requests.canary_good = False
        group.counts.open += 1
        if group.read_every_s is not None and self.connection is not None:
            self.connection.read_slowly(group.read_every_s)
        self._record(
            Opened(t=self._now, g=group.index, c=self.c, conn=self.conn, began=self._began, shaken=self._shaken)
        )
        early, self._early = self._early, []
        for event in early:
            if isinstance(event, Subscribed):
                group.recorder.name(event)
            else:
                self.pushed(*event)
        if not self.wanted:
            self.leave()
            return
        if group.asks:
            self._canary(self.conn)
        if self._conversation is not None:
            self._guarded(self._conversation.play, self._now)

    def failed(self, why: str) -> None:
        cause = "deadline" if why.startswith("deadline") else "protocol"
        if self.state is State.OPEN:
            self._end(cause, None, planned=self._cut is not None)
        elif self.state is State.OPENING:
            self._note_refused("conversation", None, why)
            self.state = State.CLOSING
        if self.connection is not None:
            code, by = (1000, "deadline") if cause == "deadline" else (1002, "ours")
            self.connection.close(code, cause=by)

    def finished(self) -> None:
        self.cut()

    def subscribed(self, channel: str, head: int | None, epoch: str | None, stream: str) -> None:
        if not self._may_name(channel, head, epoch):
            return
        is_open = self.state is State.OPEN
        record = Subscribed(
            t=self._now,
            g=self._group.index,
            c=self.c,
            conn=self.conn if is_open else self.conn + 1,
            channel=clean(channel),
            stream=stream,
            head=head,
            epoch=None if epoch is None else clean(epoch),
        )
        if is_open:
            self._group.recorder.name(record)
        else:
            self._early.append(record)

    def ask(self, which: int, due: int) -> None:
        if self._group.connecting:  # the load is over: whoever is in the middle of a script asks nothing more
            self._ask(due, self._now, Kind.STEP, which)

    def done(self, again: bool, /) -> None:
        group = self._group
        self.wanted = self.wanted and again
        group.excuse(self)
        self._going = True
        self._go_when_done(self._now + group.reply_timeout_ns)

    def replied(self, token: int, ok: bool) -> None:
        if not self.requests.replied(token, self._now, ok):
            self.malformed(f"a reply to {token}, which is not asked")

    def pushed(self, channel: str, first: int, last: int, sent_at: int | None, epoch: str | None, stream: str) -> None:
        sid = self._sids.get((channel, stream, epoch))
        if sid is None:
            if self.state is not State.OPEN:
                self._pushed_early((channel, first, last, sent_at, epoch, stream))
                return
            if not self._may_name(channel, None, epoch):
                return
            sid = self._name_stream(channel, stream, epoch)
        self.pushed_at = now = self._now
        group = self._group
        if sent_at is not None and sent_at > now + AHEAD_NS:
            sent_at = None
        try:
            group.push(now, first, last, sent_at, sid)
        except OverflowError:  # a protocol of another package let it pass
            self.malformed("numbers of more than 64 bits")
        else:
            group.counts.pushes += 1

    def _pushed_early(self, push: _Push) -> None:
        if self.state is State.OPENING and len(self._early) < MAX_EARLY:
            self._early.append(push)
        elif self.state is State.OPENING:
            self.failed(f"more than {MAX_EARLY} messages came before the opening was complete")

    def _may_name(self, channel: str, number: int | None, epoch: str | None) -> bool:
        """Whether a line may name these; else the message is malformed."""
        if max(len(channel), len(epoch or "")) > LONGEST_NAME:
            self.malformed(f"a name of more than {LONGEST_NAME} characters")
        elif number is not None and abs(number) > LARGEST:
            self.malformed("a head of more than 64 bits")
        elif self._named >= MAX_NAMES:
            self.malformed(f"more than {MAX_NAMES} channels, epochs and heads on one connection")
        else:
            self._named += 1
            return True
        return False

    def malformed(self, why: str) -> None:
        self._group.counts.malformed += 1
        self._malformed += 1
        if self._malformed <= MAX_MALFORMED:
            conn = self.conn if self.state is State.OPEN else self.conn + 1
            line = Malformed(t=self._now, g=self._group.index, c=self.c, conn=conn, why=self._told(why))
            self._group.recorder.complain(line)

    def head(self, channel: str, seq: int, epoch: str | None, stream: str) -> None:
        group = self._group
        own = group.heads_are_own
        group.heard_head(self.c)
        if not self._may_name(channel, seq, epoch):
            return
        group.recorder.name(
            Head(
                t=self._now,
                channel=clean(channel),
                stream=stream,
                seq=seq,
                epoch=None if epoch is None else clean(epoch),
                g=group.index,
                c=self.c if own else None,
            )
        )

    # ---- requests

    def _ask(self, due: int, now: int, kind: Kind, which: int) -> bool:
        """Send a request; False: it could not be sent."""
        self._now = now
        assert self._conversation is not None
        try:
            return self.requests.ask(self._conversation, due, now, kind, which, self.conn)
        except Exception as error:
            self._broke(error)
            return False

    def _canary(self, conn: int) -> None:
        """Ask until one canary of this session is good, at most every latency limit."""
        group = self._group
        if self.state is State.OPEN and self.conn == conn and not self.requests.canary_good and group.connecting:
            now = group.now()
            self._ask(now, now, Kind.CANARY, 0)
            group.agenda.at(now + group.latency_limit_ns, self._canary, conn)

    def _was_away(self, due: int) -> bool:
        """No session was open at `due`, nor since: whatever held the observer up, the slot could not be sent."""
        return self.state is not State.OPEN and self.changed_at <= due

    # ---- helpers

    def _go_when_done(self, by: int) -> None:
        if not self._going or self.state is not State.OPEN:
            return
        now = self._group.now()
        if self.requests.in_flight and now < by:
            self._group.agenda.at(min(by, now + GOING_NS), self._go_when_done, by)
        else:
            self.leave()

    def _tick(self) -> int:
        self._now = self._group.now()
        return self._now

    def _record(self, record: Record) -> None:
        self._group.recorder.append(record)

    def _name_stream(self, channel: str, stream: str, epoch: str | None) -> int:
        group = self._group
        sid = group.recorder.next_stream()
        self._sids[channel, stream, epoch] = sid
        group.recorder.name(
            Stream(
                t=self._now,
                sid=sid,
                g=group.index,
                c=self.c,
                conn=self.conn,
                channel=clean(channel),
                stream=stream,
                epoch=None if epoch is None else clean(epoch),
            )
        )
        return sid

    def _guarded(self, call: Callable[[int], object], now: int) -> None:
        try:
            call(now)
        except Exception as error:
            self._broke(error)

    def _broke(self, error: Exception) -> None:
        """The conversation raised: its own fault or the server's, it costs this connection and nothing else."""
        self.malformed(f"{type(error).__name__}: {error}")
        self.failed(f"the conversation broke: {type(error).__name__}: {error}")

    def _watch(self) -> None:
        """See to it that the conversation is woken when it wants to be."""
        conversation = self._conversation
        if conversation is None or conversation.wake_at is None:
            return
        if self._wakes_at is None or conversation.wake_at < self._wakes_at:
            self._wakes_at = conversation.wake_at
            self._group.agenda.at(conversation.wake_at, self._wake, conversation.wake_at)

    def _wake(self, planned: int) -> None:
        if planned == self._wakes_at:
            self._wakes_at = None
        conversation = self._conversation
        if self.state in (State.OPENING, State.OPEN) and conversation is not None:
            now = self._tick()
            if conversation.wake_at is not None and conversation.wake_at <= now:
                self._guarded(conversation.wake, now)
            self._watch()
