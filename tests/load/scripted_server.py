"""A WebSocket server of bare sockets that does what a script says, right or wrong, and sees how clients leave.

Each connection runs the script in a thread of its own with a `Peer`. A script's failure is the test's: `ScriptedServer`
raises it when it ends.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from types import TracebackType
from typing import NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PATIENCE_S = 15.0


class Frame(NamedTuple):
    opcode: int
    payload: bytes
    fin: bool
    masked: bool


class Gone(Exception):
    """The client left; `how` is `eof` or `reset`."""

    def __init__(self, how: str) -> None:
        self.how = how
        super().__init__(how)


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(PATIENCE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = b""
        self.request: list[str] = []

    # ---- handshake

    def read_request(self) -> dict[str, str]:
        """Read the handshake's request; header names in lower case."""
        while b"\r\n\r\n" not in self._unread:
            self._more()
        head, self._unread = self._unread.split(b"\r\n\r\n", 1)
        self.request = head.decode().split("\r\n")
        return {name.lower(): value for name, value in (line.split(": ", 1) for line in self.request[1:])}

    def accept(
        self, *, then: bytes = b"", subprotocol: str | None = None, headers: Iterable[str] = ()
    ) -> dict[str, str]:
        """Complete the handshake, with the bytes of `then` in the same segment."""
        asked = self.read_request()
        key = base64.b64encode(hashlib.sha1(asked["sec-websocket-key"].encode() + _GUID).digest())
        more = "".join(f"{header}\r\n" for header in headers).encode()
        chosen = f"Sec-WebSocket-Protocol: {subprotocol}\r\n".encode() if subprotocol else b""
        self._write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + key + b"\r\n" + chosen + more + b"\r\n" + then
        )
        return asked

    def refuse(self, status: int, *headers: str) -> None:
        """Answer the handshake with `status`, and close."""
        self.read_request()
        phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Odd"
        lines = "".join(f"{header}\r\n" for header in headers)
        self._write(f"HTTP/1.1 {status} {phrase}\r\n{lines}Content-Length: 2\r\n\r\nno".encode())

    # ---- frames

    def send(self, opcode: int, payload: bytes = b"", *, fin: bool = True) -> None:
        self._write(frame(opcode, payload, fin=fin))

    def receive(self) -> Frame:
        """Read one frame of the client; raise `Gone` when it has left."""
        first, second = self._exactly(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._exactly(8))
        mask = self._exactly(4) if second & 0x80 else b"\0\0\0\0"
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(self._exactly(length)))
        return Frame(first & 0x0F, payload, bool(first & 0x80), bool(second & 0x80))

    def end(self) -> str:
        """How the client leaves: `eof` or `reset`, or `close` for a close frame; other frames are read over."""
        try:
            while self.receive().opcode != CLOSE:
                pass
        except Gone as gone:
            return gone.how
        return "close"

    def close_code(self) -> int | None:
        """The code of the client's close frame; None: it left without one."""
        try:
            while True:
                got = self.receive()
                if got.opcode == CLOSE:
                    return struct.unpack("!H", got.payload[:2])[0] if got.payload else 1005
        except Gone:
            return None

    # ---- leaving

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def fin(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    # ---- bytes

    def _exactly(self, count: int) -> bytes:
        while len(self._unread) < count:
            self._more()
        got, self._unread = self._unread[:count], self._unread[count:]
        return got

    def _write(self, data: bytes) -> None:
        try:
            self.sock.sendall(data)
        except ConnectionError:  # it had enough of waiting
            raise Gone("reset") from None

    def _more(self) -> None:
        try:
            more = self.sock.recv(65536)
        except ConnectionResetError:
            raise Gone("reset") from None
        if not more:
            raise Gone("eof")
        self._unread += more


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, flags: int = 0, masked: bool = False) -> bytes:
    """The bytes of a frame as a server sends it; `flags` (RSV bits) and `masked` are what it must not have."""
    head = bytes([(0x80 if fin else 0) | flags | opcode])
    mask_bit = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([mask_bit | len(payload)])
    elif len(payload) < 65536:
        head += struct.pack("!BH", mask_bit | 126, len(payload))
    else:
        head += struct.pack("!BQ", mask_bit | 127, len(payload))
    return head + (b"\0\0\0\0" if masked else b"") + payload


def close(code: int | None, reason: str = "") -> bytes:
    """The bytes of a close frame."""
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason.encode())


class ScriptedServer:
    """Runs `script` for each connection until the `with` block ends, then waits for the scripts."""

    def __init__(self, script: Callable[[Peer], object], port: int = 0, *, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", port))
        self._wake, self._woken = socket.socketpair()
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'ws' if tls is None else 'wss'}://127.0.0.1:{self.port}/ws"
        self.outcomes: list[object] = []
        """What the scripts returned."""
        self.peers: list[Peer] = []
        self._failures: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> ScriptedServer:
        self._acceptor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop_listening()
        deadline = time.monotonic() + PATIENCE_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if self._failures and error is None:
            raise self._failures[0]

    def kill(self) -> None:
        """Listen no more and reset every connection, as the kernel does for a process killed with data unread."""
        self._stop_listening()
        for peer in self.peers:
            # Shut down first: it wakes a thread that waits in recv(), which close() alone would not.
            with contextlib.suppress(OSError):
                peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                peer.sock.shutdown(socket.SHUT_RD)

    def _stop_listening(self) -> None:
        self._wake.close()
        self._acceptor.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            ready, _, _ = select.select([self._listener, self._woken], [], [])
            if self._woken in ready:
                self._woken.close()
                return
            peer = Peer(self._listener.accept()[0])
            self.peers.append(peer)
            thread = threading.Thread(target=self._serve, args=(peer,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer: Peer) -> None:
        with contextlib.ExitStack() as stack:
            try:
                if self._tls is not None:
                    peer.sock = self._tls.wrap_socket(peer.sock, server_side=True)
                stack.enter_context(peer.sock)
                self.outcomes.append(self._script(peer))
            except Gone as gone:
                self.outcomes.append(gone.how)
            except BaseException as error:
                self._failures.append(error)
