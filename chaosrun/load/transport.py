"""The WebSocket client as the load sees it: connect, send, messages, and exactly why a connection ended.

Two implementations stand behind it, chosen by name: `picows` carries the load, `websockets` is the strict one with
compression. Both pass one conformance suite (tests/load/test_transport_*.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Protocol

from chaosrun.load.route import Route
from chaosrun.sockets import Name, Passed

NAMES = ("picows", "websockets")

CAUSES = frozenset(
    {"rst", "fin", "close", "ping_timeout", "deadline", "protocol", "unread", "ours", "injected", "other"}
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to connect. No redirect is followed, nothing is retried."""

    route: Route = field(default_factory=Route)
    headers: tuple[tuple[str, str], ...] = ()
    """Added to the handshake; a `Host` here replaces the one of the URL."""
    subprotocols: tuple[str, ...] = ()
    open_timeout_s: float = 10.0
    """From the call to the end of the handshake: name look-up, TCP, proxy, TLS and HTTP together."""
    close_timeout_s: float = 1.0
    """How long a closing connection may wait for the peer's part before it is aborted."""
    max_size: int = 1 << 20
    """Largest message in bytes, fragments joined; a larger one ends the connection with 1009."""
    heartbeat_every_s: float | None = None
    """A protocol-level ping so often, whatever else is received; None: none."""
    heartbeat_timeout_s: float = 10.0
    """A ping not answered by then ends the connection: `ping_timeout`."""
    read_buffer: int = 2048
    """Bytes of receive buffer that a connection starts with."""
    compression: bool = False
    """Offer permessage-deflate (`websockets` only)."""


class Handler(Protocol):
    """Who is told. No call comes before `connect` has returned, and none after `on_closed`."""

    def on_message(self, data: memoryview | bytes, binary: bool, /) -> None:
        """Take a whole message, fragments joined. `data` is valid only during the call."""

    def on_closed(self, cause: str, code: int | None, /) -> None:
        """Learn, exactly once, that the connection has ended.

        `cause` is one of `CAUSES`: `rst` (the peer reset, or a send found it gone), `fin` (end of stream without a
        close frame), `close` (the peer's close frame with `code`; 1005: it had none), `ping_timeout` (a heartbeat
        stayed unanswered), `deadline` (the kernel gave up on unacknowledged data, or `close(cause="deadline")`),
        `protocol` (the peer broke RFC 6455 or the size limit; `code` is what we sent), `unread` (the peer takes nothing
        any more, and what waits to be sent has become too much), `ours` (`close()`),
        `injected` (`reset()` or `fin()`), `other`. Called in the instant in which a peer's part is seen; for our own
        `close()` when the peer has answered it or `close_timeout_s` is over, and at once where the connection is
        silent.
        """


class Connection(Protocol):
    """An open WebSocket connection. No method raises because the connection is gone."""

    @property
    def is_open(self) -> bool:
        """No reason to end is known yet."""

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server chose."""

    @property
    def set_cookies(self) -> tuple[str, ...]:
        """The values of every `Set-Cookie` in the server's handshake."""

    @property
    def name(self) -> Name:
        """What the kernel calls it. Raises OSError when the connection is gone."""

    @property
    def passed(self) -> Passed | None:
        """How much has passed so far, by the kernel's own count; None: it is not established any more."""

    def send(self, data: bytes, binary: bool = False, /) -> bool:
        """Write one message. False: the connection is gone or closing, and nothing was written."""

    def read_slowly(self, every_s: float) -> None:
        """Take at most one message so often, and leave the others in the kernel, as a program does that is slow.

        Frames that are no messages are seen when they are read, after the messages before them: so late are pongs of
        the peer, and answers to its pings. An end in the stream (`close`, `fin`, `protocol`) is told when the messages
        before it have been taken; any other end at once, and what was not taken by then never is.
        """

    def read_freely(self) -> None:
        """Take what waits and what comes, as fast as it does."""

    def close(self, code: int = 1000, reason: str = "", *, cause: str = "ours") -> None:
        """Begin the closing handshake; `cause` is what `on_closed` will be told (`ours` or `deadline`)."""

    def reset(self) -> None:
        """End it with a TCP reset, as a machine does whose process lost its socket: `injected`."""

    def fin(self) -> None:
        """End it with a TCP FIN and no close frame, as a crashing process does: `injected`."""

    def silence(self, *, vanished: bool = False) -> None:
        """Let nothing pass in either direction, and tell neither side: the connection is half-open.

        What the peer sends waits in our kernel, which acknowledges it until its buffer is full, as it does for a
        program that hangs; with `vanished` the kernel drops every segment, as if the machine were gone. What is sent
        here waits to be written. The heartbeat goes on, unanswered. A client that gives the connection up (by its
        heartbeat, or `close(cause="deadline")`) is told of its end, and TCP stays as it is: nobody else hears of it.
        """

    def unsilence(self) -> None:
        """Read and write again; everything that waited passes. A connection that was given up meanwhile is reset."""


Connect = Callable[[str, Handler, Options], Awaitable[Connection]]


def transport(name: str) -> Connect:
    """Find the connect function called `name`; imports only that library.

    Raises:
        ValueError: no transport has this name.
    """
    if name not in NAMES:
        raise ValueError(f"no transport {name!r}; known: {', '.join(NAMES)}")
    connect: Connect = import_module(f"chaosrun.load.{name}_transport").connect
    return connect
