"""What a role's process writes: kept in a bounded file, its last lines in memory, and watched for a line."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from pathlib import Path
from typing import BinaryIO

from chaosrun.journal import unwritable
from chaosrun.spec.masking import NO_SECRETS, Mask

LIMIT = 10 << 20
"""Bytes of output that are kept in the file over the whole run; what comes later is only counted."""

_TAIL = 16 << 10
_LONGEST_LINE = 64 << 10
_LONGEST_SECRET = 4 << 10
"""Of a line that is longer so much is held back."""


class Output:
    """The output of one role over all its starts.

    It is taken in by a thread per process, so that neither a busy event loop nor a full pipe holds the role up.
    """

    def __init__(self, path: Path, limit: int = LIMIT, mask: Mask = NO_SECRETS) -> None:
        """
        Args:
            mask: blanks out secrets, line by line, in all that is kept and shown.

        Raises:
            Unwritable: the file cannot be made.
        """
        self.path = path
        self._limit = limit
        self._mask = mask
        self._begun = b""
        """The line that is not complete yet, where secrets are blanked out."""
        self._kept = 0
        self._tail = bytearray()
        self._threads: list[threading.Thread] = []
        self._watches: tuple[Watch, ...] = ()
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        except OSError as error:
            raise unwritable(path, error) from error

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
            text = (self._tail + self._mask.data(self._begun)).decode(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def _drain(self, pipe: int, watch: Watch | None) -> None:
        # A full disk, or a folder that is gone, must not block the role: its pipe is read on, though nothing is kept.
        with contextlib.ExitStack() as closing:
            file: BinaryIO | None = None
            with contextlib.suppress(OSError):
                file = closing.enter_context(self.path.open("ab", buffering=0))
            begun = b""
            while chunk := os.read(pipe, 1 << 16):
                for each in (*self._watches, *([watch] if watch is not None else [])):
                    each.feed(chunk)
                whole, begun = self._lines(begun + chunk)
                self._keep(file, whole, begun)
            self._keep(file, self._mask.data(begun), b"")
        os.close(pipe)

    def _lines(self, data: bytes) -> tuple[bytes, bytes]:
        """What can be kept and shown by now, without secrets, and the rest: half a secret would not be found."""
        if not self._mask:
            return data, b""
        whole, end, begun = data.rpartition(b"\n")
        if len(begun) <= _LONGEST_LINE:
            return self._mask.data(whole + end), begun
        masked = self._mask.data(data)
        return masked[:-_LONGEST_SECRET], masked[-_LONGEST_SECRET:]

    def _keep(self, file: BinaryIO | None, data: bytes, begun: bytes) -> None:
        with self._lock:
            kept = data[: self._limit - self._kept]
            self._kept += len(kept)
            self._tail = (self._tail + data)[-_TAIL:]
            self._begun = begun
            is_full = bool(kept) and self._kept == self._limit
        with contextlib.suppress(OSError):
            if file is not None:
                file.write(kept + (b"\n[chaosrun keeps no more of this output]\n" if is_full else b""))


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
