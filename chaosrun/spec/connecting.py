"""The types of how a group's clients connect: TLS, cookies, a proxy, and the addresses that they connect from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from chaosrun.spec.base import Broken, Line, Many, MayHideSecret, Model, Text, problem
from chaosrun.spec.secret import Secret, reveal
from chaosrun.spec.tls import TlsFiles

MOST_ADDRESSES: Final = 65_534
"""Source addresses of one group: those of 127.0.0.0/16."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""RFC 9110 5.6.2."""
_NOT_OF_COOKIE: Final = re.compile(r"[\x00-\x1f\x7f;]|^ | $")
"""What would end a cookie, or be lost on the way (RFC 6265 5.2); the rest is what browsers send, too."""


class Tls(Model):
    """What the clients trust, and who they are to the service. Files in PEM, relative to the file that names them."""

    ca: Line | None = None
    """Certificates that are trusted in place of the system's."""
    cert: Line | None = None
    """The clients' own certificate, for a service that asks for one."""
    key: Line | None = None
    """Its private key, without a pass phrase; if it is not in the file of `cert`."""
    verify: bool = True
    """false: take any certificate, whoever it names; the result says so."""

    def rules(self) -> Iterator[Broken]:
        if self.key is not None and self.cert is None:
            yield Broken("`key` goes with the certificate in `cert`", ("key", "cert"))
        if self.ca is not None and not self.verify:
            text = "with `verify: false` nobody looks at `ca`; take one of them out"
            yield Broken(text, ("ca", "verify"))

    def files(self) -> TlsFiles:
        return TlsFiles(ca=self.ca, cert=self.cert, key=self.key, verify=self.verify)


def _cookies(cookies: dict[str, str | Secret]) -> dict[str, str | Secret]:
    for name, value in cookies.items():
        if not _TOKEN.fullmatch(name):
            raise problem("cookie", f"{name!r} is not the name of a cookie; write letters, digits, - and _")
        if _NOT_OF_COOKIE.search(reveal(value)):
            text = f"the value of {name!r} holds what no cookie can (; or a control character, or a space at an end)"
            raise problem("cookie", f"{text}; percent-encode it as the service does")
    return cookies


Cookies = Annotated[dict[str, Text], AfterValidator(_cookies), Field(max_length=50)]
"""Cookies by name. As many as a browser is sure to keep for one site (RFC 6265 6.1)."""


def _http_proxy(url: str) -> str:
    parts = urlsplit(url)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise problem("proxy", f"{url!r} has more than a proxy's address; write http://HOST:PORT")
    return url


def _only_http(value: Any) -> Any:
    scheme, slashes, _ = str(value).partition("://") if isinstance(value, str | Secret) else ("http", "://", "")
    if not slashes:
        raise problem("proxy", f"{str(value)!r} is no address of a proxy; write http://HOST:PORT")
    if scheme != "http":
        raise problem("proxy", f"a proxy that is reached by {scheme} is not supported; only http://HOST:PORT is")
    return value


HttpProxyUrl = Annotated[
    Line,
    Field(pattern=r"^http://", examples=["http://127.0.0.1:3128"]),
    AfterValidator(_http_proxy),
    MayHideSecret,
    BeforeValidator(_only_http),
]
"""http://USER:PASSWORD@HOST:PORT of a proxy that makes tunnels by CONNECT."""


def _span(written: str) -> Iterable[IPv4Address | IPv6Address]:
    """The addresses that an entry stands for: one, those of a network without its own and its broadcast's, or a range.

    Raises:
        ValueError: it stands for none, with the reason.
    """
    first, dash, last = written.partition("-")
    if dash:
        low, high = _address(first.strip()), _address(last.strip())
        if low.version != high.version or int(high) < int(low):
            raise ValueError(f"{written!r} does not go from a lower address to a higher one")
        if int(high) - int(low) >= MOST_ADDRESSES:
            raise ValueError(_too_many(int(high) - int(low) + 1))
        return (low + more for more in range(int(high) - int(low) + 1))
    if "/" not in written:
        return (_address(written),)
    try:
        network = ip_network(written, strict=False)
    except ValueError:
        raise ValueError(_no_address(written)) from None
    if str(network.network_address) != written.partition("/")[0]:
        raise ValueError(f"{written} is one address of a network; write {network} for all of them")
    if network.num_addresses > MOST_ADDRESSES + 2:
        raise ValueError(_too_many(network.num_addresses))
    return network.hosts()


def _address(written: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(written)
    except ValueError:
        raise ValueError(_no_address(written)) from None


def _no_address(written: str) -> str:
    return f"{written!r} is no address; write 127.0.0.2, 127.0.0.2-127.0.0.9, or 127.0.0.0/24"


def _too_many(count: int) -> str:
    return f"{count:,} addresses; at most {MOST_ADDRESSES:,}"


def expand(written: Iterable[str]) -> tuple[str, ...]:
    """Every address that the entries stand for, in their order.

    Raises:
        ValueError: an entry is no address, or one stands there twice, or there are too many, with the reason.
    """
    found: dict[str, None] = {}
    families: set[int] = set()
    for entry in written:
        for address in _span(entry):
            if address.is_unspecified or address.is_multicast:
                raise ValueError(f"{address} is no address that a client can have")
            if str(address) in found:
                raise ValueError(f"{address} stands there twice")
            found[str(address)] = None
            families.add(address.version)
            if len(found) > MOST_ADDRESSES:
                raise ValueError(f"more than {MOST_ADDRESSES:,} addresses")
    if len(families) > 1:
        raise ValueError("IPv4 and IPv6 addresses side by side; write those by which the service is reached")
    return tuple(found)


def _sources(value: Any) -> Any:
    """`127.0.0.0/24` is short for `[127.0.0.0/24]`."""
    return (value,) if isinstance(value, str) else value


def _checked(written: tuple[str, ...]) -> tuple[str, ...]:
    try:
        expand(written)
    except ValueError as error:
        raise problem("address", str(error)) from None
    return written


Sources = Annotated[
    Many[Line],
    AfterValidator(_checked),
    BeforeValidator(_sources),
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "examples": ["127.0.0.0/24"]},
                {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 1000},
            ]
        }
    ),
]
"""Addresses of this machine, as written; `expand` gives each."""
