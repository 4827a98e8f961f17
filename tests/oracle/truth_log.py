"""The log of the truth server: what it really did, on CLOCK_MONOTONIC, written as it happens and read afterwards.

Entries go into a file mapped into memory: writing one costs no system call, and what was written outlives SIGKILL.
"""

from __future__ import annotations

import mmap
import struct
import time
from enum import IntEnum, auto
from pathlib import Path
from typing import NamedTuple

_HEADER = struct.Struct("<qq")
"""Entries written; when the server was last known to run."""
_ENTRY = struct.Struct("<qqqiiiHH")


class What(IntEnum):
    STARTED = auto()
    """a: pid."""
    SECTION = auto()
    """Section `a`, in the order of the script, begins."""
    BEGUN = auto()
    """Act `b` of section `a` took effect (for an outage: what it ends has ended)."""
    OVER = auto()
    """Act `b` of section `a` is over (for an outage: the doors are open again)."""
    LISTENS = auto()
    DEAF = auto()
    """It stopped listening."""
    ACCEPTED = auto()
    REFUSED = auto()
    """A handshake was answered by 503, or its connection reset."""
    SHAKEN = auto()
    """The handshake's answer was written."""
    ENDED = auto()
    """a: an `End`."""
    ASKED = auto()
    """A request, `a`: its id, `b`: when the server read it; the time is when it reached this machine's end."""
    ANSWERED = auto()
    """The reply to `a` was written; b: 1, or 0 for an error."""
    SWALLOWED = auto()
    """The request `a` will never be answered."""
    SUBSCRIBED = auto()
    """a: the head at that instant (told, if the feed tells it)."""
    PUBLISHED = auto()
    """Number `a` of a channel; once, whoever gets it."""
    PUSHED = auto()
    """A copy of number `a` was written; b: a `Copy`."""
    DROPPED = auto()
    """A copy of number `a` was not sent to this open connection; b: 1 if it was thrown away after a stall."""
    MARKED = auto()
    """The high-water mark `a` was told."""


class End(IntEnum):
    """Who ended a connection."""

    RST = 0
    FIN = 1
    CLOSE = 2
    PEER = 3
    OVERFLOW = 4
    """The client did not read what it was sent."""


class Copy(IntEnum):
    LIVE = 0
    DUPLICATE = 1
    LATE = 2
    """After its successor."""
    REPLAY = 3


class Entry(NamedTuple):
    t: int
    """On CLOCK_MONOTONIC, in ns; `TruthLog` shifts it to run time."""
    a: int
    b: int
    conn: int
    client: int
    channel: int
    what: int
    epoch: int


class Writer:
    def __init__(self, path: Path, entries: int) -> None:
        size = _HEADER.size + entries * _ENTRY.size
        with path.open("x+b") as file:
            file.truncate(size)
            self._map = mmap.mmap(file.fileno(), size)
        self._at = _HEADER.size
        self._size = size
        self._count = 0

    def note(
        self,
        what: What,
        *,
        t: int | None = None,
        a: int = 0,
        b: int = 0,
        conn: int = -1,
        client: int = -2,
        channel: int = -1,
        epoch: int = 0,
    ) -> int:
        """Write an entry; returns its time."""
        now = time.monotonic_ns()
        at = self._at
        if at + _ENTRY.size > self._size:
            raise SystemExit("the log is full; give the script more `entries`")
        _ENTRY.pack_into(self._map, at, now if t is None else t, a, b, conn, client, channel, what, epoch)
        self._at = at + _ENTRY.size
        self._count += 1
        _HEADER.pack_into(self._map, 0, self._count, now)
        return now

    def alive(self) -> None:
        _HEADER.pack_into(self._map, 0, self._count, time.monotonic_ns())


def read_entries(path: Path, origin_ns: int) -> tuple[list[Entry], int]:
    """The entries of one start in the order of writing, and when the process was last known to run; as run time."""
    with path.open("rb") as file:
        count, alive = _HEADER.unpack(file.read(_HEADER.size))
        data = file.read(count * _ENTRY.size)
    return [Entry(t - origin_ns, *rest) for t, *rest in _ENTRY.iter_unpack(data)], alive - origin_ns


def logs(folder: Path) -> list[Path]:
    """One for each start of the server, in order."""
    return sorted(folder.glob("truth-*.log"), key=lambda path: int(path.stem.split("-")[1]))


def next_log(folder: Path) -> Path:
    return folder / f"truth-{len(logs(folder))}.log"


def last_pid(folder: Path) -> int:
    """The process that wrote the newest log."""
    entries, _ = read_entries(logs(folder)[-1], 0)
    return next(entry.a for entry in entries if entry.what == What.STARTED)
