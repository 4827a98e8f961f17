"""The folder of a series: `series.jsonl` beside the folders of its runs, written and read back.

A line is on disk before what it tells of happens, so that a series that is cut off can be scored like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from chaosrun.against import Against
from chaosrun.errors import Exit, UsageError
from chaosrun.journal import JOURNAL
from chaosrun.linelog import Line, LineLog, is_plain, read_lines

SERIES = "series.jsonl"


class Planned(Line, frozen=True, kw_only=True):
    """The first line: what was asked for."""

    schema: int = 1
    runs: int
    seed: int
    cool_down_ns: int
    against: Against | None = None
    """The earlier runs that all of them together are held against."""


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


class SeriesLog(LineLog):
    """Writes `series.jsonl`, line by line."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / SERIES)


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
    lines = read_lines(path, Planned | Begun | Broken | Halted)
    if not lines or not isinstance(lines[0], Planned):
        raise UsageError(f"{path}: its first line is missing or torn; nothing can be scored from it")
    series = as_series(lines)
    outside = next((run.folder for run in series.begun if not is_plain(run.folder)), None)
    if outside is not None:
        raise UsageError(f"{path}: names {outside!r} as a run; one of this series is right below its folder")
    if series.broken is None and series.begun and not kept_anything(folder / series.begun[-1].folder):
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


def kept_anything(run: Path) -> bool:
    """The run's own first line is on disk; lines of its load may be there before it."""
    try:
        return b'"type":"began"' in (run / JOURNAL).read_bytes()
    except OSError:
        return False
