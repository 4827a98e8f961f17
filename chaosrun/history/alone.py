"""Whose turn it is at the index of a folder: one process at a time, and nobody waits for ever."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from chaosrun.identity import identify
from chaosrun.processes import process_told

_LOOK_S = 0.02


@contextlib.contextmanager
def alone(folder: Path, *, within_s: float) -> Iterator[str | None]:
    """Our turn, until the end of the block; it ends with the process, too.

    Yields:
        None: it is ours; otherwise, in words, who has had it for `within_s`.

    Raises:
        OSError: the folder cannot be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield None if _take(descriptor, within_s) else _holder(descriptor)
    finally:
        os.close(descriptor)


def _take(descriptor: int, within_s: float) -> bool:
    end = time.monotonic() + within_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(_LOOK_S)
        except OSError:  # a file system without locks
            return True
        else:
            return True


def _holder(descriptor: int) -> str:
    """Who holds a lock on an open folder, as far as this process may see."""
    folder = os.fstat(descriptor)
    for pid in _holders_of(folder.st_ino):
        identity = identify(pid)
        if identity is not None and _has_open(pid, folder):
            return f"process {process_told(identity)}"
    return "a process that cannot be seen from here"


def _holders_of(inode: int) -> Iterator[int]:
    # proc_locks(5): "1: FLOCK  ADVISORY  WRITE 4711 fe:00:246947 0 EOF"; those that wait have "->" after the number.
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        words = line.split()
        if words[1:2] == ["FLOCK"] and words[5].rpartition(":")[2] == str(inode):
            yield int(words[4])


def _has_open(pid: int, folder: os.stat_result) -> bool:
    """The number of an inode is another one's on another device, of which not every file system tells the true one."""
    try:
        opened = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:  # of another user
        return True
    for each in opened:
        with contextlib.suppress(OSError):
            if os.path.samestat(each.stat(), folder):
                return True
    return False
