"""One HTTP/1.1 connection of a poller: a question, its answer, and the next, parsed by llhttp.

It asks one thing at a time, and tells its listener either of the whole answer or of how the connection ended; of the
end exactly once. What a server does wrong ends the connection, and only that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from typing import Final, NamedTuple, Protocol

import httptools

from chaosrun.load.dialling import Address, dial, refusal_of
from chaosrun.load.ending import cause_of, end_stream, reset, socket_of
from chaosrun.load.route import Refusal, Route
from chaosrun.protocols._polling import Question
from chaosrun.sockets import Name, Passed, name_of, passed

LONGEST_HEAD: Final = 1 << 18
"""Bytes before a body begins, of interim answers too: a server may send headers without an end."""
CLOSE_WITHIN_S: Final = 1.0
"""How long a connection that we half-closed may wait for the peer's part."""
_BODILESS: Final = (204, 304)


class Answer(NamedTuple):
    """What came back. The body is only kept where it is wanted."""

    status: int
    body: bytes
    encoding: str
    """The value of Content-Encoding."""
    set_cookies: tuple[str, ...]
    """The values of every Set-Cookie."""


class End(NamedTuple):
    """Why a connection is over.

    `how`: `fin`, `rst`, `deadline` or `other` (the peer or the network), `malformed` or `too_large` (what came is no
    answer that can be taken), `injected` (a fault of the load), `ours`.
    """

    how: str
    detail: str = ""

    @property
    def is_answer(self) -> bool:
        """Something came, though nothing that can be taken."""
        return self.how in ("malformed", "too_large")


class Listener(Protocol):
    def on_answer(self, link: HttpLink, answer: Answer) -> None:
        """The whole answer to what was asked last; the link may be asked again if it `is_open`."""

    def on_end(self, link: HttpLink, end: End) -> None:
        """The connection is over; what it was asked, if it `is_busy`, will not be answered."""


class _At(Enum):
    IDLE = auto()
    HEAD = auto()
    """Asked, and the headers of the answer are not complete."""
    BODY = auto()


