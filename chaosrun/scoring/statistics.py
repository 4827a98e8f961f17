"""Exact statistics without a library: what a handful of counted events proves about a share."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import exp, lgamma, log, log1p

CONFIDENCE = 0.95


@lru_cache(maxsize=4096)
def clopper_pearson(k: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact two-sided confidence interval of a share of which `k` events in `n` trials were seen.

    The ends are quantiles of beta distributions: B(a/2; k, n-k+1) and B(1-a/2; k+1, n-k), with a = 1 - confidence
    (Clopper and Pearson, Biometrika 26, 1934).

    Raises:
        ValueError: not 0 <= k <= n, or n = 0.
    """
    if n <= 0 or not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is not a share; give 0 <= k <= n and n > 0")
    tail = (1 - confidence) / 2
    low = 0.0 if k == 0 else _beta_quantile(tail, k, n - k + 1)
    high = 1.0 if k == n else _beta_quantile(1 - tail, k + 1, n - k)
    return low, high


def _beta_quantile(p: float, a: float, b: float) -> float:
    """x with I_x(a, b) = p, by bisection to the last bit that matters: I is increasing in x."""
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        # Relative, because the share of a rare event is small: 1e-12 of it is far below what is printed.
        if high - low <= 1e-13 * middle or middle in (low, high):
            break
        if incomplete_beta(middle, a, b) < p:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b), the distribution function of the beta distribution.

    By its continued fraction (NIST Digital Library of Mathematical Functions 8.17.22), evaluated from the side on
    which it converges fast.
    """
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1.0 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of DLMF 8.17.22 by the modified Lentz method (Thompson and Barnett, 1986)."""
    tiny = 1e-300
    c = 1.0
    d = 1 / _away_from_zero(1 - (a + b) * x / (a + 1), tiny)
    value = d
    # It needs O(sqrt(max(a, b))) steps: 10,000 are enough for 1e8 events.
    for m in range(1, 10_000):
        for coefficient in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _away_from_zero(1 + coefficient * d, tiny)
            c = _away_from_zero(1 + coefficient / c, tiny)
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value


def _away_from_zero(value: float, tiny: float) -> float:
    return value if abs(value) >= tiny else tiny


def quantile_ranks(q: float, n: int) -> tuple[int, int]:
    """The ranks (from 1, ascending) of the order statistics of `n` values between which the `q`-quantile lies.

    It is the interval of `clopper_pearson` turned round: a limit X on the quantile is a limit 1 - q on the share of
    values above X, so the upper rank leaves the most values above it that still prove a share of at most 1 - q, and
    the lower one the fewest that prove more. Where n is too small for a proof the ranks are the ends: then only all
    values on one side of the limit decide.
    """
    share = 1 - q
    # Both bounds grow with k, so the border is found by bisection.
    proven = _last(lambda k: clopper_pearson(k, n)[1] <= share, n)
    refuted = _last(lambda k: clopper_pearson(k, n)[0] <= share, n) + 1
    return max(1, n - refuted + 1), n - max(0, proven)


def _last(holds: Callable[[int], bool], n: int) -> int:
    """The largest k in 0..n for which `holds`, -1 if none; `holds` is true up to a border and false after it."""
    low, high = -1, n
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low
