"""Latencies in log-linear buckets: constant memory, exact counts, quantiles within half a bucket."""

from __future__ import annotations

from collections.abc import Mapping

from chaosrun.scoring.ratio import rank

_SUB_BITS = 7
_SUB = 1 << _SUB_BITS
_EXACT = 2 * _SUB


def bucket_of(v: int) -> int:
    """The bucket of `v` ns. Below 256 every value has its own; above, each octave has 128.

    The scheme is that of HdrHistogram (Tene); the shift keeps the top 8 bits of the value. Negative values, which only
    a stepped clock can make, go to bucket 0.
    """
    if v < _EXACT:
        return v if v > 0 else 0
    shift = v.bit_length() - _SUB_BITS - 1
    return (shift << _SUB_BITS) + (v >> shift)


def value_of(bucket: int) -> int:
    """The middle of a bucket in ns, at most 0.4% (1/256) from any value in it."""
    if bucket < _EXACT:
        return bucket
    shift = (bucket >> _SUB_BITS) - 1
    return ((bucket - (shift << _SUB_BITS)) << shift) + (1 << shift) // 2


class Histogram:
    """Counts of durations in ns. Relative error of a quantile: at most 1/256 (0.4%); `max` and `mean` are exact.

    (Except after `from_buckets` without them: then both are those of the buckets' middles.)
    """

    __slots__ = ("_buckets", "_count", "_max", "_total")

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self._count = 0
        self._total = 0
        self._max = 0

    @classmethod
    def from_buckets(cls, buckets: Mapping[int, int], *, max_ns: int | None = None) -> Histogram:
        """From `{bucket: count}` as `buckets` gives it."""
        made = cls()
        made._buckets = {int(k): n for k, n in buckets.items() if n}
        made._count = sum(made._buckets.values())
        made._total = sum(value_of(k) * n for k, n in made._buckets.items())
        made._max = max_ns if max_ns is not None else max(map(value_of, made._buckets), default=0)
        return made

    def record(self, v: int, n: int = 1) -> None:
        """Count `v` ns `n` times (`n` may be a weight, such as the ns for which an age held)."""
        v = max(v, 0)
        bucket = bucket_of(v)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + n
        self._count += n
        self._total += v * n
        self._max = max(self._max, v)

    def merge(self, other: Histogram) -> None:
        """Add the counts of `other`; the result equals recording all values in one."""
        for bucket, n in other._buckets.items():
            self._buckets[bucket] = self._buckets.get(bucket, 0) + n
        self._count += other._count
        self._total += other._total
        self._max = max(self._max, other._max)

    def quantile(self, q: float, *, beyond: int = 0) -> int | None:
        """The `ceil(q * n)`-th smallest of the values, in ns; None without values.

        `beyond` values that are not recorded rank above all (censored waits): None too where the rank falls among
        them, because all that is known is that it is longer than the observation.
        """
        wanted = rank(q, self._count + beyond)
        if not self._count or wanted > self._count:
            return None
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= wanted:
                return min(value_of(bucket), self._max)
        raise AssertionError("counts and buckets disagree")

    def buckets(self) -> dict[int, int]:
        """Counts by bucket, without the empty ones, in ascending order."""
        return dict(sorted(self._buckets.items()))

    @property
    def count(self) -> int:
        return self._count

    @property
    def mean(self) -> float | None:
        """Mean in ns; None without values."""
        return self._total / self._count if self._count else None

    @property
    def max(self) -> int | None:
        """Largest value in ns; None without values."""
        return self._max if self._count else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and (
            (self._buckets, self._total, self._max) == (other._buckets, other._total, other._max)
        )

    __hash__ = None  # type: ignore[assignment]  # mutable
