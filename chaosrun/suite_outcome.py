"""What came of several experiments that were recorded: the record over them all, kept beside their runs, and the
reports that were drawn of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chaosrun import outcome as single
from chaosrun import series
from chaosrun.errors import Exit, Unwritable, UsageError
from chaosrun.outcome import Draw, Outcome, code_of, draw_nothing
from chaosrun.runfolder import write_whole
from chaosrun.scoring import suite as record
from chaosrun.scoring.repeats import Stop
from chaosrun.scoring.result import Result
from chaosrun.scoring.suite import Asked, Suite, SuiteRun
from chaosrun.series_folder import is_series
from chaosrun.suite_folder import RECORD, SuiteLines, read_suite

DrawSuite = Callable[[Path, Suite, Mapping[int, Result]], Sequence[Exception]]
"""Draws the reports over all into the folder, from the results that there are, by the numbers of their experiments from
1; what it returns kept one from being there."""


def draw_no_suite(_folder: Path, _suite: Suite, _results: Mapping[int, Result]) -> Sequence[Exception]:
    return ()


@dataclass(frozen=True)
class SuiteOutcome:
    """What came of a sequence that is recorded."""

    suite: Suite
    folder: Path
    outcomes: Mapping[int, Outcome] = field(default_factory=dict, repr=False)
    """Of the experiments that have a result, by their numbers from 1."""
    undrawn: Sequence[Exception] = ()
    """What kept reports from being drawn or written, of an experiment or over all."""

    @property
    def exit(self) -> Exit:
        return code_of(Exit(self.suite.exit_code), self.undrawn)


def score(folder: Path, draw: Draw = draw_nothing, draw_suite: DrawSuite = draw_no_suite) -> SuiteOutcome:
    """Score every run of a recorded sequence again, drawing its reports, and then all together: the same bytes.

    Raises:
        UsageError: the folder holds no sequence.
    """
    lines = read_suite(folder)
    outcomes: dict[int, Outcome] = {}
    for number, name in lines.scorable.items():
        with contextlib.suppress(UsageError):  # of a series that was cut off in its first run
            outcomes[number] = (series.score if is_series(folder / name) else single.score)(folder / name, draw)
    return keep(folder, lines, outcomes, draw_suite)


def keep(folder: Path, lines: SuiteLines, outcomes: Mapping[int, Outcome], draw: DrawSuite) -> SuiteOutcome:
    """Write `suite.json`, the same bytes for the same lines and results, and draw the reports over all."""
    planned, halted = lines.planned, lines.halted
    rows = [_row(number, asked, folder, lines, outcomes) for number, asked in enumerate(planned.asked, 1)]
    suite = record.combine(
        rows,
        title=planned.title,
        version=planned.chaosrun_version,
        started_at=planned.started_at,
        duration_ns=None if lines.ended is None else lines.ended.duration_ns,
        cool_down_ns=planned.cool_down_ns,
        halted=None if halted is None else Stop(halted.exit_code, halted.why),
        day=lines.day,
    )
    undrawn = [error for outcome in outcomes.values() for error in outcome.undrawn]
    try:
        write_whole(folder / RECORD, record.encode(suite))
    except Unwritable as error:
        return SuiteOutcome(suite, folder, outcomes, [*undrawn, error])
    results = {number: outcome.result for number, outcome in outcomes.items()}
    return SuiteOutcome(suite, folder, outcomes, [*undrawn, *draw(folder, suite, results)])


def _row(number: int, asked: Asked, folder: Path, lines: SuiteLines, outcomes: Mapping[int, Outcome]) -> SuiteRun:
    begun, outcome = lines.begun.get(number), outcomes.get(number)
    name = None if begun is None or not (folder / begun.folder).is_dir() else begun.folder
    if (left_out := lines.skipped.get(number)) is not None:
        return record.skipped(asked, left_out.exit_code, left_out.why)
    if (broken := lines.broken.get(number)) is not None:
        return record.broke_off(asked, name, broken.exit_code, broken.why)
    if begun is not None and outcome is not None:
        return record.ran(asked, begun.folder, outcome.result)
    if begun is not None:
        return record.broke_off(asked, name, Exit.INCONCLUSIVE, "it was cut off before any run of it had a result")
    return record.not_run(asked, "nothing tells why" if lines.halted is None else lines.halted.why)
