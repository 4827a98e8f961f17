"""A file of lines that tells of several runs: each line is on disk before what it tells of happens."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import UnionType
from typing import Any

import msgspec

from chaosrun.errors import Unwritable, UsageError
from chaosrun.journal import UNREADABLE, Appender


class Line(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=str.lower):
    """A line of such a file."""


class LineLog:
    """Writes one, line by line."""

    def __init__(self, path: Path) -> None:
        self.lines: list[Line] = []
        """What it was told, whether it could be written or not."""
        self._file = Appender(path)
        self._encoder = msgspec.json.Encoder()

    def write(self, line: Line) -> None:
        """Add a line, and wait until it is on disk.

        Raises:
            Unwritable: the disk is full or gone.
        """
        self.lines.append(line)
        self._file.write(self._encoder.encode(line) + b"\n")
        self._file.sync()

    def close(self) -> None:
        with contextlib.suppress(Unwritable):  # `write` has told of it
            self._file.close()


def read_lines(path: Path, kinds: type[Line] | UnionType) -> list[Any]:
    """The lines that are of one of these kinds; a torn last line is left out.

    Raises:
        UsageError: there is no such file, or it cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    decoder = msgspec.json.Decoder(kinds)
    lines = []
    for raw in data.split(b"\n"):
        with contextlib.suppress(*UNREADABLE):
            lines.append(decoder.decode(raw))
    return lines


def is_plain(name: str) -> bool:
    """Whether it names something right below a folder. Whoever wrote the file: what is scored is written to, and must
    not lie elsewhere."""
    return name not in ("", ".", "..") and not {"/", "\0"} & set(name)
