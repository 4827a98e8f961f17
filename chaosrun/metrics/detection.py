"""`detection`: from the fault to its impact on the service."""

from __future__ import annotations

from chaosrun.metrics._recovery import ABSORBED, episode_metric
from chaosrun.scoring.recovery import Episode
from chaosrun.scoring.verdict import Reading, exact, vacuous


def read(episode: Episode) -> Reading | None:
    if episode.detection is None:
        return vacuous(ABSORBED) if episode.absorbed else None
    return exact(episode.detection / 1e9)


METRICS = episode_metric(
    "detection",
    "from the fault to its impact in the worst episode",
    read,
    slow_is_worse=False,  # what is slow for another reason is noticed the sooner
)
