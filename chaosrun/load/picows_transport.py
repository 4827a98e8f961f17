"""The transport that carries the load: the picows core API on whatever loop runs (uvloop in a worker).

picows tells nobody why a connection ended, and hands out frames, not messages. So its protocol is subclassed here
(an internal class: the version is pinned, the conformance suite holds it to what this file assumes), and fragments
are joined here.
"""

from __future__ import annotations

import asyncio
import weakref
from contextlib import suppress
from functools import lru_cache
from typing import Any

from picows import WSAutoPingStrategy, WSFrame, WSHandshakeError, WSListener, WSMsgType, WSTransport
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # its stub leaves it out

from chaosrun.load.dialling import Address, address_of, dial, refusal_of
from chaosrun.load.link import NO_CODE, Link
from chaosrun.load.route import Refusal
from chaosrun.load.transport import Handler, Options

TEXT, BINARY, CONTINUATION = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION
PING, PONG, CLOSE = WSMsgType.PING, WSMsgType.PONG, WSMsgType.CLOSE

SIP = 8192
"""Bytes that are read at once: some fifty messages."""

# RFC 6455 7.4: what a program says to itself, never to a peer. 1005 is our own word for "no code".
_NEVER_ON_THE_WIRE = (0, 1006)


async def connect(url: str, handler: Handler, options: Options) -> PicowsLink:
    """Connect to `url`.

    Raises:
        Refusal: the connection could not be made.
        ValueError: the URL or the options can never work.
    """
    if options.compression:
        raise ValueError("picows cannot compress; use transport: websockets")
    address = address_of(url)
    loop = asyncio.get_running_loop()
    protocol: _Protocol | None = None

    def make() -> _Protocol:
        nonlocal protocol
        protocol = _Protocol(address, handler, options, loop)
        return protocol

    try:
        async with asyncio.timeout(options.open_timeout_s):
            await dial(address, options.route, make)
            assert protocol is not None
            await protocol.wait_until_handshake_complete()
    except BaseException as error:
        if protocol is not None and protocol.transport is not None:
            protocol.transport.disconnect(graceful=False)
        protocol = None  # it keeps the error, which keeps this frame
        if isinstance(error, WSHandshakeError):
            raise _refusal_of_answer(error) from error
        if isinstance(error, Exception):
            raise refusal_of(error) from error
        raise
    if protocol.listener is None:  # picows: a handshake that the peer drops "completes" without a listener
        raise refusal_of(protocol.error or ConnectionResetError("closed during the handshake"))
    link: PicowsLink = protocol.listener.link
    link.open()
    return link


def _refusal_of_answer(error: WSHandshakeError) -> Refusal:
    if error.response is not None:
        return Refusal("http", int(error.response.status), str(error))
    # picows knows only the statuses that http.HTTPStatus names; others are in the raw status line.
    words = (error.raw_header or b"").split(b"\r\n", 1)[0].split(b" ")
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else None
    return Refusal("http", status, str(error))


class _Ear:
    """Stands in for the logger that picows would otherwise create for each connection (0.7 MB per 1,000).

    picows tells its log, and nobody else, that it has found a broken frame, right before it answers it.
    """

    __slots__ = ("_protocol",)

    def __init__(self, protocol: weakref.ref[_Protocol]) -> None:
        self._protocol = protocol

    def isEnabledFor(self, _level: int) -> bool:
        return False

    def debug(self, *args: Any, **kwargs: Any) -> None:
        """Say nothing: ends are told by cause, and failures of our own by `Link.handler_failed`."""

    log = info = warning = debug

    def error(self, _text: str, *what: Any) -> None:
        """Hear of a broken frame: `what` is the arguments of the exception, the code that is answered first."""
        code = what[0][0] if what and isinstance(what[0], tuple) else 1002
        protocol = self._protocol()
        if protocol is not None and protocol.listener is not None:
            protocol.listener.link.parser_failed(int(code))

    exception = error


def _unasked(response: Any, options: Options) -> str | None:
    """What a server has chosen that was not offered (RFC 6455 4.1): frames could mean anything then."""
    if "Sec-WebSocket-Extensions" in response.headers:
        return "the server chose an extension, and none was offered"
    chosen = response.headers.getall("Sec-WebSocket-Protocol", [])
    if len(chosen) > 1 or any(each not in options.subprotocols for each in chosen):
        return "the server chose a subprotocol that was not offered"
    return None


@lru_cache(maxsize=64)
def _extra_headers(options: Options) -> tuple[tuple[str, str], ...]:
    if not options.subprotocols:
        return options.headers
    return (*options.headers, ("Sec-WebSocket-Protocol", ", ".join(options.subprotocols)))


class _Protocol(WSProtocol):  # type: ignore[misc]  # picows has no types for its internals
    """Notes why TCP ended, which picows drops."""

    __slots__ = ("__weakref__", "error")

    def __init__(self, address: Address, handler: Handler, options: Options, loop: asyncio.AbstractEventLoop) -> None:
        self.error: Exception | None = None
        # In a circle, connections that ended would be in memory until the collector stops everybody to find them: for
        # 0.1 s after some thousand.
        weak = weakref.ref(self)

        def listen(_request: object, response: Any) -> _Listener:
            wrong = _unasked(response, options)
            if wrong is not None:
                raise Refusal("http", 101, wrong)
            protocol = weak()
            assert protocol is not None
            return _Listener(PicowsLink(handler, options, loop, protocol.transport, response))

        super().__init__(
            address.authority,
            address.resource,
            True,  # client side
            listen,
            _Ear(weak),
            False,  # do not disconnect on an exception: ours are caught nearer
            None,  # handshake time-out: `connect` has one for all of opening
            False,  # no auto-ping, and so the next three mean nothing
            10,
            10,
            WSAutoPingStrategy.PING_WHEN_IDLE,
            False,  # pings are answered by `Link.pinged`, which does not heap answers up
            options.max_size,
            _extra_headers(options),
            options.read_buffer,
        )

    def get_buffer(self, sizehint: int) -> memoryview:
        """Take a server's flood in sips: libuv reads one stream up to 32 times before it turns to anything else."""
        room: memoryview = super().get_buffer(sizehint)
        return room if len(room) <= SIP else room[:SIP]

    def eof_received(self) -> bool:
        if self.listener is not None:
            self.listener.link.eof()
        return bool(super().eof_received())

    def connection_lost(self, exc: Exception | None) -> None:
        self.error = exc
        super().connection_lost(exc)
        if self.listener is not None:
            self.listener.link.lost(exc)


