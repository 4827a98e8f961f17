"""`user:password@` of an address, as HTTP says it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit, urlunsplit


def authorized(url: str, headers: Iterable[tuple[str, str]]) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The address without its user and password, and the headers with what they say (RFC 7617), unless there is an
    `Authorization` already."""
    headers = tuple(headers)
    parts = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, headers
    url = urlunsplit(parts._replace(netloc=host))
    if any(name.lower() == "authorization" for name, _ in headers):
        return url, headers
    user, _, password = userinfo.partition(":")
    said = b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
    return url, (*headers, ("Authorization", f"Basic {said}"))
