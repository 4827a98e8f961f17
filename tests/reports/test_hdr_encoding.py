"""The encoding of a histogram, held to the package `hdrhistogram` byte for byte."""

from __future__ import annotations

from collections import Counter

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosrun.reports._hdr_encoding import DIGITS, LOWEST, encoded, index_of

HOUR = 3_600_000_000_000


def theirs(values: dict[int, int]) -> str:
    histogram = HdrHistogram(LOWEST, HOUR, DIGITS)
    for value, count in values.items():
        histogram.record_value(value, count)
    text: str = histogram.encode().decode()
    return text


def ours(values: dict[int, int]) -> str:
    counts: Counter[int] = Counter()
    for value, count in values.items():
        counts[index_of(value)] += count
    return encoded(counts, HOUR)


@pytest.mark.parametrize("value", [0, 1, 2, 2047, 2048, 2049, 4095, 4096, 123_456_789, HOUR - 1])
def test_a_single_value_is_encoded_as_by_the_package(value: int) -> None:
    assert ours({value: 1}) == theirs({value: 1})


def test_neighbours_and_gaps_of_one_are_encoded_as_by_the_package() -> None:
    values = {10: 1, 11: 2, 13: 3, 16: 300, 2_000_000: 70_000}
    assert ours(values) == theirs(values)


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.integers(0, HOUR - 1), st.integers(1, 1 << 40), min_size=1, max_size=30))
def test_whatever_the_values_are_it_is_encoded_as_by_the_package(values: dict[int, int]) -> None:
    assert ours(values) == theirs(values)


def test_it_is_read_back_with_every_count() -> None:
    values = {1_000: 5, 2_500_000: 7, 90_000_000_000: 1}
    read = HdrHistogram.decode(ours(values))
    assert read.total_count == 13
    assert read.get_value_at_percentile(100) == pytest.approx(90_000_000_000, rel=0.001)
