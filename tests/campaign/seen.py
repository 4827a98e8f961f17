"""The state of the machine, read from the kernel and over the wire. Nothing of chaosrun is asked, or imported."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

_ANSWER_WITHIN_S = 2.0
_ENDED = "ZX"
_STOPPED = "Tt"
_ESTABLISHED = "01"
"""Of the table of connections (kernel: include/net/tcp_states.h)."""


class Who(NamedTuple):
    """A process, told from a later one with its pid."""

    pid: int
    start: int
    """In clock ticks since boot."""


class Entry(NamedTuple):
    """One process at one look."""

    who: Who
    parent: int
    state: str

    @property
    def runs(self) -> bool:
        return self.state not in _ENDED


def processes() -> dict[int, Entry]:
    """All that are in the process table, by pid."""
    found = {}
    for name in Path("/proc").iterdir():
        if name.name.isdigit() and (entry := _entry(int(name.name))) is not None:
            found[entry.who.pid] = entry
    return found


def _entry(pid: int) -> Entry | None:
    try:
        line = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # proc(5): the second field is a name in parentheses, which may hold anything; state, parent, ... start time follow.
    fields = line.rpartition(")")[2].split()
    return Entry(Who(pid, int(fields[19])), int(fields[1]), fields[0])


def is_there(who: Who) -> bool:
    entry = _entry(who.pid)
    return entry is not None and entry.who == who and entry.runs


def family(pid: int) -> set[Who]:
    """Everything below `pid` right now."""
    table = processes()
    below: set[int] = set()
    grew = {pid}
    while grew:
        grew = {each.who.pid for each in table.values() if each.parent in grew} - below
        below |= grew
    return {table[each].who for each in below if table[each].runs}


def carrying(variable: str, value: str) -> Iterator[Who]:
    """The processes that run and have this in the environment that they were started with."""
    wanted = f"{variable}={value}".encode()
    for pid, entry in processes().items():
        with contextlib.suppress(OSError):
            if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") and entry.runs:
                yield entry.who


def command_line(pid: int) -> list[str]:
    """Empty for one that is gone."""
    try:
        return [word.decode(errors="replace") for word in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")]
    except OSError:
        return []


def is_stopped(pid: int) -> bool:
    """Whether the kernel calls any thread of it stopped."""
    states = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                states.append((task / "stat").read_text(errors="replace").rpartition(")")[2].split()[0])
    return any(state in _STOPPED for state in states)


def shown(who: Iterable[Who]) -> str:
    return ", ".join(f"{each.pid} {' '.join(command_line(each.pid))[:120]}" for each in who)


def connections_to(port: int) -> int:
    """How many connections the kernel has established at this port of ours."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    rows = (line.split() for line in lines)
    return sum(row[1].endswith(f":{port:04X}") and row[3] == _ESTABLISHED for row in rows)


def shakes_hands(port: int) -> bool:
    """Whether a WebSocket handshake (RFC 6455 4.1) at this port of loopback is answered by the book."""
    asked = (
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_ANSWER_WITHIN_S) as connection:
            connection.sendall(asked.encode())
            told = b""
            while b"\r\n\r\n" not in told and (piece := connection.recv(4096)):
                told += piece
    except OSError:
        return False
    return told.startswith(b"HTTP/1.1 101") and b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in told
