"""`delivery`: the share of the copies owed that came, live or replayed."""

from __future__ import annotations

from dataclasses import replace

from chaosrun.metrics._base import Metric, needs
from chaosrun.scoring.verdict import Reading, share
from chaosrun.scoring.window import Window


def measure(window: Window) -> Reading | None:
    """Of what is owed and was not in flight; where more may be owed than is known, the share may be less."""
    delivered = window.push_delivered
    if delivered is None:
        return None
    known = share(delivered.count, delivered.of)
    return replace(known, low=0.0, note=delivered.why) if known and delivered.lower_bound else known


METRICS = (
    Metric(
        name="delivery",
        unit="ratio",
        up=True,
        meaning="copies that came, live or replayed, as a share of those owed and not in flight at the end",
        needs=needs("journal", "source"),
        measure=measure,
        about="pushes",
        filters=frozenset({"stream"}),
    ),
)
