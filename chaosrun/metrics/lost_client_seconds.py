"""`lost_client_seconds`: the time that planned clients were not usable, added up from the first fault on."""

from __future__ import annotations

from chaosrun.metrics._base import Metric, needs
from chaosrun.scoring.verdict import Reading, exact
from chaosrun.scoring.window import Window


def measure(window: Window) -> Reading | None:
    """Divided by the number of clients it is the area of the resilience triangle (Bruneau et al., 2003)."""
    recovery = window.recovery
    return None if recovery is None or not recovery.episodes else exact(recovery.lost_client_ns / 1e9)


METRICS = (
    Metric(
        name="lost_client_seconds",
        unit="s",
        up=False,
        meaning="time of planned clients that were not usable, added up from the first fault to the end of `after`",
        needs=needs("lag", "journal", "prober", "effect"),
        measure=measure,
        per="run",
        windowed=False,
    ),
)
