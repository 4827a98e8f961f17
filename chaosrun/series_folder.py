"""The folder of a series: `series.jsonl` beside the folders of its runs, written and read back.

A line is on disk before what it tells of happens, so that a series that is cut off can be scored like any other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from chaosrun.errors import Exit, Unwritable, UsageError
from chaosrun.journal import JOURNAL, UNREADABLE, Appender

SERIES = "series.jsonl"


class Line(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=str.lower):
    """A line of `series.jsonl`."""


class Planned(Line, frozen=True, kw_only=True):
    """The first line: what was asked for."""

    schema: int = 1
    runs: int
    seed: int
    cool_down_ns: int


class Begun(Line, frozen=True, kw_only=True):
    """A run begins."""

    folder: str
    """Its name below the series' folder."""
    offset_ns: int
    """So much later than planned the baseline ends, and the first fault falls."""


class Broken(Line, frozen=True, kw_only=True):
    """The run that began last ended without a result; the series ends with it."""

    exit_code: Exit
    why: str


class Halted(Line, frozen=True, kw_only=True):
    """The series ended before its last run: by a signal, or because the next run could not begin."""

    exit_code: Exit
    why: str


@dataclass(frozen=True)
class Series:
    """A series as recorded."""

    planned: Planned
    begun: tuple[Begun, ...]
    broken: Broken | None
    halted: Halted | None

    @property
    def scorable(self) -> tuple[Begun, ...]:
        """The runs that a result can be made of, in their order."""
        return self.begun if self.broken is None else self.begun[:-1]


class SeriesLog:
    """Writes `series.jsonl`, line by line."""

    def __init__(self, folder: Path) -> None:
        self.lines: list[Line] = []
        self._file = Appender(folder / SERIES)
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


def is_series(folder: Path) -> bool:
    return (folder / SERIES).is_file()


def runs_of(folder: Path) -> tuple[Path, ...]:
    """The folders of a series' runs that a result can be made of, in their order; the folder of a run gives itself.

    Raises:
        UsageError: it is the folder of neither a run nor a series.
    """
    if is_series(folder):
        return tuple(folder / run.folder for run in read_series(folder).scorable)
    if (folder / JOURNAL).is_file():
        return (folder,)
    raise UsageError(f"{folder}: neither a run ({JOURNAL}) nor a series ({SERIES}) was recorded here")


def read_series(folder: Path) -> Series:
    """Read `series.jsonl`; a torn last line is left out, and a run that was cut off before it kept anything is broken.

    Raises:
        UsageError: there is none that can be read, its first line is missing, or it names a run that lies elsewhere.
    """
    path = folder / SERIES
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); name the folder of a series") from error
    lines = _lines(data)
    if not lines or not isinstance(lines[0], Planned):
        raise UsageError(f"{path}: its first line is missing or torn; nothing can be scored from it")
    series = as_series(lines)
    outside = next((run.folder for run in series.begun if not _is_plain(run.folder)), None)
    if outside is not None:
        raise UsageError(f"{path}: names {outside!r} as a run; one of this series is right below its folder")
    if series.broken is None and series.begun and not _kept_anything(folder / series.begun[-1].folder):
        cut_off = Broken(exit_code=Exit.INCONCLUSIVE, why="it was cut off before it kept anything")
        return replace(series, broken=cut_off)
    return series


def as_series(lines: Sequence[Line]) -> Series:
    """A series from its lines, the first of which is what was planned."""
    planned = lines[0]
    assert isinstance(planned, Planned)
    return Series(
        planned=planned,
        begun=tuple(line for line in lines if isinstance(line, Begun)),
        broken=next((line for line in lines if isinstance(line, Broken)), None),
        halted=next((line for line in lines if isinstance(line, Halted)), None),
    )


def _is_plain(name: str) -> bool:
    """Whoever wrote the file: what is scored is written to, and must not lie elsewhere."""
    return name not in ("", ".", "..") and not {"/", "\0"} & set(name)


def _kept_anything(run: Path) -> bool:
    """The run's own first line is on disk; lines of its load may be there before it."""
    try:
        return b'"type":"began"' in (run / JOURNAL).read_bytes()
    except OSError:
        return False


def _lines(data: bytes) -> list[Planned | Begun | Broken | Halted]:
    decoder = msgspec.json.Decoder(Planned | Begun | Broken | Halted)
    lines = []
    for raw in data.split(b"\n"):
        try:
            lines.append(decoder.decode(raw))
        except UNREADABLE:
            continue
    return lines
