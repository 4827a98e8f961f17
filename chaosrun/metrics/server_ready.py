"""`server_ready`: when the independent prober had its first fresh handshake and echo after the impact."""

from __future__ import annotations

from chaosrun.metrics._recovery import ABSORBED, episode_metric, lasting
from chaosrun.scoring.recovery import Episode
from chaosrun.scoring.verdict import Reading, vacuous


def read(episode: Episode) -> Reading | None:
    """None without a success of the prober: it may not have been at work at all."""
    if episode.absorbed:
        return vacuous(ABSORBED)
    return lasting(episode.server_ready_after, episode.server_ready_error)


METRICS = episode_metric(
    "server_ready",
    "first handshake with echo of the prober after the impact",
    read,
    slow_is_worse=False,  # an impact too early puts a handshake before the real one in its place
)
