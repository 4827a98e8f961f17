"""A series: one experiment several times, each run at another phase of the requests, scored by itself and together.

It stops at the first run after which another would be wrong (a signal, a guard, a system that is not as it was found)
or would end the same way (something needed is not here, a full disk, a defect), and is scored over what there is.
"""

from __future__ import annotations

import contextlib
import random
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from chaosrun import engine
from chaosrun.errors import ChaosrunError, Exit, Unwritable, UsageError, understood
from chaosrun.foreign import clean
from chaosrun.outcome import Draw, Outcome, draw_nothing
from chaosrun.outcome import score as score_run
from chaosrun.plan import Plan
from chaosrun.runfolder import make_run_folder, make_series_folder, write_whole
from chaosrun.scoring.against import hold_series
from chaosrun.scoring.repeats import Stop, Trial, combine
from chaosrun.scoring.result import Result, encode
from chaosrun.scoring.words import how_it_recovered, show
from chaosrun.series_folder import Begun, Broken, Halted, Planned, Series, SeriesLog, as_series, read_series
from chaosrun.spec.loader import Loaded
from chaosrun.spec.plan import make_plan
from chaosrun.spec.secret import mask
from chaosrun.stopping import Signals

LISTENING_PERIOD_NS = 1_000_000_000
"""In place of a request period where no group sends requests."""
_LAST_RUN = (Exit.DIRTY, Exit.ABORTED)


@dataclass(frozen=True)
class Repetition:
    """How often, and how."""

    runs: int
    seed: int
    cool_down_ns: int
    """From the end of one run to the beginning of the next."""


@dataclass(frozen=True)
class Finished:
    """A series that has ended."""

    folder: Path
    outcome: Outcome | None
    """None: no run has a result, or it cannot be kept."""
    error: Exception | None
    """What the last run broke off with."""


Watch = Callable[[str], AbstractContextManager[engine.Watcher]]
"""Something that watches one run; given which run it is, in words."""


async def run_series(loaded: Loaded, options: engine.Options, repetition: Repetition, watch: Watch) -> Finished:
    """Run an experiment several times, and score it.

    Raises:
        Unwritable: the series cannot be kept.
    """
    folder = make_series_folder(options.report_dir, loaded.experiment.title, datetime.now(UTC))
    with Signals().caught() as signals:
        return await run_series_in(folder, loaded, options, repetition, watch, signals)


async def run_series_in(
    folder: Path,
    loaded: Loaded,
    options: engine.Options,
    repetition: Repetition,
    watch: Watch,
    signals: Signals,
) -> Finished:
    """The same in a folder that is there, stopped by signals that are caught already.

    Raises:
        Unwritable: the series cannot be kept.
    """
    going = _Going(loaded, options, repetition, watch, folder)
    error: Exception | None = None
    try:
        await going.go_on(signals)
    except Exception as broke:  # whatever it is, what the runs before it showed is not lost
        error = understood(broke)
    going.end(signals.first, error)
    if going.outcomes:
        return _finished(folder, going, error)
    if isinstance(error, UsageError):
        shutil.rmtree(folder)  # nothing was started, so nothing is to be kept
    return Finished(folder, None, error)


def _finished(folder: Path, going: _Going, error: Exception | None) -> Finished:
    try:
        # Of what was told, not of what is on disk: where that is full the last line may be missing.
        return Finished(folder, _keep(folder, going.told, going.outcomes), error)
    except Unwritable as unwritable:
        return Finished(folder, None, error or unwritable)


def score(folder: Path, draw: Draw = draw_nothing) -> Outcome:
    """Score every run of a recorded series again, drawing its reports, and then the series: the same bytes each time.

    Raises:
        UsageError: the folder holds no series, or no run of it can be scored.
        Unwritable: a result cannot be written.
    """
    series = read_series(folder)
    if not series.scorable:
        why = f": {series.broken.why}" if series.broken else ""
        raise UsageError(f"{folder}: no run of this series has a result{why}")
    return _keep(folder, series, [score_run(folder / run.folder, draw) for run in series.scorable])


def draw_offsets(plan: Plan, repetition: Repetition) -> list[int]:
    """How much later than planned the fault of each run falls, in ns: in [0, P), with P the longest request period of
    any group, so that over the runs every phase of the requests is as likely. Without a fault it is always 0."""
    if not plan.faults:
        return [0] * repetition.runs
    period = max((group.period_ns for group in plan.groups if group.period_ns is not None), default=LISTENING_PERIOD_NS)
    # `random()` of a seed is the same in every version of Python, which its other methods do not promise.
    chance = random.Random(repetition.seed)
    return [int(chance.random() * period) for _ in range(repetition.runs)]


