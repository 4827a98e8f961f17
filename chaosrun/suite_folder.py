"""The folder of several experiments: `suite.jsonl` beside the folders of their runs, written and read back.

A line is on disk before what it tells of happens, so that one that is cut off can be scored as any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from chaosrun.errors import Exit, UsageError
from chaosrun.journal import JOURNAL
from chaosrun.linelog import Line, LineLog, is_plain, read_lines
from chaosrun.scoring.suite import Asked, Day
from chaosrun.series_folder import is_series, kept_anything

LOG = "suite.jsonl"
RECORD = "suite.json"

Kind = Literal["suite", "day"]
"""What its folder is named for: a folder of experiments, or a game day."""


class Planned(Line, frozen=True, kw_only=True):
    """The first line: what was asked for."""

    schema: int = 1
    chaosrun_version: str
    title: str
    kind: Kind
    started_at: str
    cool_down_ns: int
    asked: tuple[Asked, ...]


class Skipped(Line, frozen=True, kw_only=True):
    """An experiment is left out, as was asked for; `number` counts from 1."""

    number: int
    exit_code: Exit
    why: str


class Begun(Line, frozen=True, kw_only=True):
    """An experiment begins."""

    number: int
    folder: str
    """Of its run or series: its name below the suite's folder."""


class Broken(Line, frozen=True, kw_only=True):
    """An experiment that was begun ended without a result, or could not be begun."""

    number: int
    exit_code: Exit
    why: str


class Halted(Line, frozen=True, kw_only=True):
    """It ended before its last experiment."""

    exit_code: Exit
    why: str


class Told(Line, frozen=True, kw_only=True):
    """What a game day has beyond its experiments; the last such line counts."""

    day: Day


class Ended(Line, frozen=True, kw_only=True):
    """All is over."""

    duration_ns: int


@dataclass(frozen=True)
class SuiteLines:
    """A suite as recorded; experiments by their numbers."""

    planned: Planned
    skipped: Mapping[int, Skipped]
    begun: Mapping[int, Begun]
    broken: Mapping[int, Broken]
    halted: Halted | None
    ended: Ended | None
    day: Day | None

    @property
    def scorable(self) -> dict[int, str]:
        """The folders of the experiments that a result can be made of."""
        return {
            number: begun.folder
            for number, begun in self.begun.items()
            if number not in self.broken and number not in self.skipped
        }


class SuiteLog(LineLog):
    """Writes `suite.jsonl`, line by line."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / LOG)


def is_suite(folder: Path) -> bool:
    return (folder / LOG).is_file()


def read_suite(folder: Path) -> SuiteLines:
    """Read `suite.jsonl`; an experiment that was cut off before it kept anything is broken.

    Raises:
        UsageError: there is none that can be read, its first line is missing, or it names a run that lies elsewhere.
    """
    path = folder / LOG
    lines = read_lines(path, Planned | Skipped | Begun | Broken | Halted | Told | Ended)
    if not lines or not isinstance(lines[0], Planned):
        raise UsageError(f"{path}: its first line is missing or torn; nothing can be scored from it")
    suite = as_suite(lines)
    for begun in suite.begun.values():
        if not is_plain(begun.folder):
            raise UsageError(f"{path}: names {begun.folder!r} as a run; one of this suite is right below its folder")
    gone = {
        number: Broken(number=number, exit_code=Exit.INCONCLUSIVE, why="it was cut off before it kept anything")
        for number, name in suite.scorable.items()
        if not is_series(folder / name) and not kept_anything(folder / name)
    }
    return replace(suite, broken={**suite.broken, **gone})


def as_suite(lines: Sequence[Line]) -> SuiteLines:
    """A suite from its lines, the first of which is what was planned."""
    planned = lines[0]
    assert isinstance(planned, Planned)
    numbers = range(1, len(planned.asked) + 1)
    days = [line.day for line in lines if isinstance(line, Told)]
    return SuiteLines(
        planned=planned,
        skipped={line.number: line for line in lines if isinstance(line, Skipped) and line.number in numbers},
        begun={line.number: line for line in lines if isinstance(line, Begun) and line.number in numbers},
        broken={line.number: line for line in lines if isinstance(line, Broken) and line.number in numbers},
        halted=next((line for line in lines if isinstance(line, Halted)), None),
        ended=next((line for line in lines if isinstance(line, Ended)), None),
        day=days[-1] if days else None,
    )


def runs_in(folder: Path) -> tuple[Path, ...]:
    """The folders of a suite's runs and series that a result can be made of, in their order.

    Raises:
        UsageError: as `read_suite`.
    """
    suite = read_suite(folder)
    return tuple(folder / name for _, name in sorted(suite.scorable.items()) if _recorded(folder / name))


def _recorded(folder: Path) -> bool:
    return is_series(folder) or (folder / JOURNAL).is_file()
