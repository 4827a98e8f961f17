"""What came of a run that was recorded: its score, kept beside the records, and the reports that were drawn of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaosrun.errors import ChaosrunError, Dirty, Exit, Unwritable
from chaosrun.judge import Assessed, assess, dirt
from chaosrun.recorded import read_run
from chaosrun.records import History
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
        Unwritable: the result cannot be written, and every fault was undone.
        Dirty: it cannot be written, and would have said that the system is not as it was found.
    """
    recording = read_run(folder)
    assessed = assess(recording.history, recording.began)
    try:
        write_whole(folder / "result.json", encode(assessed.result))
    except Unwritable as error:
        raise _with_undos(error, recording.history) from error
    return Outcome(assessed.result, folder, draw(folder, assessed))


def _with_undos(error: Unwritable, history: History) -> ChaosrunError:
    """What no result can be written of, and what became of the faults, which nothing else will tell now."""
    if left := dirt(history):
        return Dirty(f"{error}\nnot as it was found, see to it by hand: {'; '.join(left)}")
    return Unwritable(f"{error}\nevery fault was undone") if history.intents else error
