"""Two small samples compared by their ranks, exactly: no approximation, whatever the ties.

Values are not negative. `math.inf` stands for a value that was never seen to end: it ranks last, and two of them are
equal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from math import comb, inf, isnan, sqrt

LARGEST = 120
"""Values in both samples together for which the exact distribution is counted; 60 and 60 take a quarter of a second."""


def mann_whitney(a: Sequence[float], b: Sequence[float]) -> Fraction:
    """The one-sided p-value of "b is larger than a": how often the pooled values, dealt at random to samples of these
    sizes, give `b` a rank sum as large as the one seen, or larger.

    Ties have their middle rank, and the count goes over the values as they are, ties and all (Mann and Whitney, Annals
    of Mathematical Statistics 18, 1947; given the ties the distribution is that of a sum of ranks drawn without
    replacement).

    Raises:
        ValueError: a sample is empty, or both together are more than `LARGEST`.
    """
    _check(a, b)
    ranks = _doubled_ranks([*a, *b])
    mine = ranks[len(a) :]
    if len(b) > len(a):
        # The same event from the other side, where there are fewer to choose.
        top = 2 * (len(ranks) + 1)
        ranks = [top - rank for rank in ranks]
        mine = ranks[: len(a)]
    sums, width = _subset_sums(tuple(sorted(ranks)), len(mine))
    # Modulo 2^width - 1 every field weighs 1, so that the remainder is their sum, which one field can hold.
    as_large = (sums >> width * sum(mine)) % ((1 << width) - 1)
    return Fraction(as_large, comb(len(ranks), len(mine)))


def smallest_p(n: int, m: int) -> Fraction:
    """The least p-value that samples of these sizes can have: one deal of all, 1 / C(n + m, n)."""
    return Fraction(1, comb(n + m, n))


def ratio(a: Sequence[float], b: Sequence[float]) -> float | None:
    """The Hodges-Lehmann estimate of b/a: the median of all ratios of a value of `b` to one of `a`, taken on their
    logarithms (Hodges and Lehmann, Annals of Mathematical Statistics 34, 1963).

    Where the two are equal, both 0 or both without end, their ratio is 1; otherwise it is infinite over 0, and 0 below
    a value without end. None: half of the ratios are 0 and half infinite.
    """
    _check(a, b)
    return _middle(_ratios(a, b), lambda low, high: sqrt(low) * sqrt(high))


def ratio_bounds(a: Sequence[float], b: Sequence[float], alpha: Fraction) -> tuple[float | None, float | None]:
    """The exact one-sided confidence bounds of b/a, the lower and the upper, each at confidence 1 - alpha.

    They are the ratios of rank c + 1 from below and from above, with c the most pairs out of order that have a chance
    of at most alpha. With ties they hold with a larger confidence. None: the samples are too small for any.
    """
    _check(a, b)
    out_of_order = _tail(len(a), len(b), alpha)
    if out_of_order is None:
        return None, None
    ratios = _ratios(a, b)
    return ratios[out_of_order], ratios[-1 - out_of_order]


def shift(a: Sequence[float], b: Sequence[float]) -> float | None:
    """The Hodges-Lehmann estimate of b - a: the median of all differences.

    None: half of the differences are infinite to either side.
    """
    _check(a, b)
    differences = sorted(0.0 if x == y else y - x for x in a for y in b)
    return _middle(differences, lambda low, high: (low + high) / 2)


# ---- how it is counted ----------------------------------------------------------------------------------------------


def _check(a: Sequence[float], b: Sequence[float]) -> None:
    if not a or not b or len(a) + len(b) > LARGEST:
        raise ValueError(f"{len(a)} and {len(b)} values; give at least one of each and at most {LARGEST} in all")
    if min(*a, *b) < 0:
        raise ValueError(f"{min(*a, *b)} is negative; ratios need values of at least 0")


def _doubled_ranks(values: Sequence[float]) -> list[int]:
    """Twice the middle rank (from 1) of each value, which is a whole number."""
    below, ranks = 0, {}
    for value, count in sorted(Counter(values).items()):
        ranks[value] = 2 * below + count + 1
        below += count
    return [ranks[value] for value in values]


@lru_cache(maxsize=64)
def _subset_sums(ranks: tuple[int, ...], size: int) -> tuple[int, int]:
    """In how many ways `size` of the ranks have each sum: the number for sum s is field s of a long integer.

    It is the coefficient of y^size in the product of (1 + y x^rank), with 2^width in place of x.

    Returns:
        That integer, and the width of a field in bits.
    """
    width = comb(len(ranks), size).bit_length() + 1
    ways = [1] + [0] * size
    for rank in ranks:
        for k in range(size, 0, -1):
            ways[k] += ways[k - 1] << width * rank
    return ways[size], width


@lru_cache(maxsize=256)
def _tail(n: int, m: int, alpha: Fraction) -> int | None:
    """The largest number of pairs (x, y) with y below x whose chance, of it or fewer, is at most alpha."""
    size = min(n, m)
    sums, width = _subset_sums(tuple(range(1, n + m + 1)), size)
    fields = sums >> width * (size * (size + 1) // 2)
    allowed, seen, pairs = alpha * comb(n + m, size), 0, -1
    while True:
        seen += fields & ((1 << width) - 1)
        if seen > allowed:
            return pairs if pairs >= 0 else None
        fields >>= width
        pairs += 1


def _ratios(a: Sequence[float], b: Sequence[float]) -> list[float]:
    return sorted(_ratio(x, y) for x in a for y in b)


def _ratio(x: float, y: float) -> float:
    if x == y:
        return 1.0
    return inf if x == 0 or y == inf else y / x


def _middle(ordered: Sequence[float], between: Callable[[float, float], float]) -> float | None:
    """The median; of an even number, what lies between the two in the middle, if anything does."""
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    middle = low if low == high else between(low, high)
    return None if isnan(middle) else middle
