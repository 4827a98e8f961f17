"""`progress_regressions`: progress that went backwards."""

from __future__ import annotations

from chaosrun.metrics._base import Metric, needs
from chaosrun.scoring.verdict import Reading, counted
from chaosrun.scoring.window import Window


def measure(window: Window) -> Reading | None:
    return None if window.pushes is None else counted(window.pushes.regressions)


METRICS = (
    Metric(
        name="progress_regressions",
        unit="count",
        up=False,
        meaning="receipts with a number below the one before, in streams with `order: increasing`",
        needs=needs("journal"),
        measure=measure,
        about="pushes",
        filters=frozenset({"stream"}),
    ),
)
