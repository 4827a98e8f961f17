"""`throughput_ratio`: how much of the load that was due was served well."""

from __future__ import annotations

from chaosrun.metrics._base import Metric, needs
from chaosrun.scoring.verdict import Reading, share
from chaosrun.scoring.window import Window


def measure(window: Window) -> Reading | None:
    ledger = window.ledger
    return None if ledger is None else share(ledger.good, ledger.observed)


METRICS = (
    Metric(
        name="throughput_ratio",
        unit="ratio",
        up=True,
        meaning="good slots as a share of those due, the observer's own left out",
        needs=needs("skipped", "journal"),
        measure=measure,
        about="requests",
        filters=frozenset({"request"}),
    ),
)
