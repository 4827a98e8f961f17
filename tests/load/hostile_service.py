"""A service that speaks the mt5 bridge's protocol and then does to its clients what no service should: bare asyncio.

`python hostile_service.py PORT MANNER POLITE` serves until it is ended, each connection politely for its first POLITE
messages; `Hostile(MANNER)` is the same within a test.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import struct
import sys
from collections.abc import Awaitable, Callable
from itertools import count

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
ESCAPES = "\x1b]0;owned\x07\x1b[2J\u009b31m\u202e<script>alert(1)</script>"
"""What moves a terminal's cursor, sets its title, reads from right to left, or runs in a browser."""

NONSENSE = (
    b"[" * 100_000,
    b'{"type":"tick","symbol":"EURUSD","seq":' + b"9" * 400 + b',"boot_id":"T","bid":1,"ask":1,"ts":1}',
    b'{"type":"tick","symbol":"EURUSD","seq":9223372036854775808,"boot_id":"T","bid":1,"ask":1,"ts":1}',
    b'{"type":"tick","symbol":"EURUSD","seq":-9223372036854775808,"boot_id":"T","bid":1,"ask":1,"ts":1}',
    b'{"type":"tick","symbol":"EURUSD","seq":1.5,"boot_id":"T","bid":1,"ask":1,"ts":1}',
    b'{"type":"tick","symbol":"EURUSD","seq":1,"boot_id":"T","bid":1,"ask":1,"ts":1e300}',
    b'{"type":"tick","symbol":"' + b"x" * 100_000 + b'","seq":1,"boot_id":"T","bid":1,"ask":1,"ts":1}',
    b'{"type":"tick","type":"pong","id":1,"seq":1}',
    b'{"type":"pong","id":' + b"9" * 5000 + b"}",
    b'{"type":"pong","id":123456789}',
    b'{"type":"pong","id":null}',
    b'{"type":"head","heads":{"EURUSD":{"seq":1,"boot_id":"T"}}}',
    b'{"type":"subscribed","channels":["EURUSD"]}',
    b'{"type":"\xff\xfe"}',
    b'{"type":"\\ud800"}',
    json.dumps({"type": ESCAPES}).encode(),
    json.dumps({"type": "error", "error": ESCAPES * 1000}).encode(),
    b"",
)
"""Messages, each of which is malformed."""


class Client:
    """The service's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def accept(self) -> str:
        """Complete the handshake; its request line."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line.split(": ")[1] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key"))
        told = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()
        self.writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {told}\r\n\r\n".encode()
        )
        return head.split("\r\n")[0]

    async def hear(self) -> bytes:
        """The next message of the client. Raises IncompleteReadError when it has left, or is about to."""
        while True:
            first, second = await self.reader.readexactly(2)
            length = second & 0x7F
            if length == 126:
                (length,) = struct.unpack("!H", await self.reader.readexactly(2))
            mask = await self.reader.readexactly(4)
            data = bytes(byte ^ mask[i % 4] for i, byte in enumerate(await self.reader.readexactly(length)))
            if first & 0x0F == 8:
                raise asyncio.IncompleteReadError(b"", None)
            if first & 0x0F == 1:
                return data

    async def say(self, *messages: bytes) -> None:
        self.writer.write(b"".join(frame(1, message) for message in messages))
        await self.writer.drain()


def frame(opcode: int, data: bytes = b"", *, fin: bool = True) -> bytes:
    size = len(data)
    length = (
        bytes([size])
        if size < 126
        else struct.pack("!BH", 126, size)
        if size < 65536
        else struct.pack("!BQ", 127, size)
    )
    return bytes([(0x80 if fin else 0) | opcode]) + length + data


def tick(symbol: str, seq: int, ts: float = 1.0) -> bytes:
    return json.dumps(
        {"type": "tick", "symbol": symbol, "seq": seq, "boot_id": "T", "bid": 1, "ask": 1, "ts": ts}
    ).encode()


Manner = Callable[[Client, dict[str, object]], Awaitable[None]]
"""What is done before a ping is answered."""


async def polite(client: Client, ping: dict[str, object]) -> None:
    """Nothing."""


async def nonsense(client: Client, ping: dict[str, object]) -> None:
    await client.say(*NONSENSE)


async def names(client: Client, ping: dict[str, object]) -> None:
    """Ticks of a thousand symbols that nobody has heard of, some of them with escapes in their names."""
    await client.say(*(tick(f"{ESCAPES}{ping['id']}-{number}", 1) for number in range(1000)))


async def bombs(client: Client, ping: dict[str, object]) -> None:
    """3 MB that take a hundred when they are read as JSON."""
    await client.say(b'{"type":"status","feed":"x","more":[' + b"[]," * 1_000_000 + b"[]]}")


async def flood(client: Client, ping: dict[str, object]) -> None:
    """Ticks for as long as the client takes them, from its first ping on."""
    many = [tick("EURUSD", seq) for seq in range(500)]
    while True:
        await client.say(*many)


async def pings(client: Client, ping: dict[str, object]) -> None:
    """Pings without end; their answers are never read."""
    many = frame(9, b"x" * 125) * 500
    while True:
        client.writer.write(many)
        await client.writer.drain()


async def fragments(client: Client, ping: dict[str, object]) -> None:
    """A message that never ends, in small pieces."""
    client.writer.write(frame(1, b"x", fin=False))
    while True:
        client.writer.write(frame(0, b"x" * 1000, fin=False) * 100)
        await client.writer.drain()


async def huge(client: Client, ping: dict[str, object]) -> None:
    """A frame of a terabyte."""
    client.writer.write(b"\x81\x7f" + struct.pack("!Q", 1 << 40))
    while True:
        client.writer.write(b"x" * 65536)
        await client.writer.drain()


async def closes(client: Client, ping: dict[str, object]) -> None:
    """A close code of its own each time, with escapes as the reason."""
    code = 3000 + int(str(ping["id"])) % 1000
    client.writer.write(frame(8, struct.pack("!H", code) + ESCAPES.encode()[:100]))
    await client.writer.drain()
    raise ConnectionResetError


async def resets(client: Client, ping: dict[str, object]) -> None:
    client.writer.transport.abort()
    raise ConnectionResetError


MANNERS: dict[str, Manner] = {
    each.__name__: each for each in (polite, nonsense, names, bombs, flood, pings, fragments, huge, closes, resets)
}


class Hostile:
    """The service. Stands in for `fleet_stage.Bridge`."""

    rate = 0.0

    def __init__(self, manner: str, port: int = 0) -> None:
        self.manner = MANNERS[manner]
        self.polite_for = 0
        """So many messages of each connection are answered politely."""
        self.port = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]

    async def kill(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self._talk(Client(reader, writer))
        writer.transport.abort()

    async def _talk(self, client: Client) -> None:
        await client.accept()
        for number in count():
            asked = json.loads(await client.hear())
            match asked["type"]:
                case "auth":
                    await client.say(b'{"type":"auth_ok"}')
                case "subscribe":
                    await client.say(json.dumps({"type": "subscribed", "channels": asked["channels"]}).encode())
                case "ping":
                    if number >= self.polite_for:
                        await self.manner(client, asked)
                    await client.say(json.dumps({"type": "pong", "id": asked["id"]}).encode())


async def main(port: int, manner: str, polite_for: int) -> None:
    service = Hostile(manner, port)
    service.polite_for = polite_for
    await service.start()
    print("ready", ESCAPES, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
