"""`outage`: from the impact to the recovery, whatever the fault did and when it was removed."""

from __future__ import annotations

from chaosrun.metrics._recovery import episode_metric, lasting, unfinished
from chaosrun.scoring.recovery import Episode
from chaosrun.scoring.verdict import Reading, exact


def read(episode: Episode) -> Reading | None:
    if episode.absorbed:
        return exact(0.0)
    if episode.outage is not None:
        return lasting(episode.outage, episode.error)
    return unfinished(episode, episode.impact)


METRICS = episode_metric("outage", "from impact to recovery in the worst episode", read)
