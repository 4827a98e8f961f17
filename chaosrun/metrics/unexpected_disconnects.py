"""`unexpected_disconnects`: connections that somebody else ended."""

from __future__ import annotations

from chaosrun.metrics._base import Metric, needs
from chaosrun.scoring.verdict import Reading, counted
from chaosrun.scoring.window import Window


def measure(window: Window) -> Reading | None:
    connections = window.connections
    return None if connections is None else counted(connections.unexpected_disconnects)


METRICS = (
    Metric(
        name="unexpected_disconnects",
        unit="count",
        up=False,
        meaning="connections lost that neither the load nor a fault closed",
        needs=needs("journal"),
        measure=measure,
        about="connections",
    ),
)
