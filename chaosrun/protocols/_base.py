"""What every conversation over a WebSocket has in common: who speaks, what is sent, and whom it tells what happened.

Sans I/O: a `Protocol` (one per load group) makes a `Conversation` (one per connection), which is fed whole messages
and the time, and tells its `Sink`. It opens no socket, reads no clock and never sleeps: when something must happen
later, `wake_at` says when.
"""

# ruff: noqa: ARG002 - a default does nothing with what it is told

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from typing import Protocol as Interface
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from chaosrun.plan import StreamPlan

Data = bytes | bytearray | memoryview


class Clocks(NamedTuple):
    """Ties run time to the other clocks that messages speak of. All in nanoseconds."""

    origin_ns: int = 0
    """The run's origin on the monotonic clock."""
    wall_offset_ns: int = 0
    """Unix time of the run's origin."""

    def unix_ns(self, now: int) -> int:
        return now + self.wall_offset_ns


@dataclass(frozen=True, slots=True)
class ClientIdentity:
    """Who a simulated client is, for as long as the run lasts."""

    name: str
    """`{group}-{index}`."""
    index: int
    group: str
    account: Mapping[str, str] = field(default_factory=dict)
    """Its row of the accounts table."""
    channels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a protocol asks of the WebSocket handshake."""

    path: str | None = None
    """None: the path of the target's URL."""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    subprotocols: tuple[str, ...] = ()

    def url(self, base: str) -> str:
        """The target's `base` URL with this path in place of its own and this query after its own."""
        parts = urlsplit(base)
        path = parts.path if self.path is None else quote(self.path, safe="/%:@!$&'()*+,;=~-._")
        query = "&".join(piece for piece in (parts.query, urlencode(self.query)) if piece)
        return urlunsplit((parts.scheme, parts.netloc, path or "/", query, ""))


class Sink(Interface):
    """Whom a conversation tells what happened, in the order in which it happened."""

    def send(self, data: bytes, binary: bool, /) -> bool:
        """Send one message; False: the connection is gone and nothing was sent."""

    def opened(self) -> None:
        """The opening conversation is complete: the client's session is open."""

    def failed(self, why: str, /) -> None:
        """The conversation cannot go on: the peer refused the opening, or missed a deadline (`deadline: ...`)."""

    def subscribed(self, channel: str, head: int | None, epoch: str | None, stream: str, /) -> None:
        """A subscription starts; `head` is the newest number published before it, where told."""

    def replied(self, token: int, ok: bool, /) -> None:
        """The reply to request `token` came; not `ok`: an error, or a reply that fails the protocol's checks."""

    def ask(self, which: int, due: int, /) -> None:
        """The script has come to a step that was due at `due`: have `Conversation.request` called for it now."""

    def done(self, again: bool, /) -> None:
        """The script is over, and the client leaves: for good, or to come back and play it `again`."""

    def pushed(
        self, channel: str, first: int, last: int, sent_at: int | None, epoch: str | None, stream: str, /
    ) -> None:
        """A pushed message with the numbers `first..last` (both -1: unnumbered), sent at run time `sent_at`."""

    def malformed(self, why: str, /) -> None:
        """A message that the protocol cannot accept."""

    def head(self, channel: str, seq: int, epoch: str | None, stream: str, /) -> None:
        """The answer to `ask_head`: `seq` is the newest number of `channel`."""

    def finished(self) -> None:
        """The closing conversation asked for by `finish` is complete, or its time is up."""


class Conversation(ABC):
    """One connection's conversation, from the end of the handshake on."""

    __slots__ = ("clocks", "identity", "sink", "wake_at")

    def __init__(self, identity: ClientIdentity, sink: Sink, clocks: Clocks) -> None:
        self.identity = identity
        self.sink = sink
        self.clocks = clocks
        self.wake_at: int | None = None
        """Run time at which `wake` must be called; None: nothing is waited for. Any call may change it."""

    @abstractmethod
    def start(self, now: int) -> None:
        """The handshake is done: begin the opening conversation."""

    @abstractmethod
    def receive(self, data: Data, binary: bool, now: int) -> None:
        """A whole message arrived; `data` is valid only during the call."""

    @abstractmethod
    def request(self, token: int, which: int, now: int) -> bool:
        """Send number `which` of `Protocol.requests` and `steps`, its id being `token`; False: it was not sent."""

    def play(self, now: int) -> None:  # noqa: B027 - most protocols have no script
        """The session is open, and its client plays the script from here on."""

    def wake(self, now: int) -> None:  # noqa: B027 - most conversations wait for nothing
        """`wake_at` has come."""

    def ask_head(self, now: int) -> bool:
        """Ask for the high-water mark; False: the protocol has none."""
        return False

    def finish(self, now: int) -> None:
        """Begin the closing conversation."""
        self.sink.finished()


class Protocol(ABC):
    """How the clients of one load group talk. Shared by all of their conversations, so it holds no state of them."""

    requests: tuple[str, ...] = ("request",)
    """Names of the requests; empty: the protocol has nothing to ask, its clients only listen."""
    steps: tuple[str, ...] = ()
    """Names of what a script asks; their numbers go on from those of `requests`. Empty: no script asks anything."""
    streams: tuple[StreamPlan, ...] = ()
    has_heads: bool = False
    """`ask_head` is answered."""

    def handshake(self, identity: ClientIdentity) -> Handshake:
        return Handshake()

    @abstractmethod
    def conversation(
        self, identity: ClientIdentity, sink: Sink, clocks: Clocks, previous: Conversation | None = None
    ) -> Conversation:
        """A conversation for a new connection; `previous` is that of the client's last one, for what it remembers."""

    def pick(self, client: int, k: int) -> int:
        """The request that slot `k` of `client` sends: a function of both, so that a slot not sent has one too."""
        return 0
