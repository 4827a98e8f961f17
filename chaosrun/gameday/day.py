"""A game day from its first look at the clock to its last notice.

It begins only within a window, holds what all of its experiments take for themselves until it has ended, begins no
experiment that would not end within the window, and tells whoever wants to know what came of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from secrets import randbelow
from typing import Final

from msgspec import structs

from chaosrun import engine
from chaosrun.against import Against
from chaosrun.entries import Entry, Ready
from chaosrun.errors import ChaosrunError, Exit, NotNow, Unwritable
from chaosrun.foreign import clean
from chaosrun.gameday import words
from chaosrun.gameday.calendar import Calendar, Stretch, length_told, told, windows_told
from chaosrun.gameday.loader import LoadedDay, Variant
from chaosrun.gameday.notices import Messenger, Patience
from chaosrun.identity import this_process
from chaosrun.safety.held import held_by
from chaosrun.safety.open_runs import Index, OpenRun
from chaosrun.scoring.repeats import Stop
from chaosrun.scoring.suite import Day, Notice
from chaosrun.sequence import Course, Finished, run_sequence, stops
from chaosrun.series import Repetition, Watch
from chaosrun.spec.gameday import Event, GameDay
from chaosrun.suite_outcome import DrawSuite, SuiteOutcome, draw_no_suite

_SEEDS: Final = 2**32


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Surroundings:
    """What a day needs beside its file."""

    watch: Watch
    tell: Callable[[str], None]
    """Gets, for people, what became of notices that did not arrive."""
    secrets: Collection[str]
    """Masked in every notice."""
    against: Callable[[Variant], Against | None] = lambda _: None
    """Finds the earlier runs that an experiment is held against."""
    draw: DrawSuite = draw_no_suite
    clock: Callable[[], datetime] = utc_now
    patience: Patience = field(default_factory=Patience)


def run_day(loaded: LoadedDay, options: engine.Options, around: Surroundings) -> Finished:
    """Run the experiments of a day that may run now, and tell what came of them.

    Raises:
        NotNow: it may not run now, with when it may; or somebody else holds what it would take.
        Dirty: an earlier run left something of it open.
        Unwritable: nothing can be kept.
    """
    messenger = Messenger(loaded.day.notify, around.patience)
    try:
        return _run(loaded, options, around, messenger)
    except ChaosrunError as error:
        events: dict[Exit, Event] = {Exit.NOT_NOW: "refused", Exit.DIRTY: "dirty"}
        messenger.send(words.not_begun(loaded, error, events.get(error.exit, "failed"), around.secrets))
        _tell_undelivered(messenger, around)
        raise


def refusal(loaded: LoadedDay, now: datetime) -> NotNow | None:
    """Why a day may not begin now, with the time from which it may; None: it may."""
    day, calendar, first = loaded.day, Calendar.of(loaded.day), loaded.variants[0]
    needed = first.planned(day.cool_down)
    present = calendar.inside(now)
    if present is not None and now + needed <= present.end:
        return None
    dark = calendar.blacked_out(now)
    if present is not None:
        why = (
            f"its window closes at {told(present.end, calendar.zone)}, and its first experiment, {first.path}, may "
            f"take {length_told(needed)}"
        )
    elif dark is not None:
        why = f"{now.astimezone(calendar.zone).date()} is a blackout date ({dark})"
    else:
        why = f"that is outside its window: {windows_told(day.windows())}, {calendar.zone}"
    following = calendar.next_after(now, needed)
    text = f"{loaded.path}: it is {told(now, calendar.zone)}, and {why}; {words.next_from(following, calendar)}"
    return NotNow(clean(text))


def _run(loaded: LoadedDay, options: engine.Options, around: Surroundings, messenger: Messenger) -> Finished:
    now = around.clock()
    if (error := refusal(loaded, now)) is not None:
        raise error
    day = loaded.day
    if (short := _short(loaded, now)) is not None:
        around.tell(short)
    items = [Ready(_entry(variant, day), variant.loaded, around.against(variant)) for variant in loaded.variants]
    course = Course(
        title=day.title,
        kind="day",
        cool_down_ns=day.cool_down,
        stop_at=stops(day.stop_on),
        day=_part(loaded, now),
    )

    @contextlib.contextmanager
    def hold(folder: Path, options: engine.Options) -> Iterator[engine.Options]:
        with _held(loaded, folder):
            messenger.send(words.begins(loaded, folder, around.secrets))
            yield options

    async def may_begin(ready: Ready) -> Stop | None:
        variant = next(each for each in loaded.variants if each.loaded is ready.loaded)
        return _too_late(loaded, variant, around.clock())

    def tell(outcome: SuiteOutcome) -> Day | None:
        events: dict[Exit, Event] = {Exit.PASSED: "passed", Exit.DIRTY: "dirty"}
        event = events.get(outcome.exit, "failed")
        messenger.send(words.over(loaded, outcome, event, around.secrets))
        notices, part = _tell_undelivered(messenger, around), outcome.suite.day
        return structs.replace(part, notices=notices) if notices and part is not None else None

    return asyncio.run(
        run_sequence(items, course, options, around.watch, may_begin=may_begin, hold=hold, tell=tell, draw=around.draw)
    )


def _short(loaded: LoadedDay, now: datetime) -> str | None:
    """That there may not be time for all of it; None: there is."""
    calendar, needed = Calendar.of(loaded.day), loaded.planned()
    present = calendar.inside(now)
    if present is None or now + needed <= present.end:
        return None
    closes = told(present.end, calendar.zone)
    in_short = f"all of it may take {length_told(needed)}, and the window closes at {closes}"
    return f"{in_short}; what would not end by then does not begin"


def _too_late(loaded: LoadedDay, variant: Variant, now: datetime) -> Stop | None:
    """Why an experiment does not begin: it would not end within the window."""
    calendar, needed = Calendar.of(loaded.day), variant.planned(loaded.day.cool_down)
    present = calendar.inside(now)
    if present is not None and now + needed <= present.end:
        return None
    closes = "has closed" if present is None else f"closes at {told(present.end, calendar.zone)}"
    return Stop(Exit.NOT_NOW, f"the window {closes}, and {variant.path.name} may take {length_told(needed)}")


def _part(loaded: LoadedDay, now: datetime) -> Day:
    day = loaded.day
    present = Calendar.of(day).inside(now) if day.windows() else None
    return Day(
        file=clean(str(loaded.path)),
        time_zone=str(day.time_zone),
        windows=windows_told(day.windows()),
        opens_at=_stamp(present, 0),
        closes_at=_stamp(present, 1),
    )


def _stamp(stretch: Stretch | None, end: int) -> str | None:
    return None if stretch is None else stretch[end].isoformat()


def _entry(variant: Variant, day: GameDay) -> Entry:
    entry = variant.entry
    several = Repetition(entry.repeat, randbelow(_SEEDS), day.cool_down) if entry.repeat > 1 else None
    return Entry(
        variant.path,
        profile=entry.profile,
        sets=tuple(f"{path}={value}" for path, value in entry.set_.items()),
        target=None if entry.target is None else Path(entry.target),
        repetition=several,
    )


@contextlib.contextmanager
def _held(loaded: LoadedDay, folder: Path) -> Iterator[None]:
    """What any of the experiments takes for itself is the day's from its beginning to its end, and so is its file.

    Raises:
        NotNow, Dirty, Unwritable: as `Index.claim`.
    """
    keys = [key for variant in loaded.variants for key in held_by(variant.loaded.experiment)]
    own = f"game day {clean(str(loaded.path.resolve()))}"
    index = Index.here()
    index.claim(
        OpenRun(
            folder=str(folder),
            title=loaded.day.title,
            runner=this_process(),
            keys=tuple(dict.fromkeys((own, *keys))),
            is_day=True,
        )
    )
    try:
        yield
    finally:
        # Where it cannot be taken out, it goes with this process.
        with contextlib.suppress(Unwritable):
            index.forget(folder)


def _tell_undelivered(messenger: Messenger, around: Surroundings) -> tuple[Notice, ...]:
    notices = messenger.wait()
    for notice in notices:
        if not notice.delivered:
            around.tell(f"the notice of {notice.on!r} to {notice.to} did not arrive: {notice.why}")
    return notices
