"""`detection`: from the fault to its impact on the service."""

from __future__ import annotations

from chaosrun.metrics._recovery import ABSORBED, episode_metric, lasting
from chaosrun.scoring.recovery import Episode
from chaosrun.scoring.verdict import Reading, vacuous


def read(episode: Episode) -> Reading | None:
    """An impact may have been named late, so that this is too long rather than too short."""
    if episode.detection is None:
        return vacuous(ABSORBED) if episode.absorbed else None
    if episode.impact_error is None or episode.impact_late is None:
        return lasting(episode.detection, None)
    low = max(0, episode.detection - episode.impact_error)
    high = episode.detection + episode.impact_error - episode.impact_late
    return Reading(episode.detection / 1e9, low / 1e9, high / 1e9)


METRICS = episode_metric(
    "detection",
    "from the fault to its impact in the worst episode",
    read,
    slow_is_worse=False,  # what is slow for another reason is noticed the sooner
)
