"""`message_rate`: pushed messages received a second."""

from __future__ import annotations

from chaosrun.metrics._base import Metric, needs
from chaosrun.scoring.verdict import Reading, exact
from chaosrun.scoring.window import Window


def measure(window: Window) -> Reading | None:
    return None if window.pushes is None else exact(window.pushes.count / window.seconds)


METRICS = (
    Metric(
        name="message_rate",
        unit="1/s",
        up=True,
        meaning="pushed messages received a second, all clients of the group together",
        needs=needs("journal"),
        measure=measure,
        about="pushes",
        filters=frozenset({"stream"}),
    ),
)
