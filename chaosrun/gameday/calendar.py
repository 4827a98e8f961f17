"""When a game day may run: windows of the clock on the wall, in a time zone, without the dates that are blacked out.

Pure: the time comes in as an argument. Where the clock is put forward, a time that it leaps over is the moment of the
leap, so that a window is shorter, or is not there at all. Where it is put back, a time that comes twice is its first:
a window is there once, and longer where the hour that comes twice is within it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from chaosrun.spec.gameday import DAY_MINUTES, WEEK, Dates, GameDay, Window, clock_text

HORIZON: Final = timedelta(days=5 * 366)
"""So far ahead a window is looked for."""
_LONG: Final = timedelta(days=60)
"""Of a window without an end no more is wanted: a day is over sooner."""
_SECOND: Final = timedelta(seconds=1)
_DAY: Final = timedelta(days=1)
_NAMES: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
"""Not by `strftime`, which asks the locale."""


class Stretch(NamedTuple):
    """A stretch of time without a gap, both ends in UTC; its end is not within."""

    begin: datetime
    end: datetime


def instant(on: date, minutes: int, zone: ZoneInfo) -> datetime:
    """The first moment, in UTC, at which a clock in `zone` shows so many minutes after midnight of a date, or more."""
    local = datetime.combine(on, time()) + timedelta(minutes=minutes)
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if _shown(first, zone) == local:
        return first
    # The clock leaps over it (PEP 495): by the time that held before the leap it would be after it, and the reverse.
    before, after = second, first
    while after - before > _SECOND:
        middle = before + (after - before) // 2
        if _shown(middle, zone) < local:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)


def _shown(moment: datetime, zone: ZoneInfo) -> datetime:
    """What the clock on the wall shows."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


class Calendar:
    """The stretches of time in which a day may run."""

    def __init__(self, windows: Sequence[Window], blackout: Sequence[Dates], zone: ZoneInfo) -> None:
        self.zone = zone
        self._windows = tuple(windows)
        self._blackout = tuple(blackout)

    @classmethod
    def of(cls, day: GameDay) -> Calendar:
        return cls(day.windows(), day.blackout, day.time_zone)

    def inside(self, now: datetime) -> Stretch | None:
        """The stretch that `now` is in; None: nothing may run."""
        first = next(self._from(now), None)
        return first if first is not None and first.begin <= now else None

    def next_after(self, now: datetime, needed: timedelta = timedelta()) -> Stretch | None:
        """The first stretch that begins after `now` and lasts as long as `needed`; None: none in five years."""
        for stretch in self._from(now):
            if stretch.begin > now and stretch.end - stretch.begin >= needed:
                return stretch
        return None

    def blacked_out(self, now: datetime) -> Dates | None:
        """The entry of `blackout` that the date of `now` is in."""
        return self._dark(now.astimezone(self.zone).date())

    def longest(self) -> timedelta | None:
        """How long the day can last at most, as a week of the windows has it; None: without an end."""
        return max((each.length for each in beginnings(self._windows)), default=None)

    def _from(self, now: datetime) -> Iterator[Stretch]:
        """Every stretch that has not ended, in order; what adjoins is one."""
        open_one: Stretch | None = None
        today = now.astimezone(self.zone).date()
        for offset in range(-1, HORIZON.days):
            for part in self._on(today + offset * _DAY):
                if open_one is not None and part.begin <= open_one.end:
                    open_one = Stretch(open_one.begin, max(open_one.end, part.end))
                    continue
                if open_one is not None and open_one.end > now:
                    yield open_one
                open_one = part
            if open_one is not None and open_one.end - max(open_one.begin, now) > _LONG:
                break
        if open_one is not None and open_one.end > now:
            yield open_one

    def _on(self, on: date) -> list[Stretch]:
        """The windows of one date."""
        if self._dark(on) is not None:
            return []
        if not self._windows:
            return [Stretch(instant(on, 0, self.zone), instant(on, DAY_MINUTES, self.zone))]
        here = [window for window in self._windows if WEEK[on.weekday()] in window.days]
        found = [Stretch(instant(on, each.from_, self.zone), instant(on, each.to, self.zone)) for each in here]
        return sorted(part for part in found if part.begin < part.end)

    def _dark(self, on: date) -> Dates | None:
        return next((dates for dates in self._blackout if dates.first <= on <= dates.last), None)


def _week(windows: Sequence[Window], later: int) -> list[tuple[int, int]]:
    """The windows as minutes of a week that begins on Monday, of the one so many days later."""
    found = []
    for window in windows:
        for name in window.days:
            midnight = (WEEK.index(name) + later) * DAY_MINUTES
            found.append((midnight + window.from_, midnight + window.to))
    return found


class Beginning(NamedTuple):
    """Where a stretch of the week begins, and how long it lasts where no clock is changed in it."""

    weekday: int
    """Monday is 0."""
    minutes: int
    """After midnight."""
    length: timedelta


def beginnings(windows: Sequence[Window]) -> list[Beginning]:
    """Where a week's stretches begin; what adjoins is one. Empty: they have no beginning, for they fill the week."""
    whole: list[tuple[int, int]] = []
    for start, stop in sorted(part for later in (-7, 0, 7) for part in _week(windows, later)):
        if whole and start <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(stop, whole[-1][1]))
        else:
            whole.append((start, stop))
    return [
        Beginning(*divmod(start, DAY_MINUTES), timedelta(minutes=stop - start))
        for start, stop in whole
        if 0 <= start < 7 * DAY_MINUTES
    ]


# ---- in words --------------------------------------------------------------------------------------------------------


def told(moment: datetime, zone: ZoneInfo) -> str:
    """A moment in the zone and in UTC: `Tue 2026-11-24 10:00 CET (09:00 UTC)`."""
    local = moment.astimezone(zone)
    shown = f"{_NAMES[local.weekday()]} {local:%Y-%m-%d %H:%M}"
    if str(zone) == "UTC":
        return f"{shown} UTC"
    there = moment.astimezone(UTC)
    other = f"{there:%H:%M}" if there.date() == local.date() else f"{there:%Y-%m-%d %H:%M}"
    return f"{shown} {local.tzname()} ({other} UTC)"


def length_told(length: timedelta) -> str:
    """A length of time to the second: `2m30s`."""
    minutes, seconds = divmod(round(length.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


def windows_told(windows: Sequence[Window]) -> str:
    """`tue, wed 10:00 to 12:00`."""
    if not windows:
        return "at any time"
    return "; ".join(
        f"{'every day' if set(each.days) == set(WEEK) else ', '.join(each.days)} "
        f"{clock_text(each.from_)} to {clock_text(each.to)}"
        for each in windows
    )
