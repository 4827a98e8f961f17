"""`host:port` in the forms of the API, and which of them are on this machine."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import NamedTuple

from chaosrun.proxy.problem import Problem


class Address(NamedTuple):
    """An IP address and a port; 0: any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return ipaddress.ip_address(self.host).is_loopback


def split(text: str) -> tuple[str, int]:
    """The host, without brackets, and the port of `host:port`. Raises `ValueError` with what is wrong."""
    host, colon, port = text.rpartition(":")
    if not colon or (host.startswith("[") != host.endswith("]")):
        raise ValueError(f"address {text}: missing port in address")
    if ":" in host and not host.startswith("["):
        raise ValueError(f"address {text}: too many colons in address")
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError(f"address {text}: invalid port")
    return host.strip("[]"), int(port)


async def resolve(text: str) -> Address:
    """Where a proxy is to listen; of a name with several addresses IPv4 is preferred. Raises `Problem` 500.

    No host means every address of the machine.
    """
    try:
        host, port = split(text)
        found = await asyncio.get_running_loop().getaddrinfo(host or "::", port, type=socket.SOCK_STREAM)
    except (ValueError, OSError) as error:
        raise Problem(500, f"listen tcp: {error}") from error
    found.sort(key=lambda each: each[0] != socket.AF_INET)
    return Address(str(found[0][4][0]), int(found[0][4][1]))


def listening_socket(address: Address, backlog: int) -> socket.socket:
    """A listening TCP socket that does not block. Raises `Problem` 500."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        sock.bind(address)
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        raise Problem(500, f"listen tcp {address}: bind: {(error.strerror or str(error)).lower()}") from error
    return sock
