"""Ports for servers that must come back on the same one after a crash."""

from __future__ import annotations

import random
import socket
from pathlib import Path

from chaosrun.errors import Unavailable

_LOWEST = 10_000
_TRIES = 200


def free_port(host: str = "127.0.0.1", avoid: frozenset[int] = frozenset()) -> int:
    """A TCP port that nobody listens on, outside the range of the ports that the kernel gives to outgoing connections.

    Inside that range a client that retries against a dead server can be given the server's own port as its source; it
    then connects to itself, and the server cannot come back. Raises `Unavailable` when there is none.
    """
    low, high = ephemeral_range()
    candidates: list[int] = [*range(_LOWEST, min(low, 32_768)), *range(high + 1, 65_536)] or list(range(1024, low))
    for port in random.sample(candidates, min(_TRIES, len(candidates))):
        if port not in avoid and why_not_listen(host, port) is None:
            return port
    raise Unavailable(f"no free port on {host} outside of net.ipv4.ip_local_port_range ({low} to {high}); narrow that")


def ephemeral_range() -> tuple[int, int]:
    """First and last port that the kernel gives to outgoing connections."""
    low, high = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    return int(low), int(high)


def why_not_listen(host: str, port: int) -> str | None:
    """What the kernel has against listening on a port now, in its words; None: nothing."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError as error:
            return error.strerror
    return None
