"""What came of a run that was recorded: its score, kept beside the records, and the reports that were drawn of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaosrun.errors import ChaosrunError, Exit
from chaosrun.judge import Assessed, assess
from chaosrun.recorded import read_run
from chaosrun.runfolder import write_whole
from chaosrun.scoring.repeats import worst
from chaosrun.scoring.result import Result, encode

Draw = Callable[[Path, Assessed], Sequence[Exception]]
"""Draws the reports of a run into its folder; what it returns kept one from being there."""


def draw_nothing(_folder: Path, _assessed: Assessed) -> Sequence[Exception]:
    return ()


@dataclass(frozen=True)
class Outcome:
    result: Result
    folder: Path
    undrawn: Sequence[Exception] = ()
    """What kept reports from being drawn or written. The verdict stands, and the exit code tells of it."""

    @property
    def exit(self) -> Exit:
        return code_of(Exit(self.result.exit_code), self.undrawn)


def code_of(verdict: Exit, undrawn: Iterable[Exception]) -> Exit:
    """The exit code of a verdict together with what kept reports from being drawn."""
    return worst((verdict, *(e.exit if isinstance(e, ChaosrunError) else Exit.DEFECT for e in undrawn)))


def score(folder: Path, draw: Draw = draw_nothing) -> Outcome:
    """Score a recorded run, write its `result.json`, the same bytes each time, and draw its reports.

    Raises:
        UsageError: the folder holds no run.
        Unwritable: the result cannot be written.
    """
    recording = read_run(folder)
    assessed = assess(recording.history, recording.began)
    write_whole(folder / "result.json", encode(assessed.result))
    return Outcome(assessed.result, folder, draw(folder, assessed))
