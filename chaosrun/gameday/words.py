"""What is said of a game day: when it may run next, and the messages that go out."""

from __future__ import annotations

import platform
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from chaosrun.errors import ChaosrunError, Exit, NotNow
from chaosrun.foreign import clean
from chaosrun.foreseen import Foreseen
from chaosrun.gameday.calendar import Calendar, Stretch, length_told, told, windows_told
from chaosrun.gameday.loader import LoadedDay
from chaosrun.gameday.notices import Message, shown
from chaosrun.scoring.suite import SuiteRun
from chaosrun.scoring.words import how_it_recovered
from chaosrun.spec.gameday import Event
from chaosrun.spec.secret import mask
from chaosrun.suite_outcome import SuiteOutcome


def next_from(following: Stretch | None, calendar: Calendar) -> str:
    """When the day may run, in words."""
    if following is None:
        return "no window is left for it in the next five years; look at `window` and `blackout`"
    begin, end = told(following.begin, calendar.zone), told(following.end, calendar.zone)
    return f"it may run next from {begin} to {end}"


# ---- messages -------------------------------------------------------------------------------------------------------


def begins(loaded: LoadedDay, folder: Path, secrets: Collection[str]) -> Message:
    """The day begins."""
    names = [variant.loaded.experiment.title for variant in loaded.variants]
    text = "\n".join(f"{number}. {name}" for number, name in enumerate(names, 1))
    title = f"Game day {loaded.day.title!r} begins: {_count(len(names))} on {platform.node()}"
    return _message("started", title, text, {**_about(loaded), "folder": str(folder)}, secrets)


def not_begun(loaded: LoadedDay, error: ChaosrunError, event: Event, secrets: Collection[str]) -> Message:
    """The day could not begin."""
    title = f"Game day {loaded.day.title!r} did not begin on {platform.node()}"
    # What follows the first line of an error may be commands of other people's processes.
    why = str(error).partition("\n")[0]
    return _message(event, title, why, {**_about(loaded), "exit_code": int(error.exit), "why": why}, secrets)


def over(loaded: LoadedDay, outcome: SuiteOutcome, event: Event, secrets: Collection[str]) -> Message:
    """The day has ended."""
    suite = outcome.suite
    title = (
        f"Game day {suite.title!r}: {suite.verdict}, {suite.passed} of {_count(suite.asked)} passed "
        f"on {platform.node()} (exit code {int(outcome.exit)})"
    )
    text = "\n".join([*_lines(suite.runs), *suite.reasons, f"report: {outcome.folder}"])
    data = {
        **_about(loaded),
        "verdict": suite.verdict,
        "exit_code": int(outcome.exit),
        "folder": str(outcome.folder),
        "started_at": suite.started_at,
        "reasons": list(suite.reasons),
        "experiments": [_row(row) for row in suite.runs],
    }
    return _message(event, title, text, data, secrets)


def _count(number: int) -> str:
    return f"{number} experiment{'s' * (number != 1)}"


def _about(loaded: LoadedDay) -> dict[str, Any]:
    day = loaded.day
    return {
        "title": day.title,
        "file": str(loaded.path.resolve()),
        "host": platform.node(),
        "time_zone": str(day.time_zone),
        "windows": windows_told(day.windows()),
    }


def _lines(rows: Collection[SuiteRun]) -> Iterator[str]:
    for number, row in enumerate(rows, 1):
        ended = row.verdict or row.state.replace("_", " ")
        yield f"{number}. {row.title}: {', '.join(filter(None, (ended, how_it_recovered(row))))}"


def _row(row: SuiteRun) -> dict[str, Any]:
    return {
        "experiment": row.experiment,
        "title": row.title,
        "state": row.state,
        "verdict": row.verdict,
        "exit_code": row.exit_code,
        "ttr_s": row.ttr_s,
        "folder": row.folder,
        "why": row.why,
    }


def _message(event: Event, title: str, text: str, data: dict[str, Any], secrets: Collection[str]) -> Message:
    lines = mask(text, secrets).split("\n")
    return Message(
        event=event,
        title=clean(mask(title, secrets)),
        text="\n".join(map(clean, lines)),
        data=_harmless(data, secrets),
    )


def _harmless(value: Any, secrets: Collection[str]) -> Any:
    """The same without secrets, in characters that can be sent and shown."""
    match value:
        case str():
            return clean(mask(value, secrets))
        case dict():
            return {key: _harmless(item, secrets) for key, item in value.items()}
        case list():
            return [_harmless(item, secrets) for item in value]
        case _:
            return value


# ---- before the day -------------------------------------------------------------------------------------------------


def prospect_told(loaded: LoadedDay, now: datetime) -> Iterator[str]:
    """What a day would do if it began now, a line each; what its experiments would do is told by their plans."""
    day, calendar = loaded.day, Calendar.of(loaded.day)
    present = calendar.inside(now)
    yield f"game day      {day.title}"
    yield f"may run       {windows_told(day.windows())}, {day.time_zone}"
    if day.blackout:
        yield f"never on      {', '.join(map(str, day.blackout))}"
    closes = "" if not day.windows() or present is None else f", until {told(present.end, calendar.zone)}"
    yield f"now           {told(now, calendar.zone)}: {'not now' if present is None else f'it may run{closes}'}"
    if (following := calendar.next_after(now, loaded.variants[0].planned(day.cool_down))) is not None:
        yield f"next          {told(following.begin, calendar.zone)} to {told(following.end, calendar.zone)}"
    yield f"stops on      {', '.join(day.stop_on)}, and where a run is stopped"
    told_to = [f"{shown(each)} ({', '.join(each.on)})" for each in day.notify]
    yield f"tells         {', '.join(told_to) or 'nobody'}"
    lengths = [variant.planned(day.cool_down) for variant in loaded.variants]
    for number, (variant, planned) in enumerate(zip(loaded.variants, lengths, strict=True), 1):
        repeated = f", {variant.entry.repeat} runs" if variant.entry.repeat > 1 else ""
        yield f"experiment {number}  {variant.loaded.experiment.title}: up to {length_told(planned)}{repeated}"
    yield f"all of it     up to {length_told(loaded.planned())}"


def prospect(
    loaded: LoadedDay, now: datetime, foreseen: Sequence[Foreseen], refused: NotNow | None, code: Exit
) -> dict[str, Any]:
    """The same as data, with the plans of the experiments. Times are UTC."""
    day, calendar = loaded.day, Calendar.of(loaded.day)
    present = calendar.inside(now) if day.windows() else None
    following = calendar.next_after(now, loaded.variants[0].planned(day.cool_down))
    return {
        "schema": 1,
        "dry_run": True,
        "title": day.title,
        "file": str(loaded.path),
        "time_zone": str(day.time_zone),
        "windows": windows_told(day.windows()),
        "now": now.isoformat(timespec="seconds"),
        "closes_at": None if present is None else present.end.isoformat(),
        "next_opens_at": None if following is None else following.begin.isoformat(),
        "next_closes_at": None if following is None or not day.windows() else following.end.isoformat(),
        "stop_on": list(day.stop_on),
        "notify": [{"to": shown(each), "on": list(each.on)} for each in day.notify],
        "longest_s": [variant.planned(day.cool_down).total_seconds() for variant in loaded.variants],
        "experiments": [msgspec.to_builtins(each) for each in foreseen],
        "refused": None if refused is None else str(refused),
        "exit_code": int(code),
    }
