"""`connection_success`: planned connects and unplanned losses that were followed by an open connection in time."""

from __future__ import annotations

from chaosrun.metrics._base import Metric, needs
from chaosrun.scoring.verdict import Reading, share
from chaosrun.scoring.window import Window


def measure(window: Window) -> Reading | None:
    connections = window.connections
    return None if connections is None else share(connections.needs_met, connections.needs)


METRICS = (
    Metric(
        name="connection_success",
        unit="ratio",
        up=True,
        meaning="needs for a connection that were met within `connect_within`, as a share of all needs",
        needs=needs("journal"),
        measure=measure,
        about="connections",
    ),
)
