"""One clock read by another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosrun.load.on_ray.clock import Exchange, Reading, read_clock

NS = st.integers(0, 10**12)


def test_the_exchange_with_the_smallest_round_trip_tells() -> None:
    slow = Exchange(asked=0, theirs=5_900, answered=1_000)
    quick = Exchange(asked=2_000, theirs=7_105, answered=2_201)
    assert read_clock([slow, quick, slow]) == Reading(at=2_100, offset_ns=5_005, bound_ns=101, exchanges=3)


def test_without_an_exchange_nothing_is_known() -> None:
    with pytest.raises(ValueError, match="empty"):
        read_clock([])


@given(st.integers(-(10**15), 10**15), st.lists(st.tuples(NS, NS, NS), min_size=1, max_size=60))
def test_the_truth_is_within_the_bound_however_long_there_and_back_take(
    truth: int, trips: list[tuple[int, int, int]]
) -> None:
    made = [Exchange(at, at + there + truth, at + there + back) for at, there, back in trips]
    found = read_clock(made)
    assert abs(found.offset_ns - truth) <= found.bound_ns
    assert found.bound_ns <= min((there + back + 1) // 2 for _, there, back in trips)
