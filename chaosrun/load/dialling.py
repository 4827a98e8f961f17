"""From a URL to a connected socket under an asyncio protocol, and from every way that fails to one `Refusal`."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from chaosrun.load.transport import Options, Refusal

# <linux/in.h>; the socket module names it from Python 3.12 on. Without it bind() takes the port, and 28,232
# connections from one address would be all there are, whatever the number of destinations.
IP_BIND_ADDRESS_NO_PORT = 24

_BY_ERRNO = {
    errno.ECONNREFUSED: "refused",
    errno.ETIMEDOUT: "timeout",
    errno.ECONNRESET: "reset",
    errno.ECONNABORTED: "reset",
    errno.EPIPE: "reset",
    errno.EMFILE: "descriptors",
    errno.ENFILE: "descriptors",
    errno.EADDRNOTAVAIL: "ports",
    errno.EADDRINUSE: "ports",
}


class Address(NamedTuple):
    """What a WebSocket URL says."""

    host: str
    port: int
    secure: bool
    resource: str
    """Path and query, as the request line wants them."""
    authority: str
    """The value of the Host header."""


@lru_cache(maxsize=64)
def address_of(url: str) -> Address:
    """Take a ws:// or wss:// URL apart.

    Raises:
        ValueError: it is not one.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ValueError(f"{url!r} is not a WebSocket URL; write ws://HOST:PORT/PATH or wss://...")
    secure = parts.scheme == "wss"
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(parts.hostname, parts.port or (443 if secure else 80), secure, resource, parts.netloc.split("@")[-1])


def refusal_of(error: BaseException) -> Refusal:
    """Say in one of the words of `records.Refused` why a connection could not be made."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, socket.gaierror | UnicodeError):  # UnicodeError: no name at all in IDNA
        return Refusal("dns", detail=str(error))
    if isinstance(error, ssl.SSLError | ssl.CertificateError):
        return Refusal("tls", detail=str(error))
    if isinstance(error, TimeoutError):
        return Refusal("timeout", detail=str(error))
    if isinstance(error, OSError):
        otherwise = "reset" if isinstance(error, ConnectionError) else "other"
        return Refusal(_BY_ERRNO.get(error.errno or 0, otherwise), detail=str(error))
    return Refusal("other", detail=f"{type(error).__name__}: {error}")


async def dial(address: Address, options: Options, make: Callable[[], asyncio.BaseProtocol]) -> None:
    """Connect to the first of the host's addresses that answers, and put the protocol of `make` on it.

    With `options.via` it is the addresses of that host, and nothing that is said on the connection changes.

    Raises what the operating system or TLS said about the first address that failed; see `refusal_of`.
    """
    loop = asyncio.get_running_loop()
    tls: dict[str, Any] = {"ssl": options.tls or True, "server_hostname": address.host} if address.secure else {}
    failure: OSError | None = None
    host, port = _called(address, options)
    for family, target in await _look_up(loop, host, port):
        try:
            if options.source_address is None:
                await loop.create_connection(make, target[0], target[1], **tls)
            else:
                sock = await _bound_socket(loop, family, target, options.source_address)
                await loop.create_connection(make, sock=sock, **tls)
        except ssl.SSLError:
            raise
        except OSError as error:
            failure = failure or error
        else:
            return
    raise failure or OSError(f"{host} has no address")


def _called(address: Address, options: Options) -> tuple[str, int]:
    """Whom TCP connects to."""
    if options.via is None:
        return address.host, address.port
    host, _, port = options.via.rpartition(":")
    return host.strip("[]"), int(port)


async def _bound_socket(loop: asyncio.AbstractEventLoop, family: int, target: Any, source: str) -> socket.socket:
    """Connect from `source`: the loops' own way would take a port at once, see `IP_BIND_ADDRESS_NO_PORT`."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        sock.bind((source, 0))
        await loop.sock_connect(sock, target)
    except BaseException:
        sock.close()
        raise
    return sock


async def _look_up(loop: asyncio.AbstractEventLoop, host: str, port: int) -> list[tuple[int, Any]]:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return [(family, (host, port))]
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, target) for family, _, _, _, target in found]
