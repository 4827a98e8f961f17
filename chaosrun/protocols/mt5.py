"""The MT5 bridge: authenticate, subscribe, then numbered ticks from the terminal and pings with an id.

The terminal numbers its ticks per symbol and names its own boot, so numbers go on across a restart of the bridge and
begin again at 1 with a new boot of the terminal.
"""

# ruff: noqa: ARG002 - the interface tells more than this protocol needs

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from chaosrun.plan import StreamPlan
from chaosrun.protocols._base import ClientIdentity, Clocks, Conversation, Data, Handshake, Protocol, Sink
from chaosrun.protocols._message import UNREADABLE
from chaosrun.protocols._values import FAREST_NS, Name, Whole

STEP_WITHIN_NS: Final = 5_000_000_000
"""How long each step of the opening may take."""
STREAM: Final = "stream"
FIRST_ACCOUNT: Final = 1001
"""The account of client 0 where no table of accounts is given."""


UnixMs = Annotated[float, msgspec.Meta(gt=-FAREST_NS / 1e6, lt=FAREST_NS / 1e6)]


class Tick(msgspec.Struct, gc=False, tag="tick"):
    symbol: Name
    seq: Whole
    boot_id: Name
    bid: float
    ask: float
    ts: UnixMs
    """Unix milliseconds with a fraction, stamped by the terminal."""


class Pong(msgspec.Struct, gc=False, tag="pong"):
    id: Whole


class Status(msgspec.Struct, gc=False, tag="status"):
    """The terminal came or went. Staleness is measured from the ticks themselves, so this only may be said."""

    feed: str


class Mark(msgspec.Struct, gc=False):
    seq: Whole
    boot_id: Name


class AuthOk(msgspec.Struct, gc=False, tag="auth_ok"):
    pass


class Subscribed(msgspec.Struct, tag="subscribed"):
    channels: list[Name]
    heads: dict[Name, Mark | None] = {}


class Heads(msgspec.Struct, tag="head"):
    heads: dict[Name, Mark | None]


class Error(msgspec.Struct, gc=False, tag="error"):
    error: str = ""
    id: Whole | None = None


_HANDSHAKE: Final = Handshake(path="/ws")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Tick | Pong | Status | AuthOk | Subscribed | Heads | Error).decode


class Mt5Conversation(Conversation):
    __slots__ = ("heads_owed", "is_open", "pushed", "wall_offset_ns")

    def __init__(self, identity: ClientIdentity, sink: Sink, clocks: Clocks) -> None:
        super().__init__(identity, sink, clocks)
        self.is_open = False
        self.heads_owed = False
        # Looked up once: these are used 20,000 times a second.
        self.pushed = sink.pushed
        self.wall_offset_ns = clocks.wall_offset_ns

    def start(self, now: int) -> None:
        account = self.identity.account
        self._send(
            {
                "type": "auth",
                "account": account.get("account", str(FIRST_ACCOUNT + self.identity.index)),
                "token": account.get("token", ""),
            }
        )
        self.wake_at = now + STEP_WITHIN_NS

    def receive(self, data: Data, binary: bool, now: int) -> None:
        try:
            message = _decode(data)
        except UNREADABLE as error:
            self.sink.malformed(str(error))
            return
        if type(message) is Tick:
            seq = message.seq
            sent_at = int(message.ts * 1e6) - self.wall_offset_ns
            self.pushed(message.symbol, seq, seq, sent_at, message.boot_id, STREAM)
        elif type(message) is Pong:
            self.sink.replied(message.id, True)
        else:
            self._receive_rare(message, now)

    def _receive_rare(self, message: object, now: int) -> None:
        match message:
            case AuthOk() if not self.is_open:
                self._send({"type": "subscribe", "channels": self.identity.channels})
                self.wake_at = now + STEP_WITHIN_NS
            case Subscribed() if not self.is_open:
                self.is_open = True
                self.wake_at = None
                for channel in message.channels:
                    # No mark while the terminal is away: nobody knows the newest number then.
                    mark = message.heads.get(channel)
                    seq, epoch = (mark.seq, mark.boot_id) if mark else (None, None)
                    self.sink.subscribed(channel, seq, epoch, STREAM)
                self.sink.opened()
            case Error(id=int() as token):
                self.sink.replied(token, False)
            case Error() if not self.is_open:
                self.sink.failed(message.error or "the server answered with an error")
            case Error():
                self.sink.malformed(f"error: {message.error}")
            case Heads() if self.heads_owed:
                self.heads_owed = False
                for channel, mark in message.heads.items():
                    if mark is not None:
                        self.sink.head(channel, mark.seq, mark.boot_id, STREAM)
            case Status():
                pass
            case _:
                self.sink.malformed(f"{type(message).__name__} out of turn")

    def request(self, token: int, which: int, now: int) -> bool:
        unix_ms = (now + self.wall_offset_ns) / 1e6
        return self.sink.send(b'{"type":"ping","id":%d,"sent":%.3f}' % (token, unix_ms), False)

    def wake(self, now: int) -> None:
        if self.wake_at is not None and now >= self.wake_at:
            self.wake_at = None
            self.sink.failed("deadline: no answer to the opening within 5 s")

    def ask_head(self, now: int) -> bool:
        self.heads_owed = self._send({"type": "head"})
        return self.heads_owed

    def _send(self, message: dict[str, object]) -> bool:
        return self.sink.send(_encode(message), False)


class Mt5(Protocol):
    requests = ("ping",)
    streams = (StreamPlan(name=STREAM, has_epoch=True, has_sent_at=True),)
    has_heads = True

    def handshake(self, identity: ClientIdentity) -> Handshake:
        return _HANDSHAKE

    def conversation(
        self, identity: ClientIdentity, sink: Sink, clocks: Clocks, previous: Conversation | None = None
    ) -> Conversation:
        return Mt5Conversation(identity, sink, clocks)


PROTOCOL = Mt5
