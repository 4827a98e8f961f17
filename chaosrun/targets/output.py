"""What a role's process writes: kept in a bounded file, its last lines in memory, and watched for a line."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from pathlib import Path

LIMIT = 10 << 20
"""Bytes of output that are kept in the file over the whole run; what comes later is only counted."""

_TAIL = 16 << 10


class Output:
    """The output of one role over all its starts.

    It is taken in by a thread per process, so that neither a busy event loop nor a full pipe holds the role up.
    """

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        self.path = path
        self._limit = limit
        self._kept = 0
        self._tail = bytearray()
        self._threads: list[threading.Thread] = []
        self._watches: tuple[Watch, ...] = ()
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    def take(self, pipe: int, watch: Watch | None = None) -> None:
        """Reads the descriptor `pipe` to its end, in a thread of its own, shows it to `watch`, and closes it."""
        name = f"output of {self.path.stem}"
        thread = threading.Thread(target=self._drain, args=(pipe, watch), name=name, daemon=True)
        thread.start()
        self._threads = [*(each for each in self._threads if each.is_alive()), thread]

    def watch(self, pattern: str) -> Watch:
        """What sees the lines that match from now on, of all processes of the role."""
        watch = Watch(pattern)
        self._watches = (*self._watches, watch)
        return watch

    def settle(self, timeout_s: float = 1.0) -> None:
        """Waits for the rest of what ended processes wrote; not for longer, for a child may still hold their pipe."""
        for thread in self._threads:
            thread.join(timeout_s)

    def tail(self, lines: int = 10) -> str:
        """The last lines that were written, at most 16 KiB of them."""
        with self._lock:
            text = self._tail.decode(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def _drain(self, pipe: int, watch: Watch | None) -> None:
        with self.path.open("ab", buffering=0) as file:
            while chunk := os.read(pipe, 1 << 16):
                with self._lock:
                    kept = chunk[: self._limit - self._kept]
                    self._kept += len(kept)
                    self._tail = (self._tail + chunk)[-_TAIL:]
                for each in (*self._watches, *([watch] if watch is not None else [])):
                    each.feed(chunk)
                # A full disk must not block the role: its pipe is read on, though nothing is kept.
                with contextlib.suppress(OSError):
                    file.write(kept)
                    if kept and self._kept == self._limit:
                        file.write(b"\n[chaosrun keeps no more of this output]\n")
        os.close(pipe)


class Watch:
    """Looks in the output of one process for a line with `pattern`, a regular expression."""

    def __init__(self, pattern: str) -> None:
        self.seen = False
        self._pattern = re.compile(pattern)
        self._begun = b""

    def feed(self, chunk: bytes) -> None:
        *lines, self._begun = (self._begun + chunk).split(b"\n")
        self._begun = self._begun[-_TAIL:]
        # The line that is not complete yet counts as well: a prompt may never be.
        self.seen = self.seen or any(
            self._pattern.search(each.decode(errors="replace")) for each in (*lines, self._begun)
        )
