"""`push_age`, `push_age_p99`, `push_age_max`: how old the newest pushed message was, at every instant.

Weighted by time over clients and channels: a census and no sample, so that only its buckets leave an error, and the
clocks of the load's nodes where the age is that of the server's time stamp.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from chaosrun.metrics._base import Metric, needs
from chaosrun.metrics._clocks import widened
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


def since_stamp(measure: Callable[[Window], Reading | None], window: Window) -> Reading | None:
    """Without time stamps both ends are by one clock."""
    reading = measure(window)
    if reading is None or window.group is None:
        return reading
    streams = [stream for stream in window.group.plan.streams if window.stream in (None, stream.name)]
    stamped = any(stream.has_sent_at for stream in streams)
    return widened(reading, window, always_given=True) if stamped else reading


METRICS = tuple(
    Metric(
        name=name,
        unit="s",
        up=False,
        meaning=f"{word} age of the newest message, over time, clients and channels",
        needs=needs("lag", "clock", "journal"),
        measure=partial(since_stamp, measure),
        about="pushes",
        filters=frozenset({"stream"}),
    )
    for name, word, measure in (
        ("push_age", "mean", mean),
        ("push_age_p99", "99% quantile of the", p99),
        ("push_age_max", "largest", maximum),
    )
)
