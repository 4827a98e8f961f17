"""A tunnel through an HTTP proxy (RFC 9110 9.3.6), on a socket that is connected to the proxy."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import Final

from chaosrun.load.route import HttpProxy, Refusal, authority

LONGEST_ANSWER: Final = 16 << 10
"""Bytes of status line and headers that a proxy's answer may have."""
_STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d{3})(?: ([^\r\n]*))?\r?\n")
_END: Final = b"\r\n\r\n"


async def open_tunnel(
    loop: asyncio.AbstractEventLoop, sock: socket.socket, proxy: HttpProxy, host: str, port: int
) -> None:
    """Have `proxy`, to which `sock` is connected, connect it to `host` and `port`.

    Raises:
        Refusal: the proxy says no, or something else than HTTP.
        OSError: the connection to it broke.
    """
    await loop.sock_sendall(sock, request(proxy, authority(host, port)))
    said = b""
    while True:
        while _END not in said:
            more = await loop.sock_recv(sock, 4096)
            said += more
            if not more or len(said) > LONGEST_ANSWER:
                raise Refusal("proxy", None, f"{proxy} {_odd(said, ended=not more)}")
        status, phrase = _status(proxy, said)
        said = said.partition(_END)[2]
        if status >= 200:
            break
    if not 200 <= status < 300:
        raise Refusal("proxy", status, f"{proxy} answered CONNECT with {status} {phrase}".rstrip())
    if said:  # RFC 9110 9.3.6: a tunnel begins right after the headers, and whoever is at its end is asked first
        raise Refusal("proxy", status, f"{proxy} made a tunnel and said something in it by itself")


def request(proxy: HttpProxy, called: str) -> bytes:
    """What a client says to a proxy to get to `called`, a HOST:PORT."""
    lines = [f"CONNECT {called} HTTP/1.1", f"Host: {called}"]
    if proxy.authorization is not None:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    return "\r\n".join((*lines, "", "")).encode()


def _status(proxy: HttpProxy, said: bytes) -> tuple[int, str]:
    found = _STATUS.match(said)
    if found is None:
        raise Refusal("proxy", None, f"{proxy} does not answer as an HTTP proxy does")
    return int(found[1]), (found[2] or b"").decode(errors="replace")


def _odd(said: bytes, *, ended: bool) -> str:
    if ended:
        return "ended the connection in its answer to CONNECT" if said else "ended the connection without an answer"
    return f"answered CONNECT with headers of more than {LONGEST_ANSWER} bytes"
