"""TCP connections as the kernel knows them: their names, their states, and how much has passed through them.

Linux only: /proc/net/tcp and tcp6 (proc(5)), TCP_INFO and the queue lengths of tcp(7).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
import termios
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

ESTABLISHED = 1
"""<linux/tcp_states.h>, as are the numbers in the tables."""

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ACKED_AND_RECEIVED = struct.Struct("QQ")
_ACKED_AT = 120
"""tcpi_bytes_acked and tcpi_bytes_received in struct tcp_info of <linux/tcp.h>, from Linux 4.1 on."""


class Open(Protocol):
    """An open socket, whoever reads it: what an event loop hands out for one is no `socket.socket`."""

    def fileno(self) -> int: ...
    def getsockname(self) -> tuple[str, int]: ...
    def getpeername(self) -> tuple[str, int]: ...
    def getsockopt(self, level: int, name: int, size: int, /) -> bytes: ...


class Name(msgspec.Struct, frozen=True):
    """What the kernel calls a connection, in its own spelling."""

    local: str
    remote: str
    inode: int
    """Of the socket: tells it from a later connection between the same two ends."""


class Passed(NamedTuple):
    """Bytes of a connection that its process has taken from the kernel and given to it."""

    read: int
    written: int


class Entry(NamedTuple):
    """A line of the kernel's table."""

    state: int
    inode: int
    """0: no process has the connection any more."""


Ends = tuple[str, str]
"""Local and remote, as the kernel spells them."""


def name_of(sock: Open) -> Name:
    """Raises OSError: it is not connected any more."""
    return Name(_spelled(sock.getsockname()), _spelled(sock.getpeername()), os.fstat(sock.fileno()).st_ino)


def passed(sock: Open) -> Passed | None:
    """How much has passed so far, by the kernel's own count; None: the connection is not established any more."""
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKED_AT + _ACKED_AND_RECEIVED.size)
        unread, unacked = (_queued(sock.fileno(), which) for which in (termios.FIONREAD, termios.TIOCOUTQ))
    except OSError:
        return None
    if info[0] != ESTABLISHED:
        return None
    acked, received = _ACKED_AND_RECEIVED.unpack_from(info, _ACKED_AT)
    return Passed(received - unread, acked + unacked)


def table() -> dict[Ends, Entry]:
    """Every TCP connection of this network namespace, those included that no process has any more."""
    found: dict[Ends, Entry] = {}
    for file in _TABLES:
        with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
            for line in file.read_text().splitlines()[1:]:
                fields = line.split()
                found[fields[1], fields[2]] = Entry(int(fields[3], 16), int(fields[9]))
    return found


def _queued(fd: int, which: int) -> int:
    return int(struct.unpack("i", fcntl.ioctl(fd, which, bytes(4)))[0])


def _spelled(address: tuple[str, int]) -> str:
    """The words of the address in hexadecimal, each in the machine's byte order, and the port: 0100007F:1F90."""
    host, port = address[0].partition("%")[0], address[1]
    packed = socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"
