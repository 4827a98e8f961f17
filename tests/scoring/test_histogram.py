"""Buckets, quantiles and merging."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chaosrun.scoring.histogram import Histogram, bucket_of, value_of
from chaosrun.scoring.ratio import exact, rank

durations = st.lists(st.integers(0, 10**13), min_size=1, max_size=200)


def filled(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


@given(st.integers(0, 2**62))
def test_a_bucket_is_within_half_a_percent_of_every_value_in_it(v: int) -> None:
    assert abs(value_of(bucket_of(v)) - v) * 256 <= v


@given(st.integers(0, 2**40))
def test_buckets_are_in_the_order_of_their_values(v: int) -> None:
    assert bucket_of(v) <= bucket_of(v + 1) <= bucket_of(v) + 1


@given(durations, st.sampled_from([0.01, 0.5, 0.9, 0.99, 0.999, 1.0]))
def test_a_quantile_is_within_one_percent_of_the_sorted_values(values: list[int], q: float) -> None:
    truth = sorted(values)[rank(q, len(values)) - 1]
    found = filled(values).quantile(q)
    assert found is not None
    assert abs(found - truth) * 100 <= truth


@given(durations, durations)
def test_merged_shards_equal_the_whole(one: list[int], two: list[int]) -> None:
    first = filled(one)
    first.merge(filled(two))
    assert first == filled(one + two)


@given(durations)
def test_buckets_and_back_keep_counts_and_quantiles(values: list[int]) -> None:
    histogram = filled(values)
    again = Histogram.from_buckets(histogram.buckets(), max_ns=histogram.max)
    assert again.buckets() == histogram.buckets()
    assert again.quantile(0.9) == histogram.quantile(0.9)
    assert (again.count, again.max) == (len(values), max(values))


def test_mean_and_maximum_are_exact() -> None:
    histogram = filled([1_000_003, 2_000_005])
    assert (histogram.mean, histogram.max) == (1_500_004, 2_000_005)


def test_without_values_everything_is_unknown() -> None:
    empty = Histogram()
    assert (empty.quantile(0.5), empty.mean, empty.max, empty.count) == (None, None, None, 0)


def test_waits_that_never_ended_rank_above_all_that_did() -> None:
    histogram = filled([10] * 98)
    assert histogram.quantile(0.98, beyond=2) == 10
    assert histogram.quantile(0.99, beyond=2) is None


def test_a_weight_counts_as_often_as_it_says() -> None:
    histogram = Histogram()
    histogram.record(5, 9)
    histogram.record(200)
    assert (histogram.count, histogram.quantile(0.9), histogram.quantile(0.91)) == (10, 5, 200)


def test_a_time_from_the_future_counts_as_none() -> None:
    assert filled([-5]).buckets() == {0: 1}


def test_a_ratio_is_the_decimal_that_was_written() -> None:
    assert exact(0.29) * 100 == 29
    assert exact(6 / 140) * 140 == 6
    assert [rank(q, n) for q, n in ((0.07, 100), (0.5, 3), (0.99, 1), (0.5, 0))] == [7, 2, 1, 1]