def _keep(folder: Path, series: Series, outcomes: list[Outcome]) -> Outcome:
    trials = [
        Trial(run.folder, run.offset_ns, outcome.result) for run, outcome in zip(series.scorable, outcomes, strict=True)
    ]
    if series.broken is not None:
        broken = series.begun[-1]
        trials.append(
            Trial(broken.folder, broken.offset_ns, None, broke=series.broken.exit_code, why=series.broken.why)
        )
    halted = series.halted
    result = combine(
        trials,
        asked=series.planned.runs,
        seed=series.planned.seed,
        cool_down_ns=series.planned.cool_down_ns,
        halted=Stop(halted.exit_code, halted.why) if halted else None,
    )
    if series.planned.against is not None:
        result = hold_series(result, [outcome.result for outcome in outcomes], series.planned.against)
    write_whole(folder / "result.json", encode(result))
    return Outcome(result, folder, [error for outcome in outcomes for error in outcome.undrawn])


class _Going:
    """A series while it goes on."""

    def __init__(
        self, loaded: Loaded, options: engine.Options, repetition: Repetition, watch: Watch, folder: Path
    ) -> None:
        self._loaded = loaded
        self._options = options
        self._repetition = repetition
        self._watch = watch
        self._folder = folder
        self._log = SeriesLog(folder)
        self._begun = 0
        self.outcomes: list[Outcome] = []

    @property
    def told(self) -> Series:
        """What its lines say so far."""
        return as_series(self._log.lines)

    async def go_on(self, signals: Signals) -> None:
        """All runs, or those to the one that ends the series.

        Raises:
            ChaosrunError: that one broke off, or could not begin.
        """
        runs, cool_down_ns = self._repetition.runs, self._repetition.cool_down_ns
        against, seed = self._options.against, self._repetition.seed
        self._log.write(Planned(runs=runs, seed=seed, cool_down_ns=cool_down_ns, against=against))
        for number, offset_ns in enumerate(draw_offsets(make_plan(self._loaded), self._repetition), 1):
            with self._watch(_heading(number, runs, offset_ns, self.outcomes)) as watcher:
                outcome = await self._run(offset_ns, watcher, signals)
                if outcome.exit in _LAST_RUN or number == runs:
                    return
                watcher.note(f"run {number} of {runs}: {in_short(outcome.result)}")
                watcher.phase("cool-down", cool_down_ns)
                if not await signals.quiet_for(cool_down_ns):
                    return

    async def _run(self, offset_ns: int, watcher: engine.Watcher, signals: Signals) -> Outcome:
        folder = make_run_folder(self._folder, self._loaded.experiment.title, datetime.now(UTC))
        self._log.write(Begun(folder=folder.name, offset_ns=offset_ns))
        self._begun += 1
        # One run proves next to nothing: all of them are held against the earlier ones together.
        options = replace(self._options, offset_ns=offset_ns, against=None)
        outcome = await engine.run_in(folder, self._loaded, options, watcher, signals)
        self.outcomes.append(outcome)
        return outcome

    def end(self, signal: str | None, error: Exception | None) -> None:
        """Keep why it ended early, if it did. What cannot be written must not hide what came before it."""
        with contextlib.suppress(Unwritable):
            if signal is not None and self._begun < self._repetition.runs:
                self._log.write(Halted(exit_code=Exit.ABORTED, why=signal))
            if error is not None:
                code, why = for_the_record(error, self._loaded.secrets)
                broke_off = self._begun > len(self.outcomes)
                self._log.write((Broken if broke_off else Halted)(exit_code=code, why=why))
        self._log.close()


def for_the_record(error: Exception, secrets: Iterable[str]) -> tuple[Exit, str]:
    """The exit code of what a run broke off with, and as much of its text as may be kept: other people's commands may
    follow the first line, and anything may be in the text of a defect. Both are for the eyes of whoever sits there."""
    if isinstance(error, ChaosrunError):
        return error.exit, clean(mask(str(error).partition("\n")[0], secrets))
    return Exit.DEFECT, f"a defect of chaosrun: {type(error).__name__}"


def _heading(number: int, runs: int, offset_ns: int, outcomes: Sequence[Outcome]) -> str:
    verdicts = [outcome.result.verdict for outcome in outcomes]
    so_far = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts))
    later = f", its fault {show(offset_ns / 1e9, 's')} later than planned" if offset_ns else ""
    return f"run {number} of {runs}{later}" + (f"; so far {so_far}" if so_far else "")


def in_short(result: Result) -> str:
    """How a run ended, in a few words."""
    return ", ".join(filter(None, (result.verdict, how_it_recovered(result.recovery))))
