"""The types of a game day: which experiments, when they may run, what ends the day early, and who is told of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Discriminator, Field, PlainSerializer, PlainValidator, Tag, WithJsonSchema

from chaosrun.spec.base import SHOWN, TAG, Broken, Duration, File, Line, Many, Model, Open, Title, problem
from chaosrun.spec.hosts import host_of
from chaosrun.spec.protocol import SECOND
from chaosrun.spec.secret import Secret, reveal

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEK: Final[tuple[Weekday, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES: Final = 24 * 60
MOST_REPEATS: Final = 1000

Event = Literal["started", "passed", "failed", "dirty", "refused"]
"""What a notice may be about: the day begins; every experiment passed; it ended in any other way; the system is not as
it was found; it could not begin."""
Stop = Literal["dirty", "failed", "inconclusive"]

_CLOCK: Final = re.compile(r"([0-9]{2}):([0-9]{2})")
_DATES: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:\.\.([0-9]{4}-[0-9]{2}-[0-9]{2}))?")


class Dates(NamedTuple):
    """Dates of the calendar, both ends included."""

    first: date
    last: date

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}..{self.last}"


def _minutes(value: Any) -> int:
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    minutes = int(found[1]) * 60 + int(found[2]) if found is not None else None
    if found is None or minutes is None or int(found[2]) > 59 or minutes > DAY_MINUTES:
        raise problem("clock", f'{value!r} is no time of day; write HH:MM, from "00:00" to "24:00"')
    return minutes


def clock_text(minutes: int) -> str:
    """Minutes after midnight as a file has them: `10:00`."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _dates(value: Any) -> Dates:
    found = _DATES.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise problem(
            "dates", f"{value!r} is no date; write 2026-12-24, or 2026-12-24..2027-01-06 for a stretch of them"
        )
    first, last = (_date(text) for text in (found[1], found[2] or found[1]))
    if last < first:
        raise problem("dates", f"{value!r} ends before it begins; write the earlier date first")
    return Dates(first, last)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise problem("dates", f"{text!r} is not in the calendar") from None


def _zone(value: Any) -> ZoneInfo:
    if not isinstance(value, str):
        raise problem("zone", f'{value!r} is no time zone; write the name of one, such as "Europe/Vienna"')
    if isinstance(found := zone_of(value), str):
        raise problem("zone", found)
    return found


def zone_of(name: str) -> ZoneInfo | str:
    """A time zone by its name in the IANA database; where there is none, what to write instead."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # none of that name, a folder of zones, no file name at all
        pass
    from zoneinfo import available_timezones  # noqa: PLC0415 - reads hundreds of files, for errors only

    from chaosrun.spec.overrides import near  # noqa: PLC0415 - as above

    known = sorted(available_timezones())
    towns = {zone.rpartition("/")[2].lower(): zone for zone in known if "/" in zone and not zone.startswith("Etc/")}
    meant = towns.get(name.rpartition("/")[2].lower()) or near(name, _like(name, known))
    hint = (
        f"did you mean {meant!r}?" if meant else 'write a name of the IANA database, such as "Europe/Vienna" or "UTC"'
    )
    return f"no time zone {name!r}; {hint}"


def _like(name: str, known: list[str]) -> list[str]:
    """Those of the same beginning: there are too many to compare with all."""
    same = [zone for zone in known if zone[:1].lower() == name[:1].lower()]
    return sorted(same, key=lambda zone: zone.partition("/")[0].lower() != name.partition("/")[0].lower())


ClockTime = Annotated[
    int,
    PlainValidator(_minutes),
    PlainSerializer(clock_text),
    WithJsonSchema({"type": "string", "pattern": r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$", "examples": ["10:00"]}),
]
"""Minutes after midnight, as the clock on the wall shows them."""
Blackout = Annotated[
    Dates,
    PlainValidator(_dates),
    PlainSerializer(str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(\.\.[0-9]{4}-[0-9]{2}-[0-9]{2})?$",
            "examples": ["2026-12-24", "2026-12-24..2027-01-06"],
        }
    ),
]
Zone = Annotated[
    ZoneInfo,
    PlainValidator(_zone),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "examples": ["Europe/Vienna"]}),
]


def _address(value: Any) -> Secret:
    if isinstance(value, str | Secret):
        return Secret(reveal(value))
    raise problem("address", 'must be text; write for example "${secret.hook}"')


Address = Annotated[Secret, PlainValidator(_address), SHOWN, WithJsonSchema({"type": "string"})]
"""Whoever knows it may write there: it is secret, however it is written."""


class Window(Model):
    """When the day may run: from a time of day to another one, on some days of the week."""

    days: Annotated[Many[Weekday], Field(min_length=1)] = WEEK
    from_: Annotated[ClockTime, Field(alias="from")]
    to: ClockTime
    """The first minute that is not within any more; `24:00` is the end of the day."""

    def rules(self) -> Iterator[Broken]:
        if self.to <= self.from_:
            start, end = clock_text(self.from_), clock_text(self.to)
            over = f'; over midnight, write two: {{from: "{start}", to: "24:00"}} and {{from: "00:00", to: "{end}"}}'
            begins = f"`to` {end} is not after `from` {start}, and a window is within one day"
            yield Broken(begins + (over if 0 < self.to < self.from_ else ""), ("from", "to"))


def _number(name: str) -> str:
    from chaosrun.scoring.compared_names import why_no_number  # noqa: PLC0415 - where a day names one

    if (why := why_no_number(name)) is not None:
        raise problem("number", why)
    return name


Number = Annotated[
    str, AfterValidator(_number), WithJsonSchema({"type": "string", "examples": ["response_p99@baseline"]})
]
"""The name of a number that runs can be compared by, maybe in a phase."""


def _one_or_many(value: object) -> str:
    return TAG + ("many" if isinstance(value, list | tuple) else "one")


Windows = Annotated[
    Annotated[Window, Tag(TAG + "one")]
    | Annotated[Annotated[Many[Window], Field(min_length=1, max_length=100)], Tag(TAG + "many")],
    Discriminator(_one_or_many),
]


class DayEntry(Model):
    """One experiment of the day, and how it is varied."""

    file: Line
    """The experiment; relative to the file of the day."""
    profile: str | None = None
    set_: Annotated[dict[str, Open], Field(alias="set", max_length=100)] = Field(default_factory=dict)
    """Overrides, as a profile has them: a path of the experiment, and the value that it gets."""
    target: Line | None = None
    """A target file, in place of the experiment's own; relative to the file of the day."""
    repeat: Annotated[int, Field(ge=1, le=MOST_REPEATS)] = 1


