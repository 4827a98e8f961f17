"""From what is known of a run to its picture.

Everything is bounded: the more groups and roles there are, the coarser each is drawn.
"""

from __future__ import annotations

from chaosrun.charts.bins import Bins, seconds
from chaosrun.charts.heat import draw_heat
from chaosrun.charts.losses import draw_losses
from chaosrun.charts.marks import draw_faults, draw_marks, draw_phases
from chaosrun.charts.observer import draw_observer
from chaosrun.charts.picture import GroupPicture, Picture
from chaosrun.charts.publishing import Feeds, read_feeds
from chaosrun.charts.rates import draw_rates
from chaosrun.charts.resources import draw_roles
from chaosrun.charts.ribbon import draw_ribbon
from chaosrun.charts.waterfall import draw_attempts, draw_waterfalls
from chaosrun.scoring.evidence import Evidence, GroupEvidence
from chaosrun.scoring.result import Result

_BINS = 800
"""Of all groups together, as the next three."""
_ROWS = 1600
"""Of the ribbons."""
_COLUMNS = 400
"""Of the heat maps."""
_CELLS = 8000
"""Of the heat maps together."""
_FALLS = 600
"""Lines of the waterfalls together."""
_SAMPLES = 1800
"""Of the roles together."""


def draw(evidence: Evidence, result: Result) -> Picture:
    """The series of every chart.

    Args:
        result: of the same run; its recovery gives the marks, its observer what was left out.
    """
    history = evidence.history
    parts = max(1, len(evidence.groups))
    bins = Bins.over(history.end, max(60, _BINS // parts))
    feeds = read_feeds(history, evidence.groups, bins)
    roles = len({sample.role for sample in history.resources})
    return Picture(
        end=seconds(history.end),
        phases=draw_phases(result),
        faults=draw_faults(result),
        marks=draw_marks(evidence, result),
        groups=[_group(evidence, group, own, bins, parts) for group, own in zip(evidence.groups, feeds, strict=True)],
        roles=draw_roles(history, max(60, min(_BINS, _SAMPLES // max(1, roles)))),
        observer=draw_observer(evidence, result, _BINS),
    )


def _group(evidence: Evidence, group: GroupEvidence, feeds: Feeds, bins: Bins, parts: int) -> GroupPicture:
    history, timeline = evidence.history, group.timeline
    episodes = evidence.recovery.episodes if evidence.recovery else ()
    return GroupPicture(
        name=group.plan.name,
        kind=group.plan.kind,
        clients=group.plan.clients,
        ribbon=draw_ribbon(timeline, history.end, max(100, _ROWS // parts)),
        heat=draw_heat(group, history.end, max(60, _COLUMNS // parts), _CELLS // parts),
        waterfalls=list(
            draw_waterfalls(history, timeline, episodes, max(4, _FALLS // (parts * max(1, len(episodes)))))
        ),
        attempts=draw_attempts(history, group.g, bins),
        losses=draw_losses(group, feeds, bins),
        rates=draw_rates(group, feeds, bins),
    )
