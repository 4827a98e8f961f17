"""From a URL to a connected transport under an asyncio protocol, and from every way that fails to one `Refusal`.

Name look-up, source address, proxy and TLS are seen to here, for WebSocket and HTTP alike.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from chaosrun.load.route import HttpProxy, Refusal, Route
from chaosrun.load.tunnel import open_tunnel

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
    """What a URL says."""

    host: str
    port: int
    secure: bool
    resource: str
    """Path and query, as the request line wants them."""
    authority: str
    """The value of the Host header."""


@lru_cache(maxsize=64)
def address_of(url: str, plain: str = "ws") -> Address:
    """Take a URL apart.

    Args:
        plain: the scheme that it has without TLS, ws or http; with TLS it is the same with an s.

    Raises:
        ValueError: it is not one.
    """
    parts = urlsplit(url)
    if parts.scheme not in (plain, f"{plain}s") or not parts.hostname:
        kind = "a WebSocket" if plain == "ws" else "an HTTP"
        raise ValueError(f"{url!r} is not {kind} URL; write {plain}://HOST:PORT/PATH or {plain}s://...")
    secure = parts.scheme != plain
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
        return _timeout(error)
    if isinstance(error, OSError):
        otherwise = "reset" if isinstance(error, ConnectionError) else "other"
        return Refusal(_BY_ERRNO.get(error.errno or 0, otherwise), detail=str(error))
    return Refusal("other", detail=f"{type(error).__name__}: {error}")


def _timeout(error: TimeoutError) -> Refusal:
    # `asyncio.timeout` raises it from the cancellation, on which `_through` notes how far the attempt had come.
    waited = getattr(error.__cause__, "__notes__", None)
    return Refusal("timeout", detail=str(error)) if waited is None else Refusal("proxy", detail="; ".join(waited))


async def dial(address: Address, route: Route, make: Callable[[], asyncio.BaseProtocol]) -> None:
    """Connect to the first of the host's addresses that answers, and put the protocol of `make` on it.

    With `route.via` it is the addresses of that host, with `route.http_proxy` those of the proxy, which is asked for a
    tunnel to the host; nothing that is said on the connection changes.

    Raises what the operating system, the proxy or TLS said about the first address that failed; see `refusal_of`.
    """
    loop = asyncio.get_running_loop()
    tls: dict[str, Any] = {"ssl": route.tls or True, "server_hostname": address.host} if address.secure else {}
    if route.http_proxy is not None:
        sock = await _through(loop, route.http_proxy, address, route.source_address)
        await loop.create_connection(make, sock=sock, **tls)
        return
    failure: OSError | None = None
    host, port = _called(address, route)
    for family, target in await _look_up(loop, host, port, route.source_address):
        try:
            if route.source_address is None:
                await loop.create_connection(make, target[0], target[1], **tls)
            else:
                sock = await _connected(loop, family, target, route.source_address)
                await loop.create_connection(make, sock=sock, **tls)
        except ssl.SSLError:
            raise
        except OSError as error:
            failure = failure or error
        else:
            return
    try:
        raise failure or OSError(f"{host} has no address")
    finally:
        failure = None  # else it holds this frame, which holds it, until the collector comes


def _called(address: Address, route: Route) -> tuple[str, int]:
    """Whom TCP connects to."""
    if route.via is None:
        return address.host, address.port
    host, _, port = route.via.rpartition(":")
    return host.strip("[]"), int(port)


async def _through(
    loop: asyncio.AbstractEventLoop, proxy: HttpProxy, address: Address, source: str | None
) -> socket.socket:
    """A socket that leads to `address` through `proxy`. What fails on the way is not the service's fault.

    Raises:
        Refusal: `proxy`, or what this machine lacks.
    """
    try:
        sock = await _first_connected(loop, proxy, source)
        try:
            await open_tunnel(loop, sock, proxy, address.host, address.port)
        except BaseException:
            sock.close()
            raise
        return sock
    except asyncio.CancelledError as cancelled:
        cancelled.add_note(f"{proxy} has not made a tunnel yet")
        raise
    except (OSError, UnicodeError) as error:
        refusal = refusal_of(error)
        if refusal.why in ("descriptors", "ports"):
            raise refusal from error
        raise Refusal("proxy", None, f"{proxy}: {refusal.detail}") from error


async def _first_connected(loop: asyncio.AbstractEventLoop, proxy: HttpProxy, source: str | None) -> socket.socket:
    failure: OSError | None = None
    for family, target in await _look_up(loop, proxy.host, proxy.port, source):
        try:
            return await _connected(loop, family, target, source)
        except OSError as error:
            failure = failure or error
    try:
        raise failure or OSError(f"{proxy.host} has no address")
    finally:
        failure = None


async def _connected(loop: asyncio.AbstractEventLoop, family: int, target: Any, source: str | None) -> socket.socket:
    """A socket that is connected to `target`; from `source` the loops' own way would take a port at once, see
    `IP_BIND_ADDRESS_NO_PORT`."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if source is not None:
            sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((source, 0))
        await loop.sock_connect(sock, target)
    except BaseException:
        sock.close()
        raise
    return sock


async def _look_up(loop: asyncio.AbstractEventLoop, host: str, port: int, source: str | None) -> list[tuple[int, Any]]:
    """The host's addresses, those of `source`'s family if there is one."""
    wanted = socket.AF_UNSPEC if source is None else socket.AF_INET6 if ":" in source else socket.AF_INET
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        if wanted not in (socket.AF_UNSPEC, family):
            raise OSError(errno.EAFNOSUPPORT, f"{host} cannot be reached from {source}, an address of another family")
        return [(family, (host, port))]
    found = await loop.getaddrinfo(host, port, family=wanted, type=socket.SOCK_STREAM)
    return [(family, target) for family, _, _, _, target in found]
