"""`usable` and `usable_min`: the clients that are being served, as a share of those that should be."""

from __future__ import annotations

from chaosrun.metrics._base import Metric, needs
from chaosrun.scoring.verdict import Reading, exact
from chaosrun.scoring.window import Window


def mean(window: Window) -> Reading | None:
    """Time-weighted over the window; exact by its definition, with a resolution of P on connections that stay open."""
    timeline = window.timeline
    planned = 0 if timeline is None else timeline.planned.integral(window.start, window.end)
    if timeline is None or not planned:
        return None
    return exact(1 - timeline.unusable.integral(window.start, window.end) / planned)


def minimum(window: Window) -> Reading | None:
    """The worst instant of the window."""
    timeline = window.timeline
    if timeline is None:
        return None
    shares = [
        1 - missing / planned
        for start, end, planned in timeline.planned.pieces(window.start, window.end)
        for _, _, missing in timeline.unusable.pieces(start, end)
        if planned
    ]
    return exact(min(shares)) if shares else None


METRICS = (
    Metric(
        name="usable",
        unit="ratio",
        up=True,
        meaning="time-weighted mean of the usable clients as a share of the planned ones",
        needs=needs("lag", "journal"),
        measure=mean,
        about="connections",
    ),
    Metric(
        name="usable_min",
        unit="ratio",
        up=True,
        meaning="lowest number of usable clients as a share of the planned ones",
        needs=needs("lag", "journal"),
        measure=minimum,
        about="connections",
    ),
)
