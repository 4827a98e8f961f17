"""`errors`: the requests that were answered by an error, or by a reply that failed the protocol's checks."""

from __future__ import annotations

from chaosrun.metrics._base import Metric, needs
from chaosrun.scoring.verdict import Reading, share
from chaosrun.scoring.window import Window


def measure(window: Window) -> Reading | None:
    ledger = window.ledger
    return None if ledger is None else share(ledger.replied_error, ledger.observed)


METRICS = (
    Metric(
        name="errors",
        unit="ratio",
        up=False,
        meaning="error replies and failed checks as a share of the slots due, the observer's own left out",
        needs=needs("journal"),
        measure=measure,
        about="requests",
        filters=frozenset({"request"}),
    ),
)
