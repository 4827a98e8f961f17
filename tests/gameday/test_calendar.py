"""When a day may run: held against a clock on the wall that is read minute by minute, and against what was worked out
by hand of the nights in which clocks change."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosrun.gameday.calendar import HORIZON, Calendar, Stretch, beginnings, instant, told, windows_told
from chaosrun.spec.gameday import WEEK, Dates, Window

VIENNA = ZoneInfo("Europe/Vienna")
NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
ZONES = (VIENNA, NEW_YORK, LORD_HOWE, ZoneInfo("UTC"), ZoneInfo("Asia/Kathmandu"), ZoneInfo("America/Sao_Paulo"))
MINUTE = timedelta(minutes=1)


def window(start: str, end: str, *days: str) -> Window:
    return Window.model_validate({"from": start, "to": end, **({"days": list(days)} if days else {})})


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def nights(calendar: Calendar, begin: datetime, end: datetime) -> list[tuple[str, str]]:
    """The stretches that begin in a time, in UTC, as text."""
    found: list[tuple[str, str]] = []
    now = begin - timedelta(seconds=1)
    while (stretch := calendar.next_after(now)) is not None and stretch.begin < end:
        found.append((f"{stretch.begin:%m-%d %H:%M}", f"{stretch.end:%m-%d %H:%M}"))
        now = stretch.begin
    return found


@pytest.mark.parametrize(
    ("zone", "start", "end", "night", "expected"),
    [
        # 2027-03-28, 02:00 CET -> 03:00 CEST, at 01:00 UTC
        (VIENNA, "01:30", "02:30", "2027-03-28", [("03-28 00:30", "03-28 01:00")]),
        (VIENNA, "02:30", "04:00", "2027-03-28", [("03-28 01:00", "03-28 02:00")]),
        (VIENNA, "02:00", "03:00", "2027-03-28", []),
        (VIENNA, "02:15", "02:45", "2027-03-28", []),
        (VIENNA, "00:00", "24:00", "2027-03-28", [("03-27 23:00", "03-28 22:00")]),
        # 2027-10-31, 03:00 CEST -> 02:00 CET, at 01:00 UTC
        (VIENNA, "02:15", "02:45", "2027-10-31", [("10-31 00:15", "10-31 00:45")]),
        (VIENNA, "01:00", "02:30", "2027-10-31", [("10-30 23:00", "10-31 00:30")]),
        (VIENNA, "02:30", "04:00", "2027-10-31", [("10-31 00:30", "10-31 03:00")]),
        (VIENNA, "03:00", "04:00", "2027-10-31", [("10-31 02:00", "10-31 03:00")]),
        # 2027-03-14, 02:00 EST -> 03:00 EDT, at 07:00 UTC; 2027-11-07, 02:00 EDT -> 01:00 EST, at 06:00 UTC
        (NEW_YORK, "02:30", "03:30", "2027-03-14", [("03-14 07:00", "03-14 07:30")]),
        (NEW_YORK, "01:30", "02:30", "2027-11-07", [("11-07 05:30", "11-07 07:30")]),
        # 2026-10-04, 02:00 +10:30 -> 02:30 +11, at 15:30 UTC; 2027-04-04, 02:00 +11 -> 01:30 +10:30, at 15:00 UTC
        (LORD_HOWE, "02:10", "02:40", "2026-10-04", [("10-03 15:30", "10-03 15:40")]),
        (LORD_HOWE, "02:00", "02:30", "2026-10-04", []),
        (LORD_HOWE, "01:45", "02:15", "2027-04-04", [("04-03 14:45", "04-03 15:45")]),
    ],
)
def test_in_the_night_of_a_clock_change_a_window_is_where_the_documentation_says(
    zone: ZoneInfo, start: str, end: str, night: str, expected: list[tuple[str, str]]
) -> None:
    weekday = WEEK[date.fromisoformat(night).weekday()]
    calendar = Calendar([window(start, end, weekday)], (), zone)
    middle = at(night)
    assert nights(calendar, middle - timedelta(hours=36), middle + timedelta(hours=36)) == expected


def test_a_date_that_a_place_never_had_has_no_window() -> None:
    apia = ZoneInfo("Pacific/Apia")  # from 2011-12-29 straight to 2011-12-31, at 10:00 UTC
    assert instant(date(2011, 12, 30), 600, apia) == at("2011-12-30 10:00")
    assert instant(date(2011, 12, 31), 0, apia) == at("2011-12-30 10:00")
    calendar = Calendar([window("09:00", "10:00", "fri")], (), apia)
    assert nights(calendar, at("2011-12-28"), at("2012-01-04")) == []


def test_a_window_begins_with_its_first_minute_and_its_last_is_not_within() -> None:
    calendar = Calendar([window("10:00", "12:00", "tue")], (), VIENNA)
    begin, end = at("2026-11-24 09:00"), at("2026-11-24 11:00")
    assert calendar.inside(begin - timedelta(microseconds=1)) is None
    assert calendar.inside(begin) == calendar.inside(end - timedelta(microseconds=1)) == Stretch(begin, end)
    assert calendar.inside(end) is None
    assert calendar.next_after(begin) == Stretch(begin + timedelta(days=7), end + timedelta(days=7))


def test_on_a_blackout_date_nothing_runs_and_its_ends_belong_to_it() -> None:
    calendar = Calendar(
        [window("10:00", "12:00")],
        (Dates(date(2026, 12, 24), date(2027, 1, 6)), Dates(*[date(2027, 1, 8)] * 2)),
        VIENNA,
    )
    assert calendar.inside(at("2026-12-23 10:00")) is not None
    assert calendar.inside(at("2026-12-24 10:00")) is calendar.inside(at("2027-01-06 10:00")) is None
    following = calendar.next_after(at("2026-12-23 10:00"))
    assert following is not None
    assert following.begin == at("2027-01-07 09:00")
    assert str(calendar.blacked_out(at("2027-01-06 22:59"))) == "2026-12-24..2027-01-06"
    assert calendar.blacked_out(at("2027-01-06 23:00")) is None


def test_a_blackout_date_is_one_of_the_zone_of_the_day() -> None:
    dark = (Dates(date(2026, 12, 24), date(2026, 12, 24)),)
    assert Calendar((), dark, ZoneInfo("Pacific/Auckland")).inside(at("2026-12-23 11:00")) is None
    assert Calendar((), dark, NEW_YORK).inside(at("2026-12-25 04:59")) is None
    assert Calendar((), dark, NEW_YORK).inside(at("2026-12-25 05:00")) is not None


def test_windows_that_adjoin_at_midnight_are_one_and_a_blackout_cuts_it() -> None:
    night = [window("22:00", "24:00", "tue"), window("00:00", "02:00", "wed")]
    whole = Calendar(night, (), VIENNA)
    assert whole.inside(at("2026-11-24 22:00")) == Stretch(at("2026-11-24 21:00"), at("2026-11-25 01:00"))
    cut = Calendar(night, (Dates(date(2026, 11, 25), date(2026, 11, 25)),), VIENNA)
    assert cut.inside(at("2026-11-24 22:00")) == Stretch(at("2026-11-24 21:00"), at("2026-11-24 23:00"))


def test_that_there_is_no_window_ahead_is_found_out_and_not_looked_for_without_an_end() -> None:
    forever = (Dates(date(2026, 1, 1), date(2040, 1, 1)),)
    assert Calendar([window("10:00", "12:00")], forever, VIENNA).next_after(at("2026-11-24 10:00")) is None
    last = (Dates(date(2026, 1, 1), (at("2026-11-24 10:00") + HORIZON).date() - timedelta(days=2)),)
    assert Calendar([window("10:00", "12:00")], last, VIENNA).next_after(at("2026-11-24 10:00")) is not None


def test_without_windows_it_is_always_and_what_comes_next_is_what_a_blackout_leaves() -> None:
    calendar = Calendar((), (Dates(date(2026, 11, 25), date(2026, 11, 25)),), VIENNA)
    assert calendar.inside(at("2026-11-24 22:59")) is not None
    assert calendar.inside(at("2026-11-24 23:00")) is None
    following = calendar.next_after(at("2026-11-24 12:00"))
    assert following is not None
    assert following.begin == at("2026-11-25 23:00")


def test_a_window_that_is_too_short_for_what_is_to_run_is_not_the_next() -> None:
    calendar = Calendar([window("10:00", "10:05", "mon"), window("10:00", "12:00", "thu")], (), VIENNA)
    following = calendar.next_after(at("2026-11-22 12:00"), timedelta(minutes=6))
    assert following is not None
    assert following.begin == at("2026-11-26 09:00")


@pytest.mark.parametrize(
    ("windows", "longest", "expected"),
    [
        ([window("10:00", "12:00", "tue")], 120, [(1, 600)]),
        ([window("22:00", "24:00", "sun"), window("00:00", "02:00", "mon")], 240, [(6, 1320)]),
        ([window("10:00", "12:00", "tue"), window("11:00", "13:00", "tue", "wed")], 180, [(1, 600), (2, 660)]),
        ([window("00:00", "24:00", "mon", "tue")], 2880, [(0, 0)]),
        ([window("00:00", "24:00")], None, []),
        ([], None, []),
    ],
)
def test_a_week_of_windows_says_how_long_a_day_can_last_and_when_one_begins(
    windows: list[Window], longest: int | None, expected: list[tuple[int, int]]
) -> None:
    assert Calendar(windows, (), VIENNA).longest() == (None if longest is None else longest * MINUTE)
    assert [(each.weekday, each.minutes) for each in beginnings(windows)] == expected


def test_moments_are_told_in_the_zone_of_the_day_and_in_utc() -> None:
    assert told(at("2026-11-24 09:00"), VIENNA) == "Tue 2026-11-24 10:00 CET (09:00 UTC)"
    assert told(at("2026-11-24 23:30"), VIENNA) == "Wed 2026-11-25 00:30 CET (2026-11-24 23:30 UTC)"
    assert told(at("2026-11-24 09:00"), ZoneInfo("UTC")) == "Tue 2026-11-24 09:00 UTC"
    assert windows_told([window("10:00", "12:00", "tue", "thu"), window("00:00", "24:00")]) == (
        "tue, thu 10:00 to 12:00; every day 00:00 to 24:00"
    )


# ---- against a clock that is read minute by minute -------------------------------------------------------------------

NEAR_CHANGES = st.sampled_from(
    [date(2027, 3, 28), date(2027, 10, 31), date(2027, 3, 14), date(2027, 11, 7), date(2026, 10, 4), date(2027, 4, 4)]
)
CLOCKS = st.tuples(st.integers(0, 1440), st.integers(0, 1440)).filter(lambda pair: pair[0] < pair[1])
WINDOWS = st.lists(
    st.builds(
        lambda days, clock: Window.model_construct(days=tuple(days), from_=clock[0], to=clock[1]),
        st.lists(st.sampled_from(WEEK), min_size=1, max_size=7, unique=True),
        CLOCKS,
    ),
    min_size=1,
    max_size=3,
)


def minutes_within(windows: list[Window], blackout: tuple[Dates, ...], zone: ZoneInfo, on: date) -> Iterator[datetime]:
    """Whoever looks at the clock every minute of a date: a window is opened when the clock first shows its beginning or
    more, and closed for good when it first shows its end or more."""
    if any(dates.first <= on <= dates.last for dates in blackout):
        return
    for each in windows:
        if WEEK[on.weekday()] not in each.days:
            continue
        moment = datetime(on.year, on.month, on.day, tzinfo=UTC) - timedelta(hours=16)
        opened = False
        for _ in range(56 * 60):
            local = moment.astimezone(zone)
            shown = (local.date() - on).days * 1440 + local.hour * 60 + local.minute
            if shown >= each.to:
                break
            opened = opened or shown >= each.from_
            if opened:
                yield moment
            moment += MINUTE


@given(WINDOWS, st.sampled_from(ZONES), NEAR_CHANGES, st.integers(-2, 2), st.booleans())
def test_a_day_may_run_in_just_those_minutes_that_a_clock_on_the_wall_allows(
    windows: list[Window], zone: ZoneInfo, change: date, shift: int, dark: bool
) -> None:
    on = change + timedelta(days=shift)
    blackout = (Dates(on, on),) if dark else ()
    calendar = Calendar(windows, blackout, zone)
    allowed = {
        minute
        for offset in (-1, 0, 1)
        for minute in minutes_within(windows, blackout, zone, on + timedelta(days=offset))
    }
    noon = datetime(on.year, on.month, on.day, tzinfo=UTC)
    for number in range(0, 24 * 60, 7):
        moment = noon + number * MINUTE
        assert (calendar.inside(moment) is not None) == (moment in allowed), moment


@given(WINDOWS, st.sampled_from(ZONES), NEAR_CHANGES, st.integers(0, 3 * 1440), st.booleans())
def test_the_next_stretch_is_inside_and_nothing_earlier_begins_one(
    windows: list[Window], zone: ZoneInfo, change: date, minute: int, dark: bool
) -> None:
    calendar = Calendar(windows, (Dates(change, change),) if dark else (), zone)
    now = datetime(change.year, change.month, change.day, tzinfo=UTC) - timedelta(days=1) + minute * MINUTE
    following = calendar.next_after(now)
    assert following is not None
    assert following.begin > now
    assert calendar.inside(following.begin) == following
    assert calendar.inside(following.begin - timedelta(seconds=1)) is None
    present = calendar.inside(now)
    quiet = now if present is None else present.end
    steps = min(int((following.begin - quiet) / MINUTE), 3000)
    assert all(calendar.inside(quiet + step * MINUTE) is None for step in range(0, steps, 11))


@given(st.sampled_from(ZONES), NEAR_CHANGES, st.integers(-2, 2), st.integers(0, 1439))
def test_later_on_the_clock_is_never_earlier_in_time(zone: ZoneInfo, change: date, shift: int, minute: int) -> None:
    on = change + timedelta(days=shift)
    assert instant(on, minute, zone) <= instant(on, minute + 1, zone)
    assert instant(on, 1440, zone) == instant(on + timedelta(days=1), 0, zone)


def test_time_zones_are_known_where_the_system_has_none() -> None:
    code = "from chaosrun.spec.gameday import zone_of; print(type(zone_of('Europe/Vienna')).__name__)"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env={"PYTHONTZPATH": ""}, timeout=60
    )
    assert done.stdout == "ZoneInfo\n"
