"""`adapted`: when the service held tolerance again with a sustained fault still on, from the fault."""

from __future__ import annotations

from chaosrun.metrics._recovery import ABSORBED, episode_metric, lasting
from chaosrun.scoring.recovery import Episode
from chaosrun.scoring.verdict import Reading, above, vacuous


def read(episode: Episode) -> Reading | None:
    """Without end if it did not adapt while the fault lasted."""
    if episode.absorbed:
        return vacuous(ABSORBED)
    if episode.adapted_at is not None:
        return lasting(episode.adapted_at - episode.fault_start, episode.clock_error)
    if episode.impact is None or episode.reference is None or episode.reference <= episode.fault_start:
        return None
    return above((episode.reference - episode.fault_start) / 1e9, "did not adapt while the fault lasted")


METRICS = episode_metric("adapted", "from a sustained fault until the service held tolerance in spite of it", read)
