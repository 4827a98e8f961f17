"""Bins of time have edges that people can read, and hold the whole run."""

from hypothesis import given
from hypothesis import strategies as st

from chaosrun.charts.bins import MS, SECOND, Bins, seconds


def test_a_minute_in_600_bins_has_bins_of_200_ms_and_not_of_100() -> None:
    """60 s / 100 ms would be 600 bins and the one that holds the last instant."""
    assert Bins.over(60 * SECOND, 600) == Bins(200 * MS, 301)
    assert Bins.over(60 * SECOND - 1, 600) == Bins(100 * MS, 600)


def test_steps_are_1_2_or_5_times_a_power_of_ten() -> None:
    steps = [Bins.over(end * SECOND, 100).step for end in (9, 19, 49, 99, 199, 499, 999, 3600)]
    assert [step / SECOND for step in steps] == [0.1, 0.2, 0.5, 1, 2, 5, 10, 50]


def test_a_run_without_length_has_one_bin() -> None:
    assert Bins.over(0, 600) == Bins(100 * MS, 1)


def test_what_lies_outside_the_run_goes_to_the_nearest_bin() -> None:
    bins = Bins.over(SECOND, 600)
    assert [bins.of(t) for t in (-1, 0, 99 * MS, 100 * MS, SECOND, 9 * SECOND)] == [0, 0, 0, 1, 10, 10]


@given(st.integers(0, 10**16), st.integers(1, 1000))
def test_there_are_never_more_bins_than_asked_for_and_the_last_holds_the_end(end: int, most: int) -> None:
    bins = Bins.over(end, most)
    assert 1 <= bins.count <= most
    assert (bins.count - 1) * bins.step <= end < bins.count * bins.step


def test_times_have_a_tenth_of_a_millisecond() -> None:
    assert seconds(1_234_567_890) == 1.2346
