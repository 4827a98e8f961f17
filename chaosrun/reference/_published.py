"""The log of what a service published: a line `CHANNEL NUMBER EPOCH NS` for each publication, NS being CLOCK_MONOTONIC.

A line is written through before its message is sent, so that after a SIGKILL no client can hold a number that the log
lacks. One boot appends to what the boot before it wrote.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from chaosrun.records import Published


class PublishedLog:
    """The file, written to."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._drop_torn_line(path)

    def write(self, publications: Iterable[tuple[str, int, str]], now_ns: int) -> None:
        """Adds what is published now, as channel, number and epoch."""
        lines = "".join(f"{channel} {seq} {epoch} {now_ns}\n" for channel, seq, epoch in publications)
        os.write(self._fd, lines.encode())

    def _drop_torn_line(self, path: Path) -> None:
        # An earlier boot may have been killed inside a write. What it tore was never sent.
        content = path.read_bytes()
        os.ftruncate(self._fd, content.rfind(b"\n") + 1)


def read_published(log: Path, origin_ns: int = 0) -> Iterator[Published]:
    """One record for each line, in order, at ns after `origin_ns`; a torn last line is left out.

    No log means that the service never came to publish anything.
    """
    if not log.exists():
        return
    with log.open() as lines:
        for line in lines:
            if line.endswith("\n"):
                channel, seq, epoch, at = line.split()
                number = int(seq)
                yield Published(t=int(at) - origin_ns, channel=channel, first=number, last=number, epoch=epoch)
