"""What a `ProbeLine` is where the target is asked by HTTP: one request again and again, on a connection that is kept.

It parses by another library than the load does, so that a defect of one is not a defect of both. Over HTTP a server may
end a connection after any answer: the next echo then makes another one, and only an echo that fails there breaks the
line.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import h11

from chaosrun.load.dialling import address_of, dial, refusal_of
from chaosrun.load.probe_line import Broken
from chaosrun.load.route import Refusal
from chaosrun.load.transport import Options
from chaosrun.protocols._base import ClientIdentity, Clocks
from chaosrun.protocols._polling import Asker, Polling, Question, Unaskable

_PIECE = 1 << 16
_KEPT = (h11.DONE, h11.DONE)


class HttpProbeLine:
    """Asks one thing at a time: while an echo is under way, the next is left out."""

    asks = True

    def __init__(
        self,
        polling: Polling,
        identity: ClientIdentity,
        clocks: Clocks,
        on_echo: Callable[[int, bool, int], None],
        on_broken: Callable[[HttpProbeLine], None],
    ) -> None:
        """As `ProbeLine`; of `polling` the first request is asked."""
        self.outstanding: dict[int, int] = {}
        """The echo not yet answered: token to the time it was sent."""
        self._polling = polling
        self._identity = identity
        self._clocks = clocks
        self._on_echo = on_echo
        self._on_broken = on_broken
        self._tokens = 0
        self._ended = False
        self._wire: _Wire | None = None
        self._task: asyncio.Task[None] | None = None

    def now(self) -> int:
        """Run time."""
        return time.monotonic_ns() - self._clocks.origin_ns

    @property
    def is_open(self) -> bool:
        return not self._ended and self._wire is not None

    async def open(self, url: str, options: Options) -> int:
        """Connect and have one request answered; returns the run time of its receipt.

        Raises:
            Refusal: no connection.
            Broken: it ended before the answer came, or the answer was not as it should be.
        """
        self._address = address_of(url)
        self._options = options
        self._asker = Asker(self._identity, self._clocks, url, options.headers)
        self._wire = await self._connected()
        if not await self._ask(self._tokens):
            raise Broken("the answer was not as it should be")
        return self.now()

    def echo(self) -> None:
        """Ask again; nothing happens while an answer is still to come."""
        if self._ended or (self._task is not None and not self._task.done()):
            return
        self._tokens += 1
        self.outstanding[self._tokens] = self.now()
        self._task = asyncio.ensure_future(self._echo(self._tokens))

    def close(self) -> None:
        """End it, and tell nobody."""
        self._ended = True
        if self._task is not None:
            self._task.cancel()
        if self._wire is not None:
            self._wire.close()

    # ---- inside

    async def _echo(self, token: int) -> None:
        try:
            ok = await self._ask(token)
        except (Broken, Refusal):
            self.close()
            self._on_broken(self)
            return
        sent = self.outstanding.pop(token, None)
        if sent is not None:
            self._on_echo(sent, ok, self.now())

    async def _ask(self, token: int) -> bool:
        try:
            question = self._polling.ask(0, self._asker, token, self.now())
        except Unaskable as error:
            raise Broken(str(error)) from error
        kept = self._wire
        if kept is not None and kept.is_kept:
            try:
                return await self._exchange(kept, question)
            except Broken:
                kept.close()
                if kept.was_heard:
                    raise
        elif kept is not None and not kept.answers:
            return await self._exchange(kept, question)
        self._wire = await self._connected()
        return await self._exchange(self._wire, question)

    async def _exchange(self, wire: _Wire, question: Question) -> bool:
        status, body, encoding = await wire.exchange(question, self._options.max_size)
        return self._polling.wrong(0, status, body, encoding) is None

    async def _connected(self) -> _Wire:
        made: list[_Wire] = []

        def wire() -> _Wire:
            made.append(_Wire())
            return made[-1]

        try:
            async with asyncio.timeout(self._options.open_timeout_s):
                await dial(self._address, self._options.route, wire)
        except (OSError, ValueError) as error:
            raise refusal_of(error) from error
        return made[-1]


class _Wire(asyncio.StreamReaderProtocol):
    """One connection."""

    def __init__(self) -> None:
        self._reader = asyncio.StreamReader()
        super().__init__(self._reader)
        self._http = h11.Connection(h11.CLIENT)
        self._tcp: asyncio.Transport | None = None
        self.answers = 0
        self.was_heard = False
        """Something came on what was asked last."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._tcp = transport  # type: ignore[assignment]  # TCP and TLS are asyncio.Transport in effect
        super().connection_made(transport)

    @property
    def is_kept(self) -> bool:
        """It may be asked again."""
        return bool(self.answers) and self._http.our_state is h11.IDLE and not self._reader.at_eof()

    def close(self) -> None:
        if self._tcp is not None:
            self._tcp.abort()

    async def exchange(self, question: Question, longest: int) -> tuple[int, bytes, str]:
        """Status, body and its encoding.

        Raises:
            Broken: no whole answer came.
        """
        assert self._tcp is not None
        self.was_heard = False
        # The parser must know what was asked; how that is written is seen to.
        self._http.send(h11.Request(method=question.method, target="/", headers=[("Host", "-")]))
        self._http.send(h11.EndOfMessage())
        self._tcp.write(question.data)
        status, encoding, body = 0, "", b""
        try:
            while True:
                event = self._http.next_event()
                if event is h11.NEED_DATA:
                    data = await self._reader.read(_PIECE)
                    self.was_heard |= bool(data)
                    self._http.receive_data(data)
                elif isinstance(event, h11.Response):
                    status = event.status_code
                    said = [value for name, value in event.headers if name == b"content-encoding"]
                    encoding = said[-1].decode("latin-1") if said else ""
                elif isinstance(event, h11.Data):
                    body += event.data
                    if len(body) > longest:
                        raise Broken("too large an answer")
                elif isinstance(event, h11.EndOfMessage):
                    break
                elif not isinstance(event, h11.InformationalResponse):
                    raise Broken(f"no answer: {event}")
        except (OSError, h11.RemoteProtocolError) as error:
            raise Broken(str(error)) from error
        self.answers += 1
        if (self._http.our_state, self._http.their_state) == _KEPT:
            self._http.start_next_cycle()
        else:
            self.close()
        return status, body, encoding
