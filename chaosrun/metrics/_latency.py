"""Latency metrics: mean, quantiles and maximum of a histogram, with the interval in which each lies.

A limit X on a quantile q is a limit 1 - q on the share of values above X, so that a quantile is as sure as that share:
it lies between two order statistics (`quantile_ranks`), each known to half a bucket.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf
from typing import Literal, NamedTuple

from chaosrun.metrics._base import About, Metric
from chaosrun.scoring.checks import Need
from chaosrun.scoring.histogram import Histogram, value_of
from chaosrun.scoring.ratio import rank
from chaosrun.scoring.statistics import quantile_ranks
from chaosrun.scoring.verdict import Reading, above, exact
from chaosrun.scoring.window import Window

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}

_BUCKET = 1 / 256
"""Largest relative distance of a value from the middle of its bucket."""


class Waits(NamedTuple):
    """A distribution in ns, and how many waits never ended: they rank above all others."""

    histogram: Histogram
    censored: int = 0


Read = Callable[[Window], Waits | None]


def family(
    prefix: str,
    what: str,
    read: Read,
    needs: frozenset[Need],
    about: About,
    *,
    members: tuple[str, ...] = ("mean", *QUANTILES, "max"),
    filters: frozenset[Literal["stream", "request"]] = frozenset(),
) -> tuple[Metric, ...]:
    """The metrics `PREFIX_mean`, `PREFIX_p50`, ... of one distribution."""
    return tuple(
        Metric(
            name=f"{prefix}_{member}",
            unit="s",
            up=False,
            meaning=f"{_word(member)} of {what}",
            needs=needs,
            measure=partial(_measure, read, member),
            about=about,
            filters=filters,
        )
        for member in members
    )


def _word(member: str) -> str:
    if member in QUANTILES:
        return f"{QUANTILES[member] * 100:g}% quantile"
    return {"mean": "mean", "max": "maximum"}[member]


def _measure(read: Read, member: str, window: Window) -> Reading | None:
    waits = read(window)
    if waits is None or waits.histogram.count + waits.censored == 0:
        return None
    if member in QUANTILES:
        return quantile(waits, QUANTILES[member])
    return mean(waits) if member == "mean" else maximum(waits)


def mean(waits: Waits) -> Reading:
    """Exact; with waits that never ended, at least what it would be had they taken no time."""
    histogram, censored = waits
    total = (histogram.mean or 0.0) * histogram.count
    value = total / (histogram.count + censored) / 1e9
    return above(value, _never(censored)) if censored else exact(value)


def maximum(waits: Waits) -> Reading:
    """Exact, unless a wait never ended."""
    value = (waits.histogram.max or 0) / 1e9
    return above(value, _never(waits.censored)) if waits.censored else exact(value)


def quantile(waits: Waits, q: float) -> Reading:
    """The quantile and the interval that its sampling and its bucket leave."""
    n = waits.histogram.count + waits.censored
    first, last = quantile_ranks(q, n)
    value = _at(waits, rank(q, n))
    low, high = _at(waits, first), _at(waits, last)
    longest = (waits.histogram.max or 0) / 1e9
    return Reading(
        value,
        longest if low is None else low * (1 - _BUCKET),
        inf if high is None else min(longest, high * (1 + _BUCKET)),
        note=_never(waits.censored) if value is None else "",
    )


def _at(waits: Waits, wanted: int) -> float | None:
    """The value of a rank in seconds; None among the waits that never ended."""
    seen = 0
    for bucket, count in waits.histogram.buckets().items():
        seen += count
        if seen >= wanted:
            return min(value_of(bucket), waits.histogram.max or 0) / 1e9
    return None


def _never(censored: int) -> str:
    return f"{censored} never ended"
