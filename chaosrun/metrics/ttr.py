"""`ttr`: the time to recover, from the fault (a sustained one: from its removal) to tolerance that lasted."""

from __future__ import annotations

from chaosrun.metrics._recovery import episode_metric, lasting, unfinished
from chaosrun.scoring.recovery import Episode
from chaosrun.scoring.verdict import Reading, exact


def read(episode: Episode) -> Reading | None:
    """0 if the fault was absorbed; None if there was no impact and nothing proves that there could have been one."""
    if episode.absorbed:
        return exact(0.0)
    if episode.ttr is not None:
        return lasting(episode.ttr, episode.error)
    if episode.impact is None:
        return None
    # A sustained fault that was never removed leaves nothing to count from.
    return unfinished(episode, episode.reference)


METRICS = episode_metric("ttr", "time to recover of the worst episode, from the fault or its removal", read)
