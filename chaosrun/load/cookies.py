"""Cookies of a group's clients: those that the experiment gives them, and those that the service sets.

Each client is a browser of its own (RFC 6265): what the service sets in an answer is sent from then on, until it
expires or the service takes it back. Nothing is kept where the group has no `cookies`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

from chaosrun.load.dialling import Address

MOST: Final = 50
"""Cookies of one client, and LONGEST bytes of each: what a browser is sure to keep (RFC 6265 6.1), and no server can
make us keep more."""
LONGEST: Final = 4096
COOKIE: Final = "Cookie"


class Kept(NamedTuple):
    """A cookie that a client keeps."""

    name: str
    value: str
    path: str = "/"
    """It is sent with this path and those below it."""
    secure: bool = False
    """It is sent over TLS only."""
    expires_s: float | None = None
    """Unix time; None: not before the client is gone."""


def kept(line: str, address: Address, now_s: float) -> Kept | None:
    """The cookie of one `Set-Cookie` in the answer to `address` (RFC 6265 5.2 and 5.3); None: it is not one for us."""
    pair, _, rest = line.partition(";")
    name, equals, value = (part.strip() for part in pair.partition("="))
    if not equals or not name or len(line) > LONGEST:
        return None
    attributes: dict[str, str] = {}
    for attribute in rest.split(";"):
        key, _, text = attribute.partition("=")
        attributes[key.strip().lower()] = text.strip()
    domain = attributes.get("domain", "").removeprefix(".").lower()
    host = address.host.lower()
    if domain and host != domain and not host.endswith(f".{domain}"):
        return None
    secure = "secure" in attributes
    if secure and not address.secure:
        return None
    path = attributes.get("path", "")
    if not path.startswith("/"):
        path = address.resource.partition("?")[0].rpartition("/")[0] or "/"
    return Kept(name, value, path, secure, _expiry(attributes, now_s))


def _expiry(attributes: Mapping[str, str], now_s: float) -> float | None:
    age = attributes.get("max-age", "")
    if age.removeprefix("-").isdigit():
        return now_s + int(age[:12])
    with suppress(ValueError, OverflowError):  # RFC 6265 5.2.1: a date that is none is as if it were not there
        return parsedate_to_datetime(attributes.get("expires", "")).timestamp()
    return None


class Cookies:
    """Of all clients of a group that one process plays."""

    def __init__(self, own: Mapping[str, str] | None) -> None:
        """
        Args:
            own: those that every client begins with; None: the clients have no cookies at all.
        """
        self._keeps = own is not None
        self._own = {(name, "/"): Kept(name, value) for name, value in (own or {}).items()}
        self._first = _header(self._own.values())
        self._jars: dict[int, dict[tuple[str, str], Kept]] = {}
        """Of the clients for which the service has set any, their own ones included."""

    def header(self, client: int, address: Address) -> str:
        """What `client` sends to `address`: the value of the Cookie header; empty: it sends none."""
        jar = self._jars.get(client)
        if jar is None:
            return self._first
        now_s, path = time.time(), address.resource.partition("?")[0]
        for key in [key for key, each in jar.items() if each.expires_s is not None and each.expires_s <= now_s]:
            del jar[key]
        fit = [each for each in jar.values() if _is_below(path, each.path) and (address.secure or not each.secure)]
        return _header(sorted(fit, key=lambda each: -len(each.path)))  # RFC 6265 5.4: longer paths first

    def take(self, client: int, lines: Iterable[str], address: Address) -> None:
        """Keep what the service has set in its answer to `client`."""
        if not self._keeps:
            return
        now_s = time.time()
        for line in lines:
            cookie = kept(line, address, now_s)
            if cookie is None:
                continue
            jar = self._jars.setdefault(client, dict(self._own))
            key = cookie.name, cookie.path
            if cookie.expires_s is not None and cookie.expires_s <= now_s:
                jar.pop(key, None)
            elif key in jar or len(jar) < MOST:
                jar[key] = cookie


def with_cookies(headers: tuple[tuple[str, str], ...], cookies: str) -> tuple[tuple[str, str], ...]:
    """The headers with these cookies; what they say of cookies already comes first, for one header has them all."""
    if not cookies:
        return headers
    said = [value for name, value in headers if name.lower() == COOKIE.lower()]
    others = tuple((name, value) for name, value in headers if name.lower() != COOKIE.lower())
    return (*others, (COOKIE, "; ".join((*said, cookies))))


def _header(cookies: Iterable[Kept]) -> str:
    return "; ".join(f"{each.name}={each.value}" for each in cookies)


def _is_below(path: str, above: str) -> bool:
    """RFC 6265 5.1.4."""
    return path == above or (path.startswith(above) and (above.endswith("/") or path[len(above)] == "/"))
