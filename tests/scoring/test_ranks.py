"""The exact rank statistics: against full enumeration, against values that another program computed, and by law."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, permutations, product
from math import comb, inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosrun.scoring.ranks import LARGEST, mann_whitney, ratio, ratio_bounds, shift, smallest_p

ALPHA = Fraction(1, 20)
small = st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, 5.0, inf]), min_size=1, max_size=5)
positive = st.lists(st.floats(0.001, 1000), min_size=1, max_size=6)


def pairs_won(a: list[float], b: list[float]) -> int:
    """Twice Mann and Whitney's U of b, by its definition: a pair that is won counts two, one that is tied one."""
    return sum(2 * (y > x) + (y == x) for x in a for y in b)


def by_enumeration(a: list[float], b: list[float]) -> Fraction:
    """How many of all deals of the pooled values win as many pairs for `b`."""
    pooled, seen = [*a, *b], pairs_won(a, b)
    deals = list(combinations(range(len(pooled)), len(b)))
    as_large = 0
    for chosen in deals:
        dealt = [pooled[i] for i in chosen]
        rest = [value for i, value in enumerate(pooled) if i not in chosen]
        as_large += pairs_won(rest, dealt) >= seen
    return Fraction(as_large, len(deals))


# ---- the p-value ----------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(small, small)
def test_p_is_the_share_of_all_deals_that_are_as_extreme_ties_and_all(a: list[float], b: list[float]) -> None:
    assert mann_whitney(a, b) == by_enumeration(a, b)


# Computed with scipy 1.17.1: mannwhitneyu(b, a, alternative="greater", method="exact") without ties, and
# permutation_test of the mid-rank sum over all deals (alternative="greater") with ties.
TWENTY = [0.963, 0.981, 1.914, 1.468, 0.826, 1.101, 1.777, 0.98, 2.49, 0.747]
TWENTY += [2.25, 1.246, 1.879, 1.736, 1.409, 1.723, 1.415, 1.62, 1.571, 1.12]
ELSEWHERE = [
    ([1.278, 0.635, 0.979], [1.288, 1.437, 1.459], 0.05),
    (
        [1.072, 0.826, 1.065, 1.335, 0.918, 0.773],
        [1.082, 1.675, 1.017, 1.366, 1.037, 0.644],
        0.24242424242424243,
    ),
    (
        [0.883, 1.058, 0.727, 2.006, 1.034, 0.892, 0.938, 1.321, 0.961, 0.622],
        [1.492, 1.676, 0.854, 1.007, 1.912, 1.194, 1.203, 1.153],
        0.05055075643310937,
    ),
    ([0.999, 0.748, 0.716, 1.589, 1.421], TWENTY, 0.07415772633163936),
    ([0.0, 0.0, 0.0, 1.2], [0.0, 1.2, 1.2, 3.1], 0.18571428571428572),
    ([1.0, 1.0, 2.0, 2.0, 2.0, 3.0], [2.0, 2.0, 3.0, 3.0, 3.0, 4.0], 0.050865800865800864),
    ([0.5, 0.5, 0.6], [0.6, 0.7, 0.7, 0.7, 0.5], 0.125),
    ([0.0, 0.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 2.0, 5.0, 9.0], 0.12237762237762238),
]


@pytest.mark.parametrize(("a", "b", "p"), ELSEWHERE)
def test_p_agrees_with_another_program(a: list[float], b: list[float], p: float) -> None:
    assert float(mann_whitney(a, b)) == pytest.approx(p, rel=1e-12)


@pytest.mark.parametrize(
    "pooled", [[1, 2, 3, 4, 5, 6], [1, 1, 2, 2, 3, 3], [0, 0, 0, 0, 0, 1], [2, 2, 2, 2, 2, 2], [1, 1, 1, 2, inf, inf]]
)
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_where_nothing_differs_p_is_at_most_x_with_a_chance_of_at_most_x(pooled: list[float], n: int) -> None:
    """Over every way to deal the same values to both sides, which is what "nothing differs" means."""
    ps = [
        mann_whitney([pooled[i] for i in chosen], [pooled[i] for i in range(6) if i not in chosen])
        for chosen in combinations(range(6), n)
    ]
    for p in set(ps):
        assert sum(other <= p for other in ps) <= p * len(ps)


@given(small, small)
def test_swapping_the_sides_looks_from_the_other_end(a: list[float], b: list[float]) -> None:
    """The two tails together have every deal once, and those that are just like this one twice."""
    assert mann_whitney(a, b) + mann_whitney(b, a) > 1
    there, back = ratio(a, b), ratio(b, a)
    if there is None or back is None:
        assert there is back
    elif {there, back} != {0.0, inf}:
        assert there * back == pytest.approx(1)


@given(positive, positive, st.integers(0, 5), st.floats(0, 10))
def test_a_larger_value_of_b_never_raises_p(a: list[float], b: list[float], which: int, more: float) -> None:
    larger = [value + more if i == which % len(b) else value for i, value in enumerate(b)]
    # Only the order counts, and ties that come or go change what is counted over: judged where there are none.
    if len({*a, *b}) == len(a) + len(b) == len({*a, *larger}):
        assert mann_whitney(a, larger) <= mann_whitney(a, b)


def test_the_least_p_is_one_deal_of_all() -> None:
    assert smallest_p(3, 3) == Fraction(1, 20) == mann_whitney([1, 2, 3], [4, 5, 6])
    assert smallest_p(1, 1) == Fraction(1, 2) == mann_whitney([1], [2])
    assert smallest_p(2, 3) == Fraction(1, 10) == mann_whitney([1, 2], [3, 4, 5])


