"""`memory_per_1000_connections`: what a thousand clients cost a role."""

from __future__ import annotations

from chaosrun.metrics._base import Metric, needs
from chaosrun.scoring.verdict import Reading, exact
from chaosrun.scoring.window import Window


def measure(window: Window) -> Reading | None:
    """Mean resident memory by the mean of the connections open, of all groups, times 1,000."""
    samples = [sample.memory for sample in window.resources]
    open_ns = window.open_connection_ns
    if not samples or not open_ns:
        return None
    connections = open_ns / (window.end - window.start)
    return exact(sum(samples) / len(samples) / connections * 1000)


METRICS = (
    Metric(
        name="memory_per_1000_connections",
        unit="bytes",
        up=False,
        meaning="mean resident memory of a role for every 1,000 open connections of all groups",
        needs=needs("sampler", "journal"),
        measure=measure,
        per="role",
    ),
)
