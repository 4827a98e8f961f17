"""`push_*` latencies: from the server's time stamp to the receipt, for streams with `sent_at`.

They are one-way: the clocks of the load's nodes are in them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from chaosrun.metrics._base import needs
from chaosrun.metrics._clocks import widened
from chaosrun.metrics._latency import Waits, family
from chaosrun.scoring.verdict import Reading
from chaosrun.scoring.window import Window


def read(window: Window) -> Waits | None:
    return None if window.pushes is None else Waits(window.pushes.latency)


def one_way(measure: Callable[[Window], Reading | None], window: Window) -> Reading | None:
    reading = measure(window)
    return None if reading is None else widened(reading, window)


METRICS = tuple(
    replace(metric, measure=partial(one_way, metric.measure))
    for metric in family(
        "push",
        "the time from the server's time stamp to the receipt",
        read,
        needs("lag", "clock", "journal"),
        "pushes",
        filters=frozenset({"stream"}),
    )
)
