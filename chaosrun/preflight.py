"""Which hosts a run may reach: loopback, and whatever the experiment names under `allow`."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from chaosrun.errors import UsageError


def is_loopback(host: str) -> bool:
    """Whether a host, by its name alone, is this machine: `localhost`, or an address of 127.0.0.0/8 or ::1."""
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761 6.3
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_strangers(url: str, allow: Sequence[str]) -> None:
    """Refuse a URL whose host is neither loopback nor allowed.

    Raises:
        UsageError: with the line that would allow it.
    """
    host = (urlsplit(url).hostname or "").lower()
    if not host:
        raise UsageError(f"target url {url!r} names no host; write ws://HOST:PORT/PATH or wss://HOST/PATH")
    if not is_loopback(host) and host not in {name.lower() for name in allow}:
        raise UsageError(
            f"target {host} is not this machine, and load and faults reach loopback only unless a host is named; "
            f"if you may put {host} under load, add to the target: `allow: [{host}]`"
        )
