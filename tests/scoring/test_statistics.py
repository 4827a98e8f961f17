"""The exact interval of a share, against published values and against the binomial distribution itself."""

from math import comb, isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosrun.scoring.statistics import clopper_pearson, incomplete_beta, quantile_ranks


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        (0, 10, 0.0, 0.3085),
        (1, 10, 0.0025, 0.4450),
        (5, 10, 0.1871, 0.8129),
        (3, 20, 0.0321, 0.3789),
        (10, 10, 0.6915, 1.0),
        (3, 300, 0.0021, 0.0289),
    ],
)
def test_the_interval_is_the_published_one(k: int, n: int, low: float, high: float) -> None:
    assert clopper_pearson(k, n) == pytest.approx((low, high), abs=5e-5)


def test_without_events_the_upper_end_has_a_closed_form() -> None:
    for n in (1, 7, 400, 1_000_000):
        assert isclose(clopper_pearson(0, n)[1], 1 - 0.025 ** (1 / n), rel_tol=1e-9)


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_each_end_leaves_a_tail_of_two_and_a_half_percent(events: tuple[int, int]) -> None:
    k, n = events
    low, high = clopper_pearson(k, n)
    at_least = sum(comb(n, i) * low**i * (1 - low) ** (n - i) for i in range(k, n + 1))
    at_most = sum(comb(n, i) * high**i * (1 - high) ** (n - i) for i in range(k + 1))
    assert low <= k / n <= high
    assert k == 0 or isclose(at_least, 0.025, rel_tol=1e-8)
    assert k == n or isclose(at_most, 0.025, rel_tol=1e-8)


def test_a_hundred_million_events_give_the_normal_interval() -> None:
    low, high = clopper_pearson(50_000_000, 100_000_000)
    assert (low, high) == pytest.approx((0.5 - 1.96 * 5e-5, 0.5 + 1.96 * 5e-5), abs=1e-8)


@pytest.mark.parametrize(("k", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_what_is_not_a_share_is_refused(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        clopper_pearson(k, n)


def test_the_incomplete_beta_function_ends_at_its_ends() -> None:
    assert (incomplete_beta(0, 2, 3), incomplete_beta(1, 2, 3)) == (0.0, 1.0)
    assert isclose(incomplete_beta(0.4, 2, 3), 0.5248)  # 6x^2 - 8x^3 + 3x^4, integrated from the density 12 x (1-x)^2


def test_the_ranks_of_a_median_are_those_of_the_sign_test() -> None:
    # The sign test's table: of 10 values the median lies between the 2nd and the 9th, of 20 between the 6th and 15th.
    assert quantile_ranks(0.5, 10) == (2, 9)
    assert quantile_ranks(0.5, 20) == (6, 15)


def test_few_values_leave_a_high_quantile_up_to_the_largest() -> None:
    assert quantile_ranks(0.99, 80)[1] == 80
    assert quantile_ranks(0.99, 1) == (1, 1)


@given(st.integers(1, 3000), st.sampled_from((0.5, 0.9, 0.99)))
def test_a_limit_at_the_upper_rank_is_a_share_that_is_proved(n: int, q: float) -> None:
    first, last = quantile_ranks(q, n)
    assert 1 <= first <= last <= n
    above = n - last
    assert above == 0 or clopper_pearson(above, n)[1] <= 1 - q
