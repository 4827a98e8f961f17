"""Whether a host is this machine alone, by its name: nothing is looked up here (`preflight` does)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit

_PAIR: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]]+):[0-9]{1,5}")
_NUMBERS: Final = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+)){0,3}\.?")


def host_of(url: str) -> str | None:
    """The host that a URL names, in lower case; None where it names none."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
        return parts.hostname or None
    except ValueError:
        return None


def host_of_pair(pair: str) -> str | None:
    """The same of HOST:PORT."""
    found = _PAIR.fullmatch(pair)
    return found[1].strip("[]").lower() if found is not None else None


def is_host(text: str) -> bool:
    """Whether it is one host and nothing else, as `host_of` would give it."""
    shown = f"[{text}]" if ":" in text else text
    return "*" not in text and host_of(f"ws://{shown}") == text.lower()


def is_loopback(host: str) -> bool:
    """Whether a host is loopback by its name alone: `localhost` and what ends so (RFC 6761 6.3), or an address."""
    return is_local_name(host) or ((found := _address(host)) is not None and found.is_loopback)


def is_local_name(host: str) -> bool:
    """Whether it is a name that stands for loopback, and no address: what it resolves to is another matter."""
    return host.lower() == "localhost" or host.lower().endswith(".localhost")


def is_allowed(host: str, allow: Iterable[str]) -> bool:
    """Whether `allow` names this very host; an address in whichever spelling."""
    return _plain(host) in map(_plain, allow)


def why_not(host: str, allow: Iterable[str], if_so: str) -> str | None:
    """Why a run may not reach a host, with the remedy; None: it may.

    Args:
        if_so: what must be true for the host to be allowed, in words: `you may put it under load, say so`.
    """
    if _address(host) is None and _NUMBERS.fullmatch(host.lower()):
        # `127.1`, `0177.0.0.1` and `2130706433`: programs differ on what that is, and so would this check and a call.
        return f"{host} is no way to write an address; write its four numbers in decimals, such as 127.0.0.1"
    if is_loopback(host) or is_allowed(host, allow):
        return None
    found = _address(host)
    other = ", but every address of a machine; write 127.0.0.1" if found is not None and found.is_unspecified else ""
    named = f'"{host}"' if ":" in host else host
    return f"{host} is not loopback{other}; if {if_so}: `allow: [{named}]`"


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """The address that is written there; `::ffff:10.0.0.1` is 10.0.0.1, and reached as such."""
    try:
        found = ip_address(host)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return found if mapped is None else mapped


def _plain(host: str) -> str:
    found = _address(host)
    return host.lower() if found is None else str(found)