class HttpLink(asyncio.Protocol):
    """Made by `connect`."""

    def __init__(self, listener: Listener, max_size: int) -> None:
        self.answers = 0
        """How many it has given."""
        self._listener = listener
        self._max_size = max_size
        self._tcp: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._over = False
        self._at = _At.IDLE
        self._heard = False
        """Something of the answer came."""
        self._is_head = False
        self._wants_body = False
        self._head_bytes = 0
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._encoding = ""
        self._set_cookies: list[str] = []
        self._is_counted = False
        """The answer says where it ends."""
        self._answer: Answer | None = None
        """Complete, and told when the parser has returned."""
        self._keeps = False
        self._bad: End | None = None

    # ---- what its owner asks of it

    @property
    def is_open(self) -> bool:
        return not self._over

    @property
    def is_busy(self) -> bool:
        return self._at is not _At.IDLE

    @property
    def is_unheard(self) -> bool:
        """Nothing came back on what it was asked last."""
        return not self._heard

    @property
    def name(self) -> Name:
        """What the kernel calls it."""
        return name_of(socket_of(self._transport))

    @property
    def passed(self) -> Passed | None:
        """How much has passed so far, by the kernel's own count; None: it is not established any more."""
        return None if self._transport.is_closing() else passed(socket_of(self._transport))

    def unsilence(self) -> None:
        """Nothing: pollers are not silenced."""

    def ask(self, question: Question, *, wants_body: bool) -> None:
        """Write a question; the one before must have been answered."""
        assert not self._over and self._at is _At.IDLE
        self._at = _At.HEAD
        self._heard = False
        self._is_head = question.method == "HEAD"
        self._wants_body = wants_body
        self._head_bytes = 0
        self._transport.write(question.data)

    def close(self) -> None:
        """End it; an answer that is under way is not waited for."""
        if self._end(End("ours")):
            self._transport.close() if self._at is _At.IDLE else self._transport.abort()

    def reset(self) -> None:
        """A fault ends it with a TCP reset."""
        if not self._over:
            reset(self._transport)
            self._end(End("injected"))

    def fin(self) -> None:
        """A fault ends it with a TCP FIN, as a process does that crashes."""
        if not self._over:
            end_stream(self._transport)
            asyncio.get_running_loop().call_later(CLOSE_WITHIN_S, self._transport.abort)
            self._end(End("injected"))

    # ---- the transport speaks

    @property
    def _transport(self) -> asyncio.Transport:
        assert self._tcp is not None
        return self._tcp

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._tcp = transport  # type: ignore[assignment]  # TCP and TLS are asyncio.Transport in effect

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        if self._at is _At.IDLE:
            self._break(End("malformed", "an answer that nobody asked for"))
            return
        self._heard = True
        if self._at is _At.HEAD:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._bad = End("malformed", "it changes to another protocol")
        except httptools.HttpParserError as error:
            self._bad = self._bad or End("malformed", f"not HTTP: {error}")
        if self._at is _At.HEAD and self._head_bytes > LONGEST_HEAD:
            self._bad = self._bad or End("malformed", f"headers of more than {LONGEST_HEAD >> 10} KiB")
        if self._bad is not None and self._answer is None:
            self._break(self._bad)
        elif self._answer is not None:
            self._tell(self._answer)

    def eof_received(self) -> bool:
        """The peer's stream has ended; True keeps ours, until `connection_lost` or a fault's own end of it."""
        self.connection_lost(None)
        self._transport.close()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        if self._over:
            return
        if error is None and self._at is _At.BODY and not self._is_counted:
            self._keeps = False
            self._tell(self._taken())  # RFC 9112 6.3: it ends where the connection does
        else:
            self._end(End(cause_of(error)))

    # ---- the parser speaks

    def on_message_begin(self) -> None:
        self._encoding = ""
        self._set_cookies = []
        self._is_counted = False
        if self._answer is not None:
            self._bad = End("malformed", "more than one answer to a request")

    def on_header(self, name: bytes, value: bytes) -> None:
        match name.lower():
            case b"content-encoding":
                self._encoding = value.decode("latin-1")
            case b"set-cookie":
                self._set_cookies.append(value.decode("latin-1"))
            case b"content-length" | b"transfer-encoding":
                self._is_counted = True

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            return  # an interim answer; the real one follows
        self._at = _At.BODY
        if self._is_head:
            # The parser cannot be told that no body follows: it would wait for as many bytes as the headers promise.
            self._complete()
        elif status in _BODILESS:
            self._is_counted = True

    def on_body(self, body: bytes) -> None:
        if self._answer is not None:
            self._bad = End("malformed", "a body where none may be")
            return
        self._body_bytes += len(body)
        if self._body_bytes > self._max_size:
            self._bad = End("too_large")
        elif self._wants_body:
            self._body.append(body)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() >= 200 and self._answer is None and self._bad is None:
            self._complete()

    # ---- inside

    def _complete(self) -> None:
        self._keeps = self._parser.should_keep_alive()
        self._answer = self._taken()

    def _taken(self) -> Answer:
        return Answer(self._parser.get_status_code(), b"".join(self._body), self._encoding, tuple(self._set_cookies))

    def _tell(self, answer: Answer) -> None:
        """Be ready for the next question, or over, before anybody is told."""
        keeps = self._keeps and self._bad is None
        if self._is_head:
            self._parser = httptools.HttpResponseParser(self)
        self._at, self._answer = _At.IDLE, None
        self._body, self._body_bytes = [], 0
        self.answers += 1
        if not keeps:
            self._over = True
            self._transport.close()
        self._listener.on_answer(self, answer)
        if not keeps:
            self._listener.on_end(self, End("fin"))

    def _break(self, end: End) -> None:
        self._transport.abort()
        self._end(end)

    def _end(self, end: End) -> bool:
        if self._over:
            return False
        self._over = True
        self._listener.on_end(self, end)
        return True


async def connect(address: Address, route: Route, make: Callable[[], HttpLink], within_s: float) -> HttpLink:
    """A connection for one poller.

    Raises:
        Refusal: it did not come about, for whatever reason.
    """
    made: list[HttpLink] = []

    def link() -> HttpLink:
        made.append(make())
        return made[-1]

    try:
        async with asyncio.timeout(within_s):
            await dial(address, route, link)
    except (OSError, ValueError, Refusal) as error:  # TimeoutError is an OSError
        raise refusal_of(error) from error
    if not made[-1].is_open:
        raise Refusal("reset", detail="the connection was closed before anything was asked")
    return made[-1]
