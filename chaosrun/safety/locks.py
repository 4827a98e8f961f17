"""Whose turn it is: a lock on a file, which ends with the process that holds it.

On the journal of a run it says who acts for the run: the runner for as long as it lives, then its guardian, or
`chaosrun recover`.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

_LOOK_EVERY_S = 0.02


class Lock:
    """An exclusive lock on an open file; it is let go by `release`, or by the end of its holder."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path, *, within_s: float = 0.0, create: bool = False) -> Self | None:
        """The lock; None: somebody else has had it all the while.

        Raises:
            OSError: there is no such file, or it cannot be opened.
        """
        # Not inherited: a child that outlives us must not hold it.
        flags = os.O_RDWR | os.O_CREAT if create else os.O_RDONLY
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
        if take(descriptor, within_s=within_s):
            return cls(descriptor)
        os.close(descriptor)
        return None

    def release(self) -> None:
        """Let it go; nothing if that was done."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def take(descriptor: int, *, within_s: float | None, clock: Callable[[], float] = time.monotonic) -> bool:
    """Lock an open file until it is closed. Blocks.

    Args:
        within_s: give up after so long; None: never.
    """
    end = None if within_s is None else clock() + within_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if end is not None and clock() >= end:
                return False
            time.sleep(_LOOK_EVERY_S)
        else:
            return True
