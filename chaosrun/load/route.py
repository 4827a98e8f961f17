"""The way from a client to a service, and the words for every way in which it fails. WebSocket and HTTP share it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from chaosrun.spec.userinfo import authorized

REFUSALS = frozenset({"refused", "timeout", "http", "reset", "dns", "tls", "proxy", "descriptors", "ports", "other"})


class Refusal(Exception):
    """An attempt to connect failed.

    `why` is one of `REFUSALS`: `refused` (nobody listens), `timeout` (`open_timeout_s`), `http` (an answer other than
    the one that was asked for, with its `status`, or no valid handshake), `reset` (dropped during the handshake),
    `dns`, `tls`, `proxy` (the HTTP proxy on the way did not make the tunnel; `status`: its answer, if it gave one),
    `descriptors` (raise RLIMIT_NOFILE), `ports` (no free local port: use more source addresses), `other`.
    """

    def __init__(self, why: str, status: int | None = None, detail: str = "") -> None:
        self.why = why
        self.status = status
        self.detail = detail
        super().__init__(" ".join(str(part) for part in (why, status, detail) if part not in (None, "")))


class HttpProxy(NamedTuple):
    """A proxy that is asked for a tunnel by HTTP CONNECT."""

    host: str
    port: int
    authorization: str | None = None
    """The value of `Proxy-Authorization`; a password is in it."""

    def __str__(self) -> str:
        return f"the HTTP proxy {authority(self.host, self.port)}"


def proxy_of(url: str) -> HttpProxy:
    """Take `http://USER:PASSWORD@HOST:PORT` apart.

    Raises:
        ValueError: it is not such an address; the text does not show it, for a password may be in it.
    """
    plain, headers = authorized(url, ())
    parts = urlsplit(plain)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("not an HTTP proxy; write http://HOST:PORT")
    return HttpProxy(parts.hostname, parts.port or 80, headers[0][1] if headers else None)


def authority(host: str, port: int) -> str:
    """HOST:PORT, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, kw_only=True)
class Route:
    """How to get to a service. Nothing is taken from the environment."""

    tls: ssl.SSLContext | None = None
    """For wss and https; None: the system's trust store."""
    via: str | None = None
    """HOST:PORT of a TCP proxy to connect to in place of the URL's own; what is said there stays the URL's."""
    http_proxy: HttpProxy | None = None
    """Makes a tunnel to the URL's own host, which it looks up itself. Not together with `via`."""
    source_address: str | None = None
    """Local address to connect from, e.g. 127.0.0.2, to go beyond 28,232 ports per destination."""
