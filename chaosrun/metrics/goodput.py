"""`goodput`: requests answered well within the latency limit, a second."""

from __future__ import annotations

from chaosrun.metrics._base import Metric, needs
from chaosrun.scoring.verdict import Reading, exact
from chaosrun.scoring.window import Window


def measure(window: Window) -> Reading | None:
    return None if window.ledger is None else exact(window.ledger.good / window.seconds)


METRICS = (
    Metric(
        name="goodput",
        unit="1/s",
        up=True,
        meaning="good slots a second",
        needs=needs("skipped", "journal"),
        measure=measure,
        about="requests",
        filters=frozenset({"request"}),
    ),
)
