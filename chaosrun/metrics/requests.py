"""`requests.lost_connected`, `requests.lost_at_break`, `requests.replied_late`: how requests went wrong.

Counts, or shares of the slots due without the observer's own (docs/measurement.md, section 3).
"""

from __future__ import annotations

from collections.abc import Callable

from chaosrun.metrics._base import Metric, needs
from chaosrun.scoring.checks import Need
from chaosrun.scoring.requests import RequestLedger
from chaosrun.scoring.verdict import Reading, counted
from chaosrun.scoring.window import Window


def _member(name: str, meaning: str, read: Callable[[RequestLedger], int], *more: Need) -> Metric:
    def measure(window: Window) -> Reading | None:
        ledger = window.ledger
        return None if ledger is None else counted(read(ledger), ledger.observed)

    return Metric(
        name=f"requests.{name}",
        unit="count",
        up=False,
        meaning=meaning,
        needs=needs("journal", *more),
        measure=measure,
        about="requests",
        share_of="slots due, the observer's own left out",
        filters=frozenset({"request"}),
    )


METRICS = (
    _member(
        "lost_connected",
        "requests without a reply by the reply time-out, though their connection stayed open",
        lambda ledger: ledger.lost_connected,
    ),
    _member("lost_at_break", "requests whose connection ended before the reply", lambda ledger: ledger.lost_at_break),
    _member(
        "replied_late",
        "valid replies later than the latency limit and within the reply time-out",
        lambda ledger: ledger.replied_late,
        "skipped",  # a stall of our own makes replies late
    ),
)
