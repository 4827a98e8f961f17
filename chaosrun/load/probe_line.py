"""One connection of the prober: a handshake, the opening conversation, and echoes with the time each was answered.

Where a protocol has no request, its first pushed message after the opening stands for the echo.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from chaosrun.load.transport import Connection, Options, transport
from chaosrun.protocols._base import ClientIdentity, Clocks, Protocol


class Broken(Exception):
    """The connection ended, or the conversation failed."""


class ProbeLine:
    """Hears from the transport (`Handler`) and from the conversation (`Sink`)."""

    def __init__(
        self,
        protocol: Protocol,
        identity: ClientIdentity,
        clocks: Clocks,
        on_echo: Callable[[int, bool, int], None],
        on_broken: Callable[[ProbeLine], None],
    ) -> None:
        """`on_echo(sent, ok, at)` for each echo after the first; `on_broken` at most once, after the first echo."""
        self.asks = bool(protocol.requests)
        self._feeds = bool(protocol.streams)
        self._scripted = bool(protocol.steps)
        self.outstanding: dict[int, int] = {}
        """Echoes not yet answered: token to the time it was sent, oldest first."""
        self._origin_ns = clocks.origin_ns
        self._loop = asyncio.get_running_loop()
        self._on_echo = on_echo
        self._on_broken = on_broken
        self._first: asyncio.Future[int] = self._loop.create_future()
        self._connection: Connection | None = None
        self._conversation = protocol.conversation(identity, self, clocks)
        self._tokens = 0
        self._ended = False
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> int:
        """Run time."""
        return time.monotonic_ns() - self._origin_ns

    @property
    def is_open(self) -> bool:
        return not self._ended and self._connection is not None

    async def open(self, url: str, options: Options) -> int:
        """Connect, converse until open, have one echo answered; returns the run time of its receipt.

        Raises:
            Refusal: no connection.
            Broken: it ended before the echo came.
        """
        connection = await transport("websockets")(url, self, options)
        self._connection = connection
        if self._ended:
            connection.close()
            raise Broken("given up")
        self._guarded(self._conversation.start)
        return await self._first

    def echo(self) -> None:
        """Ask for an echo; nothing happens if the connection is gone, for then `on_broken` is under way."""
        if self.is_open:
            self._ask(self.now())

    def close(self) -> None:
        """End it, and tell nobody."""
        self._ended = True
        self._stop_timer()
        if not self._first.done():
            self._first.cancel()
        if self._connection is not None:
            self._connection.close()

    # ---- the transport speaks

    def on_message(self, data: memoryview | bytes, binary: bool, /) -> None:
        now = self.now()
        if not self._ended:
            self._guarded(lambda _: self._conversation.receive(data, binary, now))

    def on_closed(self, cause: str, code: int | None, /) -> None:
        self._break(f"{cause} {code}" if code is not None else cause)

    # ---- the conversation speaks

    def send(self, data: bytes, binary: bool, /) -> bool:
        return self._connection is not None and self._connection.send(data, binary)

    def opened(self) -> None:
        if self.asks:
            self._ask(self.now())
        elif (self._scripted or not self._feeds) and not self._first.done():
            self._first.set_result(self.now())  # what the opening was answered is all the echo there is

    def failed(self, why: str, /) -> None:
        self._break(why)

    def replied(self, token: int, ok: bool, /) -> None:
        sent = self.outstanding.pop(token, None)
        if sent is None:
            return
        if self._first.done():
            self._on_echo(sent, ok, self.now())
        elif ok:
            self._first.set_result(self.now())
        else:
            self._break("the echo was answered by an error")

    def pushed(
        self, _channel: str, _first: int, _last: int, _sent_at: int | None, _epoch: str | None, _stream: str, /
    ) -> None:
        if not self.asks and not self._first.done():
            self._first.set_result(self.now())

    def subscribed(self, channel: str, head: int | None, epoch: str | None, stream: str, /) -> None:
        """Of no interest: the prober counts nothing."""

    def ask(self, which: int, due: int, /) -> None:
        """Of no interest: the prober plays no script."""

    def done(self, again: bool, /) -> None:
        """Of no interest."""

    def malformed(self, why: str, /) -> None:
        """Of no interest: the load says what it could not read."""

    def head(self, channel: str, seq: int, epoch: str | None, stream: str, /) -> None:
        """Of no interest."""

    def finished(self) -> None:
        """Of no interest: a prober leaves without ceremony."""

    # ---- inside

    def _ask(self, now: int) -> None:
        self._tokens += 1
        token = self._tokens
        self.outstanding[token] = now
        self._guarded(lambda _: self._conversation.request(token, 0, now) or self.outstanding.pop(token, None))

    def _guarded(self, call: Callable[[int], object]) -> None:
        """Let the conversation act, at the cost of this connection alone if it raises, and see to its next waking."""
        try:
            call(self.now())
        except Exception as error:
            self._break(f"{type(error).__name__}: {error}")
        self._stop_timer()
        if self._conversation.wake_at is not None and not self._ended:
            wait_ns = max(0, self._conversation.wake_at - self.now())
            self._timer = self._loop.call_later(wait_ns / 1e9, self._wake)

    def _wake(self) -> None:
        self._guarded(self._conversation.wake)

    def _break(self, why: str) -> None:
        if self._ended:
            return
        self._ended = True
        self._stop_timer()
        if self._connection is not None:
            self._connection.close()
        if self._first.done():
            self._on_broken(self)
        else:
            self._first.set_exception(Broken(why))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
