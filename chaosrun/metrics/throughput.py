"""`throughput`: what all clients of a group received a second, requested or pushed."""

from __future__ import annotations

from chaosrun.metrics._base import Metric, needs
from chaosrun.scoring.verdict import Reading, exact
from chaosrun.scoring.window import Window


def measure(window: Window) -> Reading | None:
    if window.ledger is None and window.pushes is None:
        return None
    replied = 0 if window.ledger is None else window.ledger.valid
    pushed = 0 if window.pushes is None else window.pushes.count
    return exact((replied + pushed) / window.seconds)


METRICS = (
    Metric(
        name="throughput",
        unit="1/s",
        up=True,
        meaning="valid replies and pushes a second",
        needs=needs("skipped", "journal"),
        measure=measure,
    ),
)