def test_values_that_are_all_the_same_show_nothing() -> None:
    assert mann_whitney([2.0] * 4, [2.0] * 5) == 1


def test_it_is_exact_up_to_the_largest_samples_and_refuses_more() -> None:
    n = LARGEST // 2
    assert mann_whitney(range(n), range(n, 2 * n)) == Fraction(1, comb(2 * n, n))
    assert mann_whitney(range(LARGEST - 1), [-0.0]) == 1
    with pytest.raises(ValueError, match="at most 120"):
        mann_whitney(range(n), range(n + 1))
    with pytest.raises(ValueError, match="at least one"):
        mann_whitney([], [1])


# ---- ratio and shift ------------------------------------------------------------------------------------------------


@given(positive, positive)
def test_the_ratio_is_the_median_of_all_ratios(a: list[float], b: list[float]) -> None:
    ratios = sorted(y / x for x in a for y in b)
    middle = len(ratios) // 2
    expected = ratios[middle] if len(ratios) % 2 else (ratios[middle - 1] * ratios[middle]) ** 0.5
    assert ratio(a, b) == pytest.approx(expected)


@given(positive, positive, st.integers(-8, 8))
def test_the_unit_does_not_matter_to_ratio_and_p(a: list[float], b: list[float], power: int) -> None:
    """By powers of two, which floats multiply exactly."""
    factor = 2.0**power
    there = [factor * value for value in a], [factor * value for value in b]
    assert ratio(*there) == pytest.approx(ratio(a, b))
    assert ratio_bounds(*there, ALPHA) == ratio_bounds(a, b, ALPHA)
    assert mann_whitney(*there) == mann_whitney(a, b)


@given(positive, positive, st.integers(-8, 8))
def test_b_twice_as_large_is_a_ratio_twice_as_large(a: list[float], b: list[float], power: int) -> None:
    factor = 2.0**power
    larger = [factor * value for value in b]
    assert ratio(a, larger) == pytest.approx(factor * (ratio(a, b) or 0))
    bounds, before = ratio_bounds(a, larger, ALPHA), ratio_bounds(a, b, ALPHA)
    assert bounds == tuple(None if bound is None else factor * bound for bound in before)


def test_zeros_and_values_without_end_have_ratios_too() -> None:
    assert ratio([0.0], [0.0]) == 1
    assert ratio([0.0], [2.0]) == inf
    assert ratio([2.0], [0.0]) == 0
    assert ratio([2.0], [inf]) == inf
    assert ratio([inf], [2.0]) == 0
    assert ratio([inf], [inf]) == 1
    assert ratio([1.0], [0.0, inf]) is None
    assert ratio([1.0], [1.0, inf]) == inf
    with pytest.raises(ValueError, match="negative"):
        ratio([1.0], [-1.0])


def test_the_shift_is_the_median_of_all_differences() -> None:
    assert shift([1.0, 2.0, 4.0], [3.0, 6.0]) == 2.0  # -1 1 2 2 4 5
    assert shift([inf], [inf]) == 0
    assert shift([1.0], [1.0, inf]) == inf
    assert shift([1.0, inf], [1.0, inf]) == 0.0
    assert shift([1.0, inf], [inf, 1.0, inf]) == 0.0
    assert shift([inf, 1.0], [inf, 1.0, 2.0, 3.0]) is not None


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 3), (1, 18)])
def test_small_samples_have_no_bound(n: int, m: int) -> None:
    assert ratio_bounds([1.0] * n, [2.0] * m, ALPHA) == (None, None)


@pytest.mark.parametrize(("n", "m"), [(3, 3), (2, 5), (4, 4), (5, 3), (4, 5)])
def test_the_bound_is_the_ratio_at_which_the_test_begins_to_reject(n: int, m: int) -> None:
    """With distinct values: for every order that they can have, B divided by a little less than the bound is too large,
    and by a little more it is not."""
    primes = [2.0, 3.0, 5.0, 7.0, 11.0, 13.0, 17.0, 19.0, 23.0]
    for chosen in list(combinations(primes[: n + m], n))[:: max(1, comb(n + m, n) // 12)]:
        a, b = list(chosen), [value for value in primes[: n + m] if value not in chosen]
        lower, upper = ratio_bounds(a, b, ALPHA)
        assert lower is not None
        assert upper is not None
        assert mann_whitney(a, [value / (lower * 0.9999) for value in b]) <= ALPHA
        assert mann_whitney(a, [value / (lower * 1.0001) for value in b]) > ALPHA
        assert mann_whitney([value / (upper * 1.0001) for value in b], a) <= ALPHA
        assert mann_whitney([value / (upper * 0.9999) for value in b], a) > ALPHA


@pytest.mark.parametrize("levels", [(1.0, 2.0), (0.0, 1.0, 3.0), (1.0, inf), (2.0, 3.0, 5.0)])
def test_the_lower_bound_is_above_the_truth_in_at_most_one_run_of_twenty_however_the_values_tie(
    levels: tuple[float, ...],
) -> None:
    """Every outcome of 3 and 3 independent draws from the same few values; the true ratio is 1."""
    outcomes = list(product(levels, repeat=3))
    wrong = 0
    for a in outcomes:
        for b in outcomes:
            lower, _ = ratio_bounds(a, b, ALPHA)
            assert lower is not None
            wrong += lower > 1
    assert wrong <= ALPHA * len(outcomes) ** 2


def test_the_order_of_the_runs_does_not_matter() -> None:
    a, b = [1.0, 2.0, 2.0, 4.0], [2.0, 3.0, 5.0]
    for order in permutations(b):
        assert mann_whitney(a, order) == mann_whitney(a, b)
        assert ratio_bounds(a, order, ALPHA) == ratio_bounds(a, b, ALPHA)
