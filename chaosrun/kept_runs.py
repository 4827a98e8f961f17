"""Runs that are kept somewhere, as a user names them: their folders, their results, and whether they can be compared.

A run that was never scored is scored here from its journal; nothing is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from chaosrun.conditions import Conditions, Difference, differences
from chaosrun.errors import UsageError
from chaosrun.journal import JOURNAL, UNREADABLE
from chaosrun.judge import Assessed, assess, judge
from chaosrun.linelog import is_plain
from chaosrun.recorded import read_run
from chaosrun.scoring.comparable import senseless
from chaosrun.scoring.comparison import Run
from chaosrun.scoring.result import SCHEMA, Result, decode
from chaosrun.scoring.suite import Suite
from chaosrun.scoring.suite import decode as decode_suite
from chaosrun.series_folder import is_series, runs_of
from chaosrun.suite_folder import RECORD, is_suite, runs_in

RESULT = "result.json"


def find_runs(named: str) -> list[Path]:
    """The folders of runs, or results, that a user means: the folder of a run, of a series or of a suite, a folder that
    holds any of these, a result, or several of all that with commas between them.

    Raises:
        UsageError: there is nothing of that name, or no run in it.
    """
    try:
        whole = "," not in named or Path(named).exists()
    except OSError:  # too long for the name of one
        whole = False
    found = [run for part in ([named] if whole else named.split(",")) if part for run in _named(Path(part))]
    if not found:
        raise UsageError(f"{named!r}: names no run; name the folder of a run or series")
    # A run that has two names, as by a link, is one run: counted twice it would prove what it does not.
    runs: dict[Path, Path] = {}
    for run in found:
        runs.setdefault(identity(run), run)
    return list(runs.values())


def find_suites(named: str) -> list[Path]:
    """Of what a user means, the folders of suites: those that are named, or right below a folder that is named."""
    place = Path(named)
    if is_suite(place):
        return [place]
    return [below for below in sorted(place.iterdir()) if is_suite(below)] if place.is_dir() else []


def read_told(folder: Path) -> tuple[Suite, dict[int, Result]]:
    """The record over several experiments as it was told then, and the results of those that have one, by their numbers
    from 1.

    Raises:
        UsageError: it was never told, or cannot be read.
    """
    file = folder / RECORD
    try:
        suite = decode_suite(file.read_bytes())
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror}); chaosrun score {folder} makes it") from error
    except UNREADABLE as error:
        raise UsageError(f"{file}: is no {RECORD} of chaosrun: {error}; chaosrun score {folder} makes it") from error
    ran = {number: run.folder for number, run in enumerate(suite.runs, 1) if run.state == "ran" and run.folder}
    return suite, {number: read_result(folder / name / RESULT) for number, name in ran.items() if is_plain(name)}


def identity(run: Path) -> Path:
    """The same for all names of a run: its folder, or its `result.json`, by whatever way."""
    place = run.resolve()
    return place.parent if place.name == RESULT else place


def read_kept(place: Path) -> Run:
    """A run with its result.

    Raises:
        UsageError: it is no result, that of a series, or the folder of no run.
    """
    file = place if place.is_file() else place / RESULT
    result = read_result(file) if file.is_file() else _scored(place)
    if result.repeats is not None:
        raise UsageError(f"{file}: is the result of a series; name its folder, which holds the runs")
    return Run(str(place), result)


def read_result(file: Path) -> Result:
    """A result, of a run or of a series.

    Raises:
        UsageError: it cannot be read, or is none.
    """
    try:
        result = decode(file.read_bytes())
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror})") from error
    except UNREADABLE as error:
        raise UsageError(f"{file}: is no {RESULT} of chaosrun: {error}") from error
    if result.schema != SCHEMA:
        raise UsageError(
            f"{file}: is of schema {result.schema}, this chaosrun reads {SCHEMA}; read it with a newer one"
        )
    if (number := senseless(result)) is not None:
        raise UsageError(f"{file}: is no {RESULT} of chaosrun: {number} is no number that a run can have")
    return result


def is_recorded(place: Path) -> bool:
    """What was recorded of a run is still there, and not its result alone."""
    return (place / JOURNAL).is_file()


def read_assessed(folder: Path) -> Assessed:
    """A run with what was recorded of it, and its result as it was told then; where none was kept, as it is now.

    Raises:
        UsageError: the folder holds no run.
    """
    recording = read_run(folder)
    assessed = assess(recording.history, recording.began)
    file = folder / RESULT
    return replace(assessed, result=read_result(file)) if file.is_file() else assessed


def refuse_copies(runs: Sequence[Run]) -> None:
    """A run that was copied is one run: counted twice it would prove what it does not.

    Raises:
        UsageError: two of them are one, with the names of both.
    """
    known: dict[tuple[str, str, float], Run] = {}
    for run in runs:
        result = run.result
        if not result.started_at:  # kept by a chaosrun that did not say so yet
            continue
        # No two runs of one experiment begin in the same ms and last equally long, to the ns.
        other = known.setdefault((result.title, result.started_at, result.duration_s), run)
        if other is not run:
            raise UsageError(
                f"{other.name} and {run.name}: are the same run, begun at {result.started_at}, which was copied; "
                "counted twice it would prove what it does not: name it once, or take the copy away"
            )


def refuse_unlike(a: Sequence[Run], b: Sequence[Run]) -> None:
    """Only runs made under the same conditions measure the same thing.

    Raises:
        UsageError: two of them differ, with every condition that does and both its values; or a run does not tell its
            conditions.
    """
    first = a[0]
    for side, runs in (("A as well", a), ("B", b)):
        for run in runs:
            found = differences(_conditions(first).required, _conditions(run).required)
            if found:
                raise UsageError(_differing(first, run, side, found))


def refuse_unlike_now(now: Conditions, runs: Sequence[Run]) -> None:
    """The same for runs that one under the conditions of now is to be held against.

    Raises:
        UsageError: as `refuse_unlike`.
    """
    for run in runs:
        found = differences(_conditions(run).required, now.required)
        if found:
            raise UsageError(
                f"{run.name}: was not made under the conditions that this run would be made under, so that their "
                f"numbers cannot be compared:\n{_table(found, 'then', 'now')}\n"
                "make it again as things are now, or say --against last-good, which finds its like"
            )


def _conditions(run: Run) -> Conditions:
    if run.result.conditions is None:
        raise UsageError(
            f"{run.name}: does not tell under which conditions it was made, as chaosrun {run.result.chaosrun_version} "
            "did not keep them then; make the run again"
        )
    return run.result.conditions


def _named(place: Path) -> list[Path]:
    try:
        if place.is_file():
            return [place]
        if not place.is_dir():
            raise UsageError(f"{place}: there is no such folder or file{_close(place)}")
        return _runs_in(place) or _runs_below(place)
    except OSError as error:
        raise UsageError(f"{place}: cannot be read ({error.strerror}); name the folder of a run or series") from error


def _runs_below(folder: Path) -> list[Path]:
    runs = [run for below in sorted(folder.iterdir()) if below.is_dir() for run in _runs_in(below)]
    if not runs:
        raise UsageError(
            f"{folder}: no run is kept here or in a folder right below; name the folder of a run or series"
        )
    return runs


def _runs_in(folder: Path) -> list[Path]:
    if is_suite(folder):
        return [run for below in runs_in(folder) for run in runs_of(below)]
    if is_series(folder) or (folder / JOURNAL).is_file():
        return list(runs_of(folder))
    return [folder] if (folder / RESULT).is_file() else []


def _scored(folder: Path) -> Result:
    recording = read_run(folder)
    return judge(recording.history, recording.began)


def _close(place: Path) -> str:
    there = [str(other) for other in place.parent.iterdir()] if place.parent.is_dir() else []
    close = get_close_matches(str(place), there, n=1)
    return f"; did you mean {close[0]}?" if close else "; runs are kept in `reports` unless --report-dir says otherwise"


def _differing(a: Run, other: Run, side: str, found: Sequence[Difference]) -> str:
    return (
        "these runs were not made under the same conditions, so that their numbers cannot be compared:\n"
        f"{_table(found, 'A', side)}\n"
        f"  A is {a.name}\n  {side} is {other.name}\nmake one of the two again under the conditions of the other"
    )


def _table(found: Sequence[Difference], a: str, b: str) -> str:
    """Each condition with both values, side by side."""
    # A value of several lines would look like several conditions.
    values = [[" ".join((text or "(not set)").split()) for text in each] for each in found]
    rows = [("", a, b), *values]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"  {name:{widths[0]}}  {left:{widths[1]}}  {right}" for name, left, right in rows)
