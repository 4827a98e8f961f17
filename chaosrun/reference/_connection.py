"""One TCP connection of a reference service: plain requests one after the other, until one becomes a WebSocket.

What is on the wire is parsed and checked by websockets' protocol without I/O. What is sent to many clients is made into
a frame once and written to each of them as it is.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol, cast

import msgspec
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

LONGEST_MESSAGE: Final = 1 << 16
"""Bytes of a client's message; a longer one ends its connection with 1009."""

_CLOSE_WITHIN_S: Final = 2.0
"""How long a client has to answer a close."""

_DATA: Final = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


@dataclass(frozen=True)
class Page:
    """The answer to a plain request."""

    status: HTTPStatus
    body: bytes
    content_type: str = "text/plain; charset=utf-8"

    def raw(self, *, keep: bool) -> bytes:
        head = (
            f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\nContent-Type: {self.content_type}\r\n"
            f"Content-Length: {len(self.body)}\r\nConnection: {'keep-alive' if keep else 'close'}\r\n\r\n"
        )
        return head.encode() + self.body


def json_page(value: object, status: HTTPStatus = HTTPStatus.OK) -> Page:
    return Page(status, msgspec.json.encode(value), "application/json")


def text_frame(payload: bytes) -> bytes:
    """A whole text message as a server sends it; the same bytes serve every client."""
    return Frame(Opcode.TEXT, payload).serialize(mask=False)


class Host(Protocol):
    """Who answers on the connections of a service."""

    def made(self, connection: Connection) -> None:
        """It is there; nothing was asked yet."""

    def page(self, request: Request) -> Page | None:
        """The answer to a plain request; None: there will be none."""

    def refusal(self, request: Request, connection: Connection) -> Page | None:
        """The answer to a handshake that is not let in; None lets it in."""

    def opened(self, connection: Connection, request: Request) -> None:
        """It is a WebSocket now."""

    def received(self, connection: Connection, data: bytes) -> None:
        """A whole message, whether text or binary."""

    def drained(self, connection: Connection) -> None:
        """It can be written to again."""

    def closed(self, connection: Connection) -> None:
        """A WebSocket is gone."""

    def gone(self, connection: Connection) -> None:
        """It is gone, whatever it was."""


class Connection(asyncio.Protocol):
    __slots__ = (
        "_host",
        "_opened",
        "_parts",
        "_transport",
        "_wire",
        "address",
        "heard",
        "is_open",
        "number",
        "writable",
    )

    def __init__(self, host: Host) -> None:
        self._host = host
        self._opened = False
        self._wire = ServerProtocol(max_size=LONGEST_MESSAGE)
        self._parts: list[bytes] = []
        self.address = ""
        self.number = -1
        """By which its host tells it from the others."""
        self.is_open = False
        """It is a WebSocket, and its close has not begun."""
        self.writable = True
        """What was written has left, but for a little."""
        self.heard = True
        """Something came since somebody last looked."""

    # ---- what a service does with it

    def send(self, frame: bytes) -> None:
        """Writes a frame; nothing happens where nobody is there to get it."""
        # uvloop raises when the peer is gone and we have yet to hear of it.
        if self.is_open and not self._transport.is_closing():
            self._transport.write(frame)

    @property
    def unread(self) -> int:
        """Bytes that the client left unread, beyond what the kernel holds."""
        return self._transport.get_write_buffer_size()

    @property
    def close_code(self) -> int | None:
        """As in RFC 6455: 1006 where no close came."""
        return self._wire.close_code

    def hold_little(self, send_buffer: int) -> None:
        """From now on writing pauses as soon as the kernel, which holds `send_buffer` bytes, takes no more."""
        sock: socket.socket = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        self._transport.set_write_buffer_limits(high=0)

    def ping(self) -> None:
        if self.is_open:
            self._wire.send_ping(b"")
            self._flush()

    def close(self, code: int, reason: str = "") -> None:
        """Begins the closing handshake, or ends a connection that is no WebSocket."""
        if self.is_open:
            self._wire.send_close(code, reason)
            self._flush()
            self._hang_up_soon()
        elif self._wire.state is State.CONNECTING:
            self._transport.close()
            self._hang_up_soon()

    def abort(self) -> None:
        """Cuts it off, without a close."""
        self.is_open = False
        self._transport.abort()

    # ---- what the loop tells it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.address = (transport.get_extra_info("peername") or ("",))[0]
        self._host.made(self)

    def data_received(self, data: bytes) -> None:
        self.heard = True
        self._wire.receive_data(data)
        for event in self._wire.events_received():
            if isinstance(event, Request):
                self._asked(event)
            elif isinstance(event, Frame) and event.opcode in _DATA:
                self._take(event)
        self._flush()

    def eof_received(self) -> None:
        self._wire.receive_eof()
        self._flush()

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = True
        if self.is_open:
            self._host.drained(self)

    def connection_lost(self, _: Exception | None) -> None:
        self.is_open = False
        self._wire.receive_eof()  # for the close code
        if self._opened:
            self._host.closed(self)
        self._host.gone(self)

    # ---- inside

    def _asked(self, request: Request) -> None:
        if "Upgrade" not in request.headers:
            keep = request.protocol == "HTTP/1.1" and request.headers.get("Connection", "").lower() != "close"
            page = self._host.page(request)
            if page is not None:
                self._answer(page, keep=keep)
            self._wire = ServerProtocol(max_size=LONGEST_MESSAGE)  # for the next request
            return
        refusal = self._host.refusal(request, self)
        if refusal is not None:
            self._answer(refusal, keep=False)
            return
        self._wire.send_response(self._wire.accept(request))
        self._flush()
        if self._wire.state is State.OPEN:
            self.is_open = self._opened = True
            self._host.opened(self, request)

    def _answer(self, page: Page, *, keep: bool) -> None:
        self._transport.write(page.raw(keep=keep))
        if not keep:
            self._transport.close()

    def _take(self, frame: Frame) -> None:
        self._parts.append(bytes(frame.data))
        if frame.fin and self.is_open:
            data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            self._parts.clear()
            self._host.received(self, data)

    def _flush(self) -> None:
        for data in self._wire.data_to_send():
            if self._transport.is_closing():
                break
            if data:
                self._transport.write(data)
            else:
                self._transport.write_eof()
                self._hang_up_soon()
        if self._wire.state is not State.OPEN:
            self.is_open = False

    def _hang_up_soon(self) -> None:
        asyncio.get_running_loop().call_later(_CLOSE_WITHIN_S, self._transport.abort)
