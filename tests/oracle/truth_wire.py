"""The server's half of RFC 6455, as much of it as the truth server needs: the handshake, and frames in and out."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Handshake:
    """The request line and headers of a client that wants to shake hands."""

    def __init__(self, head: bytes) -> None:
        lines = head.decode("latin-1").split("\r\n")
        query = parse_qs(urlsplit(lines[0].split(" ")[1]).query)
        self.who = query.get("who", [""])[0]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        self._key = headers.get("sec-websocket-key", "").encode()

    def answer(self) -> bytes:
        accept = base64.b64encode(hashlib.sha1(self._key + _GUID).digest())
        return (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )


def frame(opcode: int, payload: bytes) -> bytes:
    """A whole frame as a server sends it."""
    if len(payload) < 126:
        return bytes((0x80 | opcode, len(payload))) + payload
    return struct.pack("!BBH", 0x80 | opcode, 126, len(payload)) + payload


def close_frame(code: int) -> bytes:
    return frame(CLOSE, struct.pack("!H", code))


def frames(buffer: bytearray) -> Iterator[tuple[int, bytes]]:
    """Take whole frames (opcode, payload) off the front of what a client has sent; all are short and unfragmented."""
    while len(buffer) >= 6:
        length, start = buffer[1] & 0x7F, 6
        if length == 126:
            length, start = int.from_bytes(buffer[2:4], "big"), 8
        if len(buffer) < start + length:
            return
        mask = bytes(buffer[start - 4 : start]) * (length // 4 + 1)
        payload = int.from_bytes(buffer[start : start + length], "big") ^ int.from_bytes(mask[:length], "big")
        opcode = buffer[0] & 0x0F
        del buffer[: start + length]
        yield opcode, payload.to_bytes(length, "big")
