"""`push_age`, `push_age_p99`, `push_age_max`: how old the newest pushed message was, at every instant.

Weighted by time over clients and channels: a census and no sample, so that only its buckets leave an error.
"""

from __future__ import annotations

from chaosrun.metrics._base import Metric, needs
from chaosrun.scoring.verdict import Reading, exact
from chaosrun.scoring.window import Window


def mean(window: Window) -> Reading | None:
    pushes = window.pushes
    return None if pushes is None or pushes.age_mean_ns is None else exact(pushes.age_mean_ns / 1e9)


def p99(window: Window) -> Reading | None:
    pushes = window.pushes
    value = None if pushes is None else pushes.age.quantile(0.99)
    return None if value is None else exact(value / 1e9, error=value / 256 / 1e9)


def maximum(window: Window) -> Reading | None:
    pushes = window.pushes
    return None if pushes is None or pushes.age_max_ns is None else exact(pushes.age_max_ns / 1e9)


METRICS = tuple(
    Metric(
        name=name,
        unit="s",
        up=False,
        meaning=f"{word} age of the newest message, over time, clients and channels",
        needs=needs("lag", "clock", "journal"),
        measure=measure,
        about="pushes",
        filters=frozenset({"stream"}),
    )
    for name, word, measure in (
        ("push_age", "mean", mean),
        ("push_age_p99", "99% quantile of the", p99),
        ("push_age_max", "largest", maximum),
    )
)