class Notify(Model):
    """Somebody who is told what comes of the day."""

    webhook: Address | None = None
    """Gets a POST with JSON: a `text` for people, and what happened as data. Shown nowhere but for its host."""
    apprise: Address | None = None
    """An address as Apprise takes them, such as `mailto://...`; needs the extra `notify`. Shown nowhere."""
    on: Annotated[Many[Event], Field(min_length=1)] = ("passed", "failed")
    """What it is told of; that the system is not as it was found, always."""

    def rules(self) -> Iterator[Broken]:
        if (self.webhook is None) == (self.apprise is None):
            yield Broken("a notice goes to exactly one of `webhook` and `apprise`", ("webhook", "apprise"))
        if self.webhook is not None and not _is_address(self.webhook.reveal()):
            yield Broken("`webhook` is not an HTTP address; write https://HOST/PATH", ("webhook",))
        if self.apprise is not None and "://" not in self.apprise.reveal():
            yield Broken("`apprise` is not an address of Apprise; write for example mailto://...", ("apprise",))


def _is_address(url: str) -> bool:
    return url.startswith(("http://", "https://")) and host_of(url) is not None and url.isprintable() and " " not in url


class GameDay(File):
    """Experiments that run one after another, within a window of time."""

    title: Annotated[Title, Field(min_length=1)]
    description: str = ""
    time_zone: Zone = ZoneInfo("UTC")
    """In which the windows and the blackout dates are meant; a name of the IANA database."""
    window: Windows | None = None
    """When the day may run; a mapping, or a list of them. None: at any time."""
    blackout: Many[Blackout] = ()
    """Dates on which nothing runs."""
    experiments: Annotated[Many[DayEntry], Field(min_length=1, max_length=100)]
    cool_down: Duration = 30 * SECOND
    """Rest between two experiments, and between two runs of a series."""
    stop_on: Many[Stop] = ("dirty", "failed")
    """What ends the day before its last experiment. A run that was stopped, by a guard or a signal, always does."""
    against: Literal["last-good"] | None = None
    """Each experiment fails where it is worse than the last good runs of its kind. None: they count for nothing."""
    against_metrics: Many[Number] = ()
    """The numbers that decide then, as in `back_99` or `response_p99@baseline`. Empty: `ttr`, of load tests
    `response_p99`."""
    notify: Annotated[Many[Notify], Field(max_length=20)] = ()

    def rules(self) -> Iterator[Broken]:
        if "dirty" not in self.stop_on:
            text = "`stop_on` must have `dirty`: what one experiment left behind would be measured by the next"
            yield Broken(text, ("stop_on",))
        if self.against_metrics and self.against is None:
            text = "`against_metrics` says by what `against` decides; write `against: last-good`, too"
            yield Broken(text, ("against_metrics",))

    def windows(self) -> tuple[Window, ...]:
        """All of them; empty: at any time."""
        if self.window is None:
            return ()
        return (self.window,) if isinstance(self.window, Window) else self.window
