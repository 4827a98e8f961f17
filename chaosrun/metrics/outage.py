"""`outage`: from the impact to the recovery, whatever the fault did and when it was removed."""

from __future__ import annotations

from chaosrun.metrics._recovery import episode_metric, lasting, unfinished
from chaosrun.scoring.recovery import Episode
from chaosrun.scoring.verdict import Reading, exact


def read(episode: Episode) -> Reading | None:
    """An impact that was named late makes it too short, never too long."""
    if episode.absorbed:
        return exact(0.0)
    if episode.outage is not None:
        if episode.error is None or episode.impact_error is None:
            return lasting(episode.outage, None)
        # Both of its ends are by clocks of nodes, which may not be the same.
        low = episode.outage - episode.error - (episode.clock_error or 0)
        high = episode.outage + episode.error + episode.impact_error
        return Reading(episode.outage / 1e9, low / 1e9, high / 1e9)
    return unfinished(episode, episode.impact, by_clients=True)


METRICS = episode_metric("outage", "from impact to recovery in the worst episode", read)
