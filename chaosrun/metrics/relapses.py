"""`relapses`: how often the service was in tolerance again after an impact and did not stay there, in all episodes.

One that slowness hides, because there was no tolerance to relapse from, makes the outage longer instead.
"""

from __future__ import annotations

from chaosrun.metrics._base import Metric, needs
from chaosrun.scoring.verdict import Reading, counted
from chaosrun.scoring.window import Window


def measure(window: Window) -> Reading | None:
    recovery = window.recovery
    return None if recovery is None else counted(sum(episode.relapses for episode in recovery.episodes))


METRICS = (
    Metric(
        name="relapses",
        unit="count",
        up=False,
        meaning="stretches in tolerance after an impact that ended, of at least max(1 s, window), in all episodes",
        needs=needs("lag", "journal", "prober", "effect"),
        measure=measure,
        per="run",
        windowed=False,
    ),
)
