"""Metrics of the worst episode: one number of the run, without a window."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf

from chaosrun.metrics._base import Metric, needs
from chaosrun.scoring.recovery import Episode
from chaosrun.scoring.verdict import Reading, above, exact
from chaosrun.scoring.window import Window

NOT_HIT = "no client was affected"
ABSORBED = "the fault was absorbed: there was no outage to measure"


def episode_metric(
    name: str,
    meaning: str,
    read: Callable[[Episode], Reading | None],
    *,
    slow_is_worse: bool = True,
    at_worst: Callable[[Episode], Reading | None] | None = None,
) -> tuple[Metric, ...]:
    """A metric that reads the worst episode; without a fault there is no evidence."""
    return (
        Metric(
            name=name,
            unit="s",
            up=False,
            meaning=meaning,
            needs=needs("lag", "journal", "prober", "effect"),
            slow_is_worse=slow_is_worse,
            measure=partial(_of_the_worst, read),
            at_worst=None if at_worst is None else partial(_of_the_worst, at_worst),
            per="run",
            windowed=False,
        ),
    )


def _of_the_worst(read: Callable[[Episode], Reading | None], window: Window) -> Reading | None:
    recovery = window.recovery
    return None if recovery is None or recovery.worst is None else read(recovery.worst)


def lasting(value: int | None, error: int | None) -> Reading | None:
    """A duration in ns and its error bound; where that is unknown, the value alone proves nothing."""
    if value is None:
        return None
    if error is None:
        return Reading(value / 1e9, 0.0, inf, note="its error bound is not known")
    return exact(value / 1e9, error=error / 1e9)


def unfinished(episode: Episode, since: int | None, *, by_clients: bool = False) -> Reading | None:
    """It was not over when the observation ended: longer than that.

    A stretch in tolerance that was still too short to count may turn out to be its end, so that it is known to be
    longer only than up to there.

    Args:
        by_clients: `since` is an instant that the load took, by the clocks of its nodes.
    """
    if since is None:
        return None
    instants = by_clients + (episode.pending is not None)
    doubt = inf if instants and episode.clock_error is None else (episode.clock_error or 0) * instants
    if episode.pending is not None:
        return above(max(0, episode.pending - since - doubt) / 1e9, "in tolerance since, but not yet for `stable_for`")
    return above(max(0, episode.end - since - doubt) / 1e9, "never recovered while it was observed")
