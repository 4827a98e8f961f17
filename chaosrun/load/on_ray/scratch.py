"""A folder for what a worker records on its own machine, until it has been brought to the run's."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

PREFIX: Final = "chaosrun-ray-"
LOCK: Final = "lock"


class Scratch:
    """Made anew. Those of workers that were killed, which could not remove them, are removed then.

    Whether its worker still lives is told by a lock, which the kernel takes from who dies; numbers of processes tell
    nothing where several containers share a folder.
    """

    def __init__(self) -> None:
        for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
            _remove_if_left(left)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        # It gets its name when it is held: another worker that begins just now may look for those that nobody holds.
        unheld = self.path / f"{LOCK}.new"
        self._lock = os.open(unheld, os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        unheld.rename(self.path / LOCK)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _remove_if_left(folder: Path) -> None:
    # Without a lock it has only just been made, or is not ours.
    with contextlib.suppress(OSError):
        lock = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
