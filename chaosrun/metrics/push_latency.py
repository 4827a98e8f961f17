"""`push_*` latencies: from the server's time stamp to the receipt, for streams with `sent_at`."""

from __future__ import annotations

from chaosrun.metrics._base import needs
from chaosrun.metrics._latency import Waits, family
from chaosrun.scoring.window import Window


def read(window: Window) -> Waits | None:
    return None if window.pushes is None else Waits(window.pushes.latency)


METRICS = family(
    "push",
    "the time from the server's time stamp to the receipt",
    read,
    needs("lag", "clock", "journal"),
    "pushes",
    filters=frozenset({"stream"}),
)
