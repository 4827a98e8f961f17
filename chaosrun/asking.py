"""One HTTP request to somebody who may answer anything: bounded in time and in bytes, and asked of nobody else.

The time is that of the whole exchange: an answer that drips in byte by byte is given up as one that never comes. No
redirect is followed, no proxy of the environment is used, nothing is decompressed, no connection is kept. It blocks,
and needs nothing of a run: for an undo when nothing else is alive.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import h11

_PIECE = 1 << 16


class NobodyThere(OSError):
    """No connection came about, and that was told at once: nothing was asked."""


class NoAnswer(OSError):
    """No whole answer came: too slow, too long, broken off, not by TLS as it must be, or no HTTP at all."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: bytes
    """Empty where only the status was wanted."""


def ask(
    method: str,
    url: str,
    *,
    within_s: float,
    connect_within_s: float | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    longest: int = 0,
) -> Answer:
    """The answer to one request, whatever its status.

    Args:
        within_s: for the whole exchange once it is connected.
        connect_within_s: to connect to one address, and the same again for TLS; None: `within_s`.
        longest: bytes that the body may have; 0: only the status is wanted, and the body is not read.

    Raises:
        NobodyThere: the host has no address, or nobody listens there.
        NoAnswer: nothing that is an answer came in time; a host that does not answer at all may be frozen.
        ValueError: this cannot be said in HTTP.
    """
    parts = urlsplit(url)
    request = _request(method, url, headers or {}, body)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        sock = _connected(parts.hostname or "", port, connect_within_s or within_s, secure=parts.scheme == "https")
    except (TimeoutError, ssl.SSLError) as error:
        raise NoAnswer(f"no connection: {error}") from error
    except OSError as error:
        raise NobodyThere(error.strerror or str(error)) from error
    with sock:
        return _exchange(sock, request, longest, time.monotonic() + within_s)


def _request(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> list[h11.Event]:
    parts = urlsplit(url)
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._") + (f"?{parts.query}" if parts.query else "")
    said = {"Host": parts.netloc.rpartition("@")[2], "User-Agent": "chaosrun", "Connection": "close"} | dict(headers)
    if body is not None:
        said["Content-Length"] = str(len(body))
    try:
        head = h11.Request(method=method, target=target, headers=list(said.items()))
    except (h11.LocalProtocolError, UnicodeError):
        # Not in the words of the library: they repeat the header, which may be a secret.
        raise ValueError(f"{method} {url}: its path, query or headers have characters that HTTP has not") from None
    return [head, *([h11.Data(data=body)] if body else []), h11.EndOfMessage()]


def _connected(host: str, port: int, within_s: float, *, secure: bool) -> socket.socket:
    sock = socket.create_connection((host, port), timeout=within_s)
    if not secure:
        return sock
    try:
        return ssl.create_default_context().wrap_socket(sock, server_hostname=host)
    except BaseException:
        sock.close()
        raise


def _exchange(sock: socket.socket, request: list[h11.Event], longest: int, end: float) -> Answer:
    http = h11.Connection(h11.CLIENT)
    try:
        sock.settimeout(_left(end))
        sock.sendall(b"".join(http.send(event) or b"" for event in request))
        status, body = 0, b""
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                sock.settimeout(_left(end))
                http.receive_data(sock.recv(_PIECE))
            elif isinstance(event, h11.InformationalResponse):
                _left(end)  # they may come one after the other without an end
            elif isinstance(event, h11.Response):
                status = event.status_code
                if not longest:
                    return Answer(status, b"")
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > longest:
                    raise NoAnswer(f"an answer of more than {longest} bytes")
            else:
                return Answer(status, body)
    except TimeoutError as error:
        raise NoAnswer("no whole answer in time") from error
    except h11.RemoteProtocolError as error:
        raise NoAnswer("what came is no answer in HTTP") from error
    except OSError as error:
        raise NoAnswer(error.strerror or str(error)) from error


def _left(end: float) -> float:
    """Raises TimeoutError when nothing is left."""
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
