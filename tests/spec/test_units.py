from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosrun.spec import units
from chaosrun.spec.units import UnitError

ANYTHING = st.one_of(
    st.text(),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.lists(st.integers()),
    st.dictionaries(st.text(), st.text()),
)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("300ms", 300_000_000),
        ("1m30s", 90_000_000_000),
        ("1.5ms", 1_500_000),
        ("0s", 0),
        ("2h", 7_200_000_000_000),
        ("1d", 86_400_000_000_000),
        ("7us", 7_000),
        ("7µs", 7_000),
        ("0.1s", 100_000_000),
        ("1h0.5s", 3_600_500_000_000),
    ],
)
def test_a_duration_is_exact_nanoseconds(text: str, ns: int) -> None:
    assert units.duration_ns(text) == ns


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (30, "30 is a bare number; write 30s"),
        (500, "500 is a bare number; write 500ms or 500s"),
        (0, "0 is a bare number; write 0s"),
        ("30", "'30' is not a duration; write 300ms, 30s or 1m30s"),
        ("1:30", "'1:30' is not a duration"),
        ("-1s", "'-1s' is not a duration"),
        ("1s1m", "'1s1m': the units of a duration go from large to small"),
        ("1s1s", "'1s1s': the units of a duration go from large to small"),
        ("0.5ns", "'0.5ns' is finer than a nanosecond"),
        ("999999999999d", "'999999999999d' is longer than a year; at most 366d"),
        (None, "null stands where a quantity is needed"),
        (True, "true or false stands where a quantity is needed"),
        ([], "a list stands where a quantity is needed"),
    ],
)
def test_a_wrong_duration_is_named_with_what_would_be_right(value: object, says: str) -> None:
    with pytest.raises(UnitError) as caught:
        units.duration_ns(value)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(
    ("value", "share"),
    [("0.5%", 0.005), (0.005, 0.005), ("100%", 1.0), (1, 1.0), (0, 0.0), ("170%", 1.7)],
)
def test_a_ratio_is_a_share_of_one(value: object, share: float) -> None:
    assert units.ratio(value) == share


def test_a_bare_ratio_above_one_is_taken_for_forgotten_percent() -> None:
    with pytest.raises(UnitError, match="70 is not a ratio; write 70%"):
        units.ratio(70)


@pytest.mark.parametrize(
    ("text", "count"), [("12GB", 12 * 10**9), ("512MiB", 512 * 2**20), ("1.5kB", 1500), ("1 KB", 1000), ("0B", 0)]
)
def test_a_size_is_whole_bytes(text: str, count: int) -> None:
    assert units.size_bytes(text) == count


def test_a_size_in_the_wrong_case_is_not_guessed_but_suggested() -> None:
    with pytest.raises(UnitError, match="no unit 'gb'; did you mean GB"):
        units.size_bytes("12gb")
    with pytest.raises(UnitError, match="finer than a byte"):
        units.size_bytes("0.5B")


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("2/s", 2.0),
        ("1/30s", 1 / 30),
        ("10k/s", 10_000.0),
        ("1M/s", 1e6),
        ("60/m", 1.0),
        ("0.5/s", 0.5),
        ("3/100ms", 30.0),
    ],
)
def test_a_rate_is_events_per_second(text: str, rate: float) -> None:
    assert units.rate_per_s(text) == rate


def test_a_rate_of_nothing_is_no_rate() -> None:
    with pytest.raises(UnitError, match="`none` for no requests"):
        units.rate_per_s("0/s")
    with pytest.raises(UnitError, match="2 is a bare number; write 2/s"):
        units.rate_per_s(2)


@pytest.mark.parametrize("text", ["1/367d", "1/99999999999999999999d"])
def test_a_rate_that_no_run_would_see_an_event_of_is_refused(text: str) -> None:
    with pytest.raises(UnitError, match="less than once a year"):
        units.rate_per_s(text)


def test_a_rate_of_more_than_one_event_a_nanosecond_is_refused() -> None:
    with pytest.raises(UnitError, match="more than once a nanosecond"):
        units.rate_per_s("99999M/ns")


@pytest.mark.parametrize("parse", [units.duration_ns, units.size_bytes, units.rate_per_s])
def test_a_quantity_of_a_million_characters_is_not_even_looked_at(parse: Callable[[object], float]) -> None:
    with pytest.raises(UnitError, match="has 1000000 characters; write a quantity such as 30") as caught:
        parse("1" * 1_000_000)
    assert len(str(caught.value)) < 200


def test_the_period_of_a_slow_rate_is_exact() -> None:
    assert units.period_ns(units.rate_per_s("1/30s")) == 30_000_000_000
    assert units.period_ns(units.rate_per_s("3/s")) == 333_333_333


@given(st.integers(min_value=0, max_value=366 * 86_400 * 10**9))
def test_every_duration_reads_back_from_its_text(ns: int) -> None:
    assert units.duration_ns(units.format_duration(ns)) == ns


@given(st.integers(min_value=1, max_value=10**15))
def test_the_shortest_that_would_do_is_told_in_three_digits(ns: int) -> None:
    told = units.duration_ns(units.format_at_least(ns))
    assert ns <= told <= ns * 1.01
    assert len(str(told).rstrip("0")) <= 3
    assert [units.format_at_least(ns) for ns in (3_333_333, 9_999_999, 150_000_000)] == ["3340us", "10ms", "150ms"]


@given(st.integers(min_value=0, max_value=10**17))
def test_every_size_reads_back_from_its_text(count: int) -> None:
    assert units.size_bytes(units.format_size(count)) == count


@given(st.floats(min_value=1e-6, max_value=1e9))
def test_every_rate_reads_back_from_its_text(rate: float) -> None:
    assert units.rate_per_s(units.format_rate(rate)) == rate


@given(ANYTHING)
def test_whatever_is_given_only_a_unit_error_is_raised(value: object) -> None:
    for parse in (units.duration_ns, units.ratio, units.size_bytes, units.rate_per_s):
        with suppress(UnitError):
            parse(value)
