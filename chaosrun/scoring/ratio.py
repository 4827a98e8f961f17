"""Shares as exact fractions, so that 29% of 100 is 29 and not 28.999999999999996."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import ceil

_FINEST = 1_000_000
"""Largest denominator: a millionth is finer than any limit that a load can resolve."""


@lru_cache(maxsize=256)
def exact(ratio: float) -> Fraction:
    """The simplest fraction that the float stands for (0.01 is 1/100, 6/140 as a float is 3/70)."""
    return Fraction(ratio).limit_denominator(_FINEST)


def rank(q: float, n: int) -> int:
    """How many of `n` values the `q`-quantile has at or below it: `ceil(q * n)`, at least 1."""
    return max(1, ceil(exact(q) * n))


def how_many(some: int | float, of: int) -> int:
    """A whole number as it is, or a share of `of` rounded up; at least 1 and at most all."""
    return min(some if isinstance(some, int) else rank(some, of), of)