class _Listener(WSListener):
    """Joins frames to messages."""

    __slots__ = ("binary", "link", "parts")

    def __init__(self, link: PicowsLink) -> None:
        self.link = link
        self.parts: bytearray | None = None
        self.binary = False

    def on_ws_frame(self, _ws: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        link = self.link
        try:
            if frame.rsv1 or frame.rsv2 or frame.rsv3:  # picows lets these pass
                link.broke_protocol(1002, "reserved bits")
            elif kind is TEXT and frame.fin and self.parts is None:
                link.deliver(frame.get_payload_as_memoryview(), False)
            elif kind is PONG:
                link.ponged(frame.get_payload_as_bytes())
            elif kind is PING:
                link.pinged(frame.get_payload_as_bytes())
            elif kind is CLOSE:
                self._closed(frame)
            else:
                self._assemble(kind, frame)
        except Exception as error:
            link.handler_failed(error)

    def _closed(self, frame: WSFrame) -> None:
        code = int(frame.get_close_code()) if frame.payload_size else NO_CODE  # type: ignore[call-overload]  # IntEnum
        if code in _NEVER_ON_THE_WIRE or code > 4999:  # picows lets these pass
            self.link.broke_protocol(1002, "invalid close code")
        else:
            self.link.peer_closed(code)

    def _assemble(self, kind: WSMsgType, frame: WSFrame) -> None:
        parts = self.parts
        if (kind is CONTINUATION) is (parts is None):
            wrong = "a continuation of nothing" if parts is None else "a new message inside a fragmented one"
            self.link.broke_protocol(1002, wrong)
        elif parts is None and frame.fin:
            self.link.deliver(frame.get_payload_as_memoryview(), True)
        else:
            if parts is None:
                parts = self.parts = bytearray()
                self.binary = kind is BINARY
            parts += frame.get_payload_as_memoryview()
            if len(parts) > self.link.max_size:
                self.parts = None
                self.link.broke_protocol(1009, "message too big")
            elif frame.fin:
                self.parts = None
                self.link.deliver(memoryview(parts), self.binary)

    def pause_writing(self) -> None:
        self.link.pause_writing()

    def resume_writing(self) -> None:
        self.link.resume_writing()


class PicowsLink(Link):
    """A connection over picows."""

    __slots__ = ("_ws", "set_cookies", "subprotocol")

    def __init__(
        self,
        handler: Handler,
        options: Options,
        loop: asyncio.AbstractEventLoop,
        ws: WSTransport,
        response: Any,
    ) -> None:
        super().__init__(handler, options, loop)
        self._ws = ws
        self.subprotocol: str | None = response.headers.get("Sec-WebSocket-Protocol")
        self.set_cookies: tuple[str, ...] = tuple(response.headers.getall("Set-Cookie", ()))

    def send(self, data: bytes, binary: bool = False, /) -> bool:
        ws = self._ws
        if self._cause is not None or ws.is_close_frame_sent:  # picows would accept and drop it
            return False
        if self._unsent is not None:
            self._unsent.append((data, binary))
            return True
        if self._clogged and self._is_stuck():
            return False
        ws.send(BINARY if binary else TEXT, data)
        return True

    @property
    def max_size(self) -> int:
        return self._options.max_size

    @property
    def _tcp(self) -> asyncio.Transport:
        return self._ws.underlying_transport

    def _write_ping(self, payload: bytes) -> None:
        self._ws.send_ping(payload)

    def _write_pong(self, payload: bytes) -> None:
        self._ws.send_pong(payload)

    def _write_close(self, code: int, reason: str) -> None:
        if code == NO_CODE:
            self._ws.send(CLOSE, b"")  # RFC 6455 7.4.1: 1005 must not be sent
        else:
            self._ws.send_close(code, reason)  # type: ignore[arg-type]  # takes any number, 4000-4999 too

    def parser_failed(self, code: int) -> None:
        """picows is about to send its close frame, and will close TCP a moment later.

        It looks one frame ahead: the message before the broken one is still to be handed out. And it would go on
        parsing from where it failed, and heap up what it takes for the rest of a frame.
        """
        if not self._tcp.is_closing():
            self._tcp.pause_reading()
        self._loop.call_soon(self._end_by_parser, code)
        # It also keeps the error in a future that complains when nobody looks.
        self._loop.create_task(_look_at(self._ws))

    def _end_by_parser(self, code: int) -> None:
        if self._end("protocol", code):
            if not self._tcp.is_closing():
                self._tcp.pause_reading()
                self._linger()
            self._tell()


async def _look_at(ws: WSTransport) -> None:
    with suppress(Exception):  # told as cause `protocol`
        await ws.wait_disconnected()
