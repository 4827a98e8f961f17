"""What one fresh client sees of a link: how soon it is answered, how fast data comes back, how its connection ends.

It is no client of the load and no prober: it connects, says a WebSocket handshake where the link leads to a WebSocket
service, and leaves. Plain TCP services are those that speak first.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from chaosrun.toxics import Link

_PING: Final = bytes(125)
"""The largest that a ping may carry (RFC 6455 5.5), and what its pong gives back."""
_PONG_LENGTH: Final = 2 + len(_PING)

Ending = Literal["", "refused", "reset", "closed"]


@dataclass
class Sight:
    """Times are ns from the first attempt to connect; None: it did not come to that in the time given."""

    answered: int | None = None
    """The first bytes of the service."""
    asked: int = 0
    """Bytes that were sent to be given back."""
    echo: int | None = None
    """How long it took from the sending to the last byte given back."""
    left: int | None = None
    """When we said that we leave."""
    ending: Ending = ""
    """How the connection ended, before we gave it up."""
    ended: int | None = None

    def __str__(self) -> str:
        parts = ["no answer" if self.answered is None else f"answered after {_ms(self.answered)}"]
        if self.asked:
            told = "never given back whole" if self.echo is None else f"given back in {_ms(self.echo)}"
            parts.append(f"{self.asked} bytes {told}")
        if self.ended is not None:
            since = self.ended - (self.left or 0)
            parts.append(f"{self.ending} {_ms(since)} after {'it left' if self.left is not None else 'it came'}")
        return ", ".join(parts)


@dataclass(frozen=True)
class Look:
    """What the client does beside waiting for its first answer."""

    patience_s: float
    volume: int = 0
    """Bytes to have given back, at least."""
    leave: bool = False
    """Say that it leaves, and wait for the end of the connection."""
    stay: bool = False
    """Wait for the end of the connection without having said so."""


async def see(link: Link, look: Look) -> Sight:
    """Look once. Never raises for what the link does."""
    sight = Sight()
    client = _Client(sight)
    try:
        async with asyncio.timeout(look.patience_s):
            await _look(link, look, client)
    except TimeoutError:
        pass  # what was seen until now is the answer
    except ConnectionRefusedError:
        client.ends("refused")
    except OSError:  # of TLS as well
        client.ends("reset")
    finally:
        client.gone.set()  # what ends from here on is our own doing
        if client.transport is not None:
            client.transport.abort()
    return sight


async def _look(link: Link, look: Look, client: _Client) -> None:
    host, _, port = link.listen.rpartition(":")
    tls: dict[str, Any] = {}
    is_secure = link.url.startswith("wss:")
    if is_secure and not look.leave:
        tls = {"ssl": _any_certificate(), "server_hostname": urlsplit(link.url).hostname}
    await asyncio.get_running_loop().create_connection(lambda: client, host.strip("[]"), int(port), **tls)
    if is_secure and look.leave:
        # TLS says that it ends by data, which comes before the end of the stream: only without it is that one seen.
        client.leave()
        await client.gone.wait()
        return
    if link.url:
        client.write(_handshake(link.url))
    await client.answered.wait()
    if look.volume and client.shook_hands:
        await _echo(client, -(-look.volume // len(_PING)))
    if look.leave:
        client.leave()
    if look.leave or look.stay:
        await client.gone.wait()


async def _echo(client: _Client, pings: int) -> None:
    began, before = time.monotonic_ns(), client.received
    client.sight.asked = pings * len(_PING)
    client.write(Frame(Opcode.PING, _PING).serialize(mask=True) * pings)
    await client.until_received(before + pings * _PONG_LENGTH)
    if client.received >= before + pings * _PONG_LENGTH:
        client.sight.echo = time.monotonic_ns() - began


@dataclass(eq=False)
class _Client(asyncio.Protocol):
    sight: Sight
    began: int = field(default_factory=time.monotonic_ns)
    transport: asyncio.Transport | None = None
    received: int = 0
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at the end of the connection, too."""
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    shook_hands: bool = False
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    def write(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)

    def leave(self) -> None:
        """By the end of our stream, which a proxy has to pass on."""
        assert self.transport is not None
        self.sight.left = time.monotonic_ns() - self.began
        self.transport.write_eof()

    async def until_received(self, count: int) -> None:
        """So many bytes in all, or the end of the connection."""
        while self.received < count and not self.gone.is_set():
            self._moved.clear()
            await self._moved.wait()

    def ends(self, how: Ending) -> None:
        if self.gone.is_set():
            return
        self.sight.ending, self.sight.ended = how, time.monotonic_ns() - self.began
        for event in (self.gone, self.answered, self._moved):
            event.set()

    # ---- asyncio speaks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.sight.answered is None:
            self.sight.answered = time.monotonic_ns() - self.began
            self.shook_hands = data.startswith(b"HTTP/1.1 101")
        self.received += len(data)
        self.answered.set()
        self._moved.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ends("closed" if exc is None else "reset")


def _handshake(url: str) -> bytes:
    client = ClientProtocol(parse_uri(url))
    client.send_request(client.connect())
    return b"".join(client.data_to_send())


def _any_certificate() -> ssl.SSLContext:
    """Nothing is told to the service but that we came: whom it is does not matter, and the load will have checked."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _ms(ns: int) -> str:
    return f"{ns / 1e6:.1f} ms"
