"""The strict transport, with compression: the Sans-I/O client of `websockets` on asyncio.

Only its handshake and its parser are used. So none of what the library does by default (deflate, proxies, pings,
queues, redirects, reconnects) is there to be switched off, and every end is seen where it happens.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final, cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from chaosrun.load.dialling import address_of, dial, refusal_of
from chaosrun.load.link import NO_CODE, Link
from chaosrun.load.route import Refusal
from chaosrun.load.transport import Handler, Options

_STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r\n]")


async def connect(url: str, handler: Handler, options: Options) -> WebsocketsLink:
    """Connect to `url`.

    Raises:
        Refusal: the connection could not be made.
        ValueError: the URL can never work.
    """
    address = address_of(url)
    link = WebsocketsLink(url, handler, options, asyncio.get_running_loop())
    try:
        async with asyncio.timeout(options.open_timeout_s):
            await dial(address, options.route, lambda: link)
            await link.shaken
    except BaseException as error:
        link.give_up()
        del link  # it keeps the error, which keeps this frame
        if isinstance(error, Exception):
            raise refusal_of(error) from error
        raise
    link.open()
    return link


def _client(url: str, options: Options) -> ClientProtocol:
    client = ClientProtocol(
        parse_uri(url),
        extensions=[ClientPerMessageDeflateFactory()] if options.compression else None,
        subprotocols=[Subprotocol(name) for name in options.subprotocols] or None,
        max_size=options.max_size,
    )
    client.debug = False  # or it formats every frame for a logger that is on at that level for other reasons
    return client


class WebsocketsLink(Link, asyncio.Protocol):
    """A connection over `websockets`."""

    __slots__ = ("_binary", "_client", "_first", "_parts", "_transport", "set_cookies", "shaken")

    def __init__(self, url: str, handler: Handler, options: Options, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(handler, options, loop)
        self._client = _client(url, options)
        self._transport: asyncio.Transport | None = None
        self._parts: bytearray | None = None
        self._binary = False
        self.set_cookies: tuple[str, ...] = ()
        self._first: bytearray | None = bytearray()
        """The beginning of the answer to the handshake; None: it is well so far."""
        self.shaken: asyncio.Future[None] = loop.create_future()
        """The handshake is done, or failed."""

    # ---- for the load

    @property
    def subprotocol(self) -> str | None:
        return self._client.subprotocol

    def send(self, data: bytes, binary: bool = False, /) -> bool:
        client = self._client
        if self._cause is not None or client.state is not State.OPEN:
            return False
        if self._unsent is not None:
            self._unsent.append((data, binary))
            return True
        if self._clogged and self._is_stuck():
            return False
        if binary:
            client.send_binary(data)
        else:
            client.send_text(data)
        self._flush()
        return True

    @property
    def _tcp(self) -> asyncio.Transport:
        assert self._transport is not None
        return self._transport

    def _write_ping(self, payload: bytes) -> None:
        if self._client.state is State.OPEN:
            self._client.send_ping(payload)
            self._flush()

    def _write_pong(self, payload: bytes) -> None:
        """The library has put its answer into what it wants to be sent: see `data_received`."""

    def _write_close(self, code: int, reason: str) -> None:
        if self._client.state is State.OPEN:  # else the library has answered already
            self._client.send_close(None if code == NO_CODE else code, reason)
        self._flush()

    def _flush(self) -> None:
        data = b"".join(self._client.data_to_send())  # the empty marker of its own end of stream falls out: see Link
        if data and not self._tcp.is_closing():
            self._tcp.write(data)

    def give_up(self) -> None:
        """Drop a connection whose handshake failed."""
        self.deafen()
        self.shaken.cancel()
        if self._transport is not None:
            self._transport.abort()

    # ---- from asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        request = self._client.connect()
        for name, value in self._options.headers:
            if name.lower() == "host":
                del request.headers["Host"]
            request.headers[name] = value
        self._client.send_request(request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        if self._first is not None and self._turned_away(data):
            return
        self._client.receive_data(data)
        if self._clogged:
            self._client.data_to_send()  # answers to pings, for a peer that reads nothing
        else:
            self._flush()
        for event in self._client.events_received():
            if isinstance(event, Frame):
                self._take(event)
            elif isinstance(event, Response):
                self.set_cookies = tuple(event.headers.get_all("Set-Cookie"))
        if not self.shaken.done():
            self._check_handshake()
        if self._client.parser_exc is not None and self._client.state is not State.CONNECTING:
            sent = self._client.close_sent
            self.broke_protocol(sent.code if sent is not None else 1002, str(self._client.parser_exc))

    def eof_received(self) -> None:
        if not self.shaken.done():
            self._client.receive_eof()
            self._check_handshake()
        else:
            self.eof()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.shaken.done():
            self.shaken.set_exception(exc or ConnectionResetError("closed during the handshake"))
        elif not self.shaken.cancelled() and self.shaken.exception() is None:
            self.lost(exc)

    # ---- handshake and messages

    def _turned_away(self, data: bytes) -> bool:
        """Whether the first line of the answer says no. The library would wait for the body, which may never end."""
        assert self._first is not None
        self._first += data
        status = _STATUS.match(self._first)
        if status is not None and status[1] != b"101" and not self.shaken.done():
            code = int(status[1])
            self.shaken.set_exception(Refusal("http", code, f"the server answered the handshake with HTTP {code}"))
            self._tcp.abort()
            return True
        if status is not None or len(self._first) > len(b"HTTP/1.1 101 "):
            self._first = None
        return False

    def _check_handshake(self) -> None:
        failure = self._client.handshake_exc
        if failure is not None:
            self.shaken.set_exception(_refusal_of_answer(failure))
        elif self._client.state is not State.CONNECTING:
            self.shaken.set_result(None)

    def _take(self, frame: Frame) -> None:
        try:
            if frame.opcode is Opcode.TEXT or frame.opcode is Opcode.BINARY or frame.opcode is Opcode.CONT:
                self._assemble(frame)
            elif frame.opcode is Opcode.PONG:
                self.ponged(bytes(frame.data))
            elif frame.opcode is Opcode.CLOSE:
                received = self._client.close_rcvd
                self.peer_closed(received.code if received is not None else NO_CODE)
        except Exception as error:
            self.handler_failed(error)

    def _assemble(self, frame: Frame) -> None:
        """Join frames to messages; the library has checked their order and size."""
        if frame.opcode is not Opcode.CONT:
            self._binary = frame.opcode is Opcode.BINARY
            self._parts = None if frame.fin else bytearray(frame.data)
            if frame.fin:
                self._message(bytes(frame.data))
        else:
            assert self._parts is not None
            self._parts += frame.data
            if frame.fin:
                whole, self._parts = bytes(self._parts), None
                self._message(whole)

    def _message(self, data: bytes) -> None:
        if not self._binary:
            try:
                data.decode()
            except UnicodeDecodeError as error:
                self.broke_protocol(1007, f"text is not UTF-8 at position {error.start}")
                return
        self.deliver(data, self._binary)


def _refusal_of_answer(failure: Exception) -> Exception:
    if isinstance(failure, InvalidStatus):
        return Refusal("http", failure.response.status_code, str(failure))
    if isinstance(failure.__cause__, EOFError):
        return ConnectionResetError("closed during the handshake")
    status = 101 if isinstance(failure, InvalidHandshake) and failure.__cause__ is None else None
    return Refusal("http", status, str(failure))
