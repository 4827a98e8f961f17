"""How much was asked, answered well, and pushed, per second."""

from __future__ import annotations

from chaosrun.charts.bins import SECOND, Bins, seconds
from chaosrun.charts.picture import Rates
from chaosrun.charts.publishing import Feeds
from chaosrun.records import REQUESTS
from chaosrun.scoring.evidence import GroupEvidence


def draw_rates(group: GroupEvidence, feeds: Feeds, bins: Bins) -> Rates:
    """Of one group. A bin that the end of the run cuts short counts as a whole one."""
    due, good = bins.zeros(), bins.zeros()
    for outcome in group.timeline.requests.outcomes:
        if outcome.kind in REQUESTS:
            i = bins.of(outcome.due)
            due[i] += 1
            good[i] += outcome.good is True
    return Rates(
        start=0.0,
        step=seconds(bins.step),
        due=_per_second(due, bins),
        good=_per_second(good, bins),
        pushes=_per_second(feeds.received, bins),
    )


def _per_second(counts: list[int], bins: Bins) -> list[float]:
    return [round(count * SECOND / bins.step, 3) for count in counts]
