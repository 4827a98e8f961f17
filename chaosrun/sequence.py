"""A sequence: several experiments one after another, with nothing left between two, and one record over them all.

Folders of experiments and game days are run by it. All experiments are loaded before the first begins. It ends early
at a signal, at a system that is not as it was found, where nothing can be kept, at a defect, and where it is told to.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from chaosrun import __version__, engine, series
from chaosrun.entries import Item, LeftOut, Ready
from chaosrun.errors import ChaosrunError, Dirty, Exit, Unavailable, Unwritable, understood
from chaosrun.foreign import clean
from chaosrun.outcome import Outcome
from chaosrun.processes import RUN_TAG
from chaosrun.runfolder import make_run_folder, make_series_folder, make_suite_folder
from chaosrun.safety.open_runs import Index
from chaosrun.scoring.repeats import Stop
from chaosrun.scoring.suite import Asked, Day
from chaosrun.series import Repetition, Watch, for_the_record, in_short
from chaosrun.spec.gameday import Stop as Verdict
from chaosrun.stopping import Signals
from chaosrun.suite_folder import (
    Begun,
    Broken,
    Ended,
    Halted,
    Kind,
    Planned,
    Skipped,
    SuiteLog,
    Told,
    as_suite,
)
from chaosrun.suite_outcome import DrawSuite, SuiteOutcome, draw_no_suite, keep
from chaosrun.tagged import tagged

_ENDS_ALL: Final = (Exit.DIRTY, Exit.DEFECT, Exit.UNWRITABLE)
"""After these another experiment would be wrong, or end the same way."""
_STOPS: Final = {"dirty": Exit.DIRTY, "failed": Exit.FAILED, "inconclusive": Exit.INCONCLUSIVE}
_GONE_WITHIN_S: Final = 5.0
"""What a run has started and told to end may take so long to be gone."""
_LOOK_S: Final = 0.05


def stops(verdicts: Iterable[Verdict]) -> frozenset[Exit]:
    """The exit codes after which a sequence ends that is to end at these verdicts.

    That of a run which was stopped is among them: who was stopped, by a guard too, does not go on with the next one.
    """
    return frozenset({Exit.ABORTED, *(_STOPS[verdict] for verdict in verdicts)})


@dataclass(frozen=True)
class Course:
    """How a sequence is run."""

    title: str
    kind: Kind
    cool_down_ns: int
    """From the end of one experiment to the beginning of the next."""
    stop_at: frozenset[Exit] = frozenset()
    """It ends after an experiment with one of these exit codes, beside those that always end it."""
    skip_unavailable: bool = False
    """An experiment that needs something that is not here is skipped."""
    day: Day | None = None
    """Of a game day, what it has beyond its experiments."""


MayBegin = Callable[[Ready], Awaitable[Stop | None]]
"""Asked before each experiment, after the cool-down: None, or why neither it nor any after it may begin."""
Hold = Callable[[Path, engine.Options], AbstractContextManager[engine.Options]]
"""What is held over all of a sequence, given its folder: entered before the first experiment, left after the last. It
gives the options with which the runs get through."""
Tell = Callable[[SuiteOutcome], Day | None]
"""Called when all is over and kept, to tell others of it: what the record says of the day then; None: what it did."""


async def always(_ready: Ready) -> Stop | None:
    return None


@contextlib.contextmanager
def nothing_held(_folder: Path, options: engine.Options) -> Iterator[engine.Options]:
    yield options


def nobody_told(_outcome: SuiteOutcome) -> Day | None:
    return None


@dataclass(frozen=True)
class Finished:
    """A sequence that has ended."""

    outcome: SuiteOutcome
    errors: tuple[Exception, ...]
    """What experiments broke off with, and what ended it early; their whole text is for people only."""


async def run_sequence(
    items: Sequence[Item],
    course: Course,
    options: engine.Options,
    watch: Watch,
    *,
    may_begin: MayBegin = always,
    hold: Hold = nothing_held,
    tell: Tell = nobody_told,
    draw: DrawSuite = draw_no_suite,
) -> Finished:
    """Run the experiments one after another, and score them together.

    Args:
        options: for each of them; profile and place are their own.

    Raises:
        Unwritable: nothing can be kept; no experiment was begun.
        ChaosrunError: as `hold` does on entering; no experiment was begun.
    """
    folder = make_suite_folder(options.report_dir, course.title, datetime.now(UTC), course.kind)
    began_ns = time.monotonic_ns()
    log = SuiteLog(folder)
    going = _Going(items, course, watch, may_begin, folder, log)
    try:
        log.write(_planned(items, course))
        with Signals().caught() as signals:
            with hold(folder, replace(options, report_dir=folder)) as held:
                await going.go_on(held, signals)
            with contextlib.suppress(Unwritable):  # told by what is kept, and cannot be, below
                log.write(Ended(duration_ns=time.monotonic_ns() - began_ns))
            # Still under the signals' cover: who stops a sequence wants its record, not half of it.
            outcome = await asyncio.to_thread(keep, folder, as_suite(log.lines), going.outcomes, draw)
            if (day := await asyncio.to_thread(tell, outcome)) is not None:
                outcome = await asyncio.to_thread(_keep_again, outcome, day, log, draw)
    except ChaosrunError:
        if not going.begun:
            _take_away(folder)
        raise
    finally:
        log.close()
    return Finished(outcome, tuple(going.errors))


def _keep_again(outcome: SuiteOutcome, day: Day, log: SuiteLog, draw: DrawSuite) -> SuiteOutcome:
    """The same with another `day`, kept in its place."""
    try:
        log.write(Told(day=day))
    except Unwritable as error:
        return replace(outcome, undrawn=[*outcome.undrawn, error])
    return keep(outcome.folder, as_suite(log.lines), outcome.outcomes, draw)


def _planned(items: Sequence[Item], course: Course) -> Planned:
    return Planned(
        chaosrun_version=__version__,
        title=clean(course.title),
        kind=course.kind,
        started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        cool_down_ns=course.cool_down_ns,
        asked=tuple(map(_asked, items)),
    )


def _asked(item: Item) -> Asked:
    entry = item.entry
    return Asked(
        experiment=clean(str(entry.path)),
        title=item.loaded.experiment.title if isinstance(item, Ready) else item.title,
        profile=entry.profile,
        target=None if entry.target is None else clean(str(entry.target)),
        # The values may be secret.
        overrides=tuple(clean(each.partition("=")[0]) for each in entry.sets),
    )


def _take_away(folder: Path) -> None:
    """Nothing was begun, so nothing is to be kept."""
    with contextlib.suppress(OSError):
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


class _Going:
    """A sequence while it goes on."""

    def __init__(
        self,
        items: Sequence[Item],
        course: Course,
        watch: Watch,
        may_begin: MayBegin,
        folder: Path,
        log: SuiteLog,
    ) -> None:
        self._items = items
        self._course = course
        self._watch = watch
        self._may_begin = may_begin
        self._folder = folder
        self._log = log
        self.begun = 0
        self.errors: list[Exception] = []
        self.outcomes: dict[int, Outcome] = {}

    async def go_on(self, options: engine.Options, signals: Signals) -> None:
        """All experiments, or those to the one that ends it."""
        try:
            if self._course.day is not None:
                self._log.write(Told(day=self._course.day))
            for number, item in enumerate(self._items, 1):
                if isinstance(item, LeftOut):
                    self._log.write(Skipped(number=number, exit_code=item.exit, why=item.why))
            for number, item in enumerate(self._items, 1):
                if isinstance(item, Ready) and (stop := await self._one(number, item, options, signals)) is not None:
                    self._log.write(Halted(exit_code=stop.exit, why=stop.why))
                    return
        except Exception as error:  # whatever it is, what the experiments before it showed is not lost
            error = understood(error)
            self.errors.append(error)
            with contextlib.suppress(Unwritable):
                code, why = for_the_record(error, ())
                self._log.write(Halted(exit_code=code, why=why))

    async def _one(self, number: int, item: Ready, options: engine.Options, signals: Signals) -> Stop | None:
        """One experiment; what ends all with it, or before it."""
        if (stop := await self._why_not(number, item, signals)) is not None:
            return stop
        code = await self._run(number, item, options, signals)
        if left := await asyncio.to_thread(_left_in, self._folder):
            why = f"experiment {number} left something behind: {'; '.join(left)}"
            self.errors.append(Dirty(why))
            return Stop(Exit.DIRTY, why)
        # An end after the last one is no early one.
        is_last = not any(isinstance(each, Ready) for each in self._items[number:])
        return None if is_last else self._why_no_other(number, code, signals)

    async def _why_not(self, number: int, item: Ready, signals: Signals) -> Stop | None:
        """Why an experiment does not begin, once the one before it has been given its rest."""
        if self.begun and self._course.cool_down_ns:
            with self._watch(f"before {self._heading(number)}") as watcher:
                watcher.phase("cool-down", self._course.cool_down_ns)
                await signals.quiet_for(self._course.cool_down_ns)
        stop = None if signals.first is not None else await self._may_begin(item)
        return Stop(Exit.ABORTED, signals.first) if signals.first is not None else stop

    def _why_no_other(self, number: int, code: Exit, signals: Signals) -> Stop | None:
        if signals.first is not None:
            return Stop(Exit.ABORTED, signals.first)
        if code in _ENDS_ALL or code in self._course.stop_at:
            return Stop(code, f"after experiment {number}, which {_ended(code)}")
        return None

    async def _run(self, number: int, item: Ready, options: engine.Options, signals: Signals) -> Exit:
        """One experiment, whatever comes of it; its exit code."""
        title, entry = item.loaded.experiment.title, item.entry
        make = make_run_folder if entry.repetition is None else make_series_folder
        try:
            folder = make(self._folder, title, datetime.now(UTC))
            self._log.write(Begun(number=number, folder=folder.name))
            self.begun += 1
            mine = replace(options, profile=entry.profile, against=item.against)
            if entry.repetition is None:
                with self._watch(self._heading(number)) as watcher:
                    outcome = await engine.run_in(folder, item.loaded, mine, watcher, signals)
                    watcher.note(f"experiment {number} of {len(self._items)}: {in_short(outcome.result)}")
            else:
                outcome = await self._several(number, item, folder, mine, entry.repetition, signals)
        except Exception as error:  # the experiments after it may be as good as ever
            return self._broke(number, item, understood(error))
        self.outcomes[number] = outcome
        return Exit(outcome.result.exit_code)

    async def _several(
        self,
        number: int,
        item: Ready,
        folder: Path,
        options: engine.Options,
        repetition: Repetition,
        signals: Signals,
    ) -> Outcome:
        """A series of one experiment.

        Raises:
            Exception: no run of it has a result, or it cannot be kept.
        """

        def watch(heading: str) -> AbstractContextManager[engine.Watcher]:
            return self._watch(f"{self._heading(number)}, {heading}")

        finished = await series.run_series_in(folder, item.loaded, options, repetition, watch, signals)
        if finished.outcome is None:
            assert finished.error is not None
            raise finished.error
        if finished.error is not None:
            self.errors.append(finished.error)
        return finished.outcome

    def _broke(self, number: int, item: Ready, error: Exception) -> Exit:
        code, why = for_the_record(error, item.loaded.secrets)
        if self._course.skip_unavailable and isinstance(error, Unavailable):
            self._log.write(Skipped(number=number, exit_code=code, why=why))
            return Exit.PASSED
        self.errors.append(error)
        with contextlib.suppress(Unwritable):
            self._log.write(Broken(number=number, exit_code=code, why=why))
        return code

    def _heading(self, number: int) -> str:
        item = self._items[number - 1]
        verdicts = [outcome.result.verdict for outcome in self.outcomes.values()]
        counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts))
        so_far = f"; so far {counts}" if counts else ""
        return f"experiment {number} of {len(self._items)} ({item.entry.path.name}){so_far}"


def _ended(code: Exit) -> str:
    words = {
        Exit.DIRTY: "left the system not as it was found",
        Exit.FAILED: "failed",
        Exit.INCONCLUSIVE: "was inconclusive",
        Exit.ABORTED: "was ended early",
    }
    return words.get(code, f"ended with exit code {int(code)}")


def _left_in(folder: Path) -> list[str]:
    """What the runs below a folder have left behind, in words: an undo that is open, or a process. Blocks."""
    try:
        found = [run for run in Index.here().runs() if folder in Path(run.folder).parents]
    except Unwritable:  # told by the run itself, which is in the index only where that can be kept
        found = []
    told = [f"{run.folder} has something open; see to it with chaosrun recover {run.folder}" for run in found]
    # Runs of a series lie one deeper.
    tags = [{RUN_TAG: str(each)} for each in (*folder.glob("*/"), *folder.glob("*/*/")) if each.name != "samples"]
    end = time.monotonic() + _GONE_WITHIN_S
    while (left := tagged(*tags)) and time.monotonic() < end:
        time.sleep(_LOOK_S)
    return [*told, *(f"process {each.pid} goes on" for each in left)]
