"""Whether a target is this machine alone."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit


def host_of(url: str) -> str | None:
    """The host that a URL names, in lower case; None where it names none."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
        return parts.hostname or None
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether a host is loopback by its name alone: nothing is looked up."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
