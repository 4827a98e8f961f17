"""`bad`: the requests that were not answered well within the latency limit, whatever the reason."""

from __future__ import annotations

from chaosrun.metrics._base import Metric, needs
from chaosrun.scoring.verdict import Reading, share
from chaosrun.scoring.window import Window


def measure(window: Window) -> Reading | None:
    ledger = window.ledger
    return None if ledger is None else share(ledger.bad, ledger.observed)


METRICS = (
    Metric(
        name="bad",
        unit="ratio",
        up=False,
        meaning="bad slots as a share of those due, the observer's own left out",
        needs=needs("send", "skipped", "journal"),
        measure=measure,
        about="requests",
        filters=frozenset({"request"}),
    ),
)
