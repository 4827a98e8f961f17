"""`timeline.csv`: the run bin by bin, a row for each group, for spreadsheets and data frames.

Format: RFC 4180, UTF-8, a header, lines that end with CR LF. The bins are those of the page's charts. A cell with no
evidence is empty, never 0. A name that a spreadsheet would take for a formula gets an apostrophe in front (OWASP, "CSV
Injection").
"""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from io import StringIO
from typing import Final

from chaosrun.charts.picture import Band, GroupPicture, Loss, Ribbon
from chaosrun.foreign import clean
from chaosrun.records import REQUESTS
from chaosrun.reports._base import ScoredRun
from chaosrun.scoring.evidence import GroupEvidence
from chaosrun.scoring.histogram import Histogram
from chaosrun.scoring.result import milliseconds, seconds

REQUEST_LOSSES: Final = (
    "replied_late", "replied_error", "lost_connected", "lost_at_break", "skipped_disconnected", "skipped_observer",
    "in_flight_at_end",
)  # fmt: skip
PUSH_LOSSES: Final = ("replayed", "lost_connected", "missed_disconnected", "conflated", "tail", "in_flight_at_end")
HEADER: Final = (
    "group", "start_s", "end_s", "phase",
    "planned", "usable", "degraded", "down", "lost_client_seconds",
    "due", "good", "response_p50_ms", "response_p99_ms", "response_max_ms", "censored",
    "pushes", "attempts", "refused", "opened",
    *(f"requests_{name}" for name in REQUEST_LOSSES),
    *(f"pushes_{name}" for name in PUSH_LOSSES),
)  # fmt: skip
"""docs/machine-formats.md says what each column means."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")

Cell = str | int | float | None


def render(run: ScoredRun) -> Mapping[str, bytes]:
    text = StringIO()
    writer = csv.writer(text)  # its default dialect is that of RFC 4180
    writer.writerow(HEADER)
    for group, picture in zip(run.evidence.groups, run.picture.groups, strict=True):
        writer.writerows(_rows(run, group, picture))
    return {"timeline.csv": text.getvalue().encode()}


def as_text(name: str) -> str:
    """A name of others as a cell that no spreadsheet calculates."""
    told = clean(name)
    return f"'{told}" if told.startswith(_FORMULA) else told


def _rows(run: ScoredRun, group: GroupEvidence, picture: GroupPicture) -> Iterator[list[Cell]]:
    rates, attempts = picture.rates, picture.attempts
    losses = {(loss.of, loss.name): loss for loss in picture.losses.classes}
    worst = _Worst(picture.ribbon, run.picture.end)
    for i in range(len(rates.due)):
        start, end = rates.start + i * rates.step, rates.start + (i + 1) * rates.step
        a, b = round(start * 1e9), round(end * 1e9)
        yield [
            as_text(group.plan.name),
            seconds(a),
            seconds(b),
            _phase(run.picture.phases, start),
            *worst.within(start, end),
            seconds(group.timeline.lost_client_ns(a, b)),
            *_requests(group, a, b),
            round(rates.pushes[i] * rates.step),
            attempts.begun[i],
            attempts.refused[i],
            attempts.opened[i],
            *(_count(losses.get(("requests", name)), i) for name in REQUEST_LOSSES),
            *(_count(losses.get(("pushes", name)), i) for name in PUSH_LOSSES),
        ]


def _phase(phases: list[Band], t: float) -> str:
    """The one that the bin begins in."""
    at = bisect_right(phases, t, key=lambda band: band.start)
    return phases[at - 1].name if at else ""


def _count(loss: Loss | None, i: int) -> int:
    """A class that is not in the picture did not occur."""
    return 0 if loss is None else loss.counts[i]


def _requests(group: GroupEvidence, a: int, b: int) -> list[Cell]:
    """Of those due in [a, b): how many, how many good, how long their users waited, and how many wait still."""
    due = good = censored = 0
    waits = Histogram()
    for outcome in group.timeline.requests.due_in(a, b):
        if outcome.kind not in REQUESTS:
            continue
        due += 1
        good += outcome.good is True
        censored += outcome.censored
        if outcome.good is not None and outcome.wait is not None:
            waits.record(outcome.wait)
    quantiles = [milliseconds(waits.quantile(q, beyond=censored)) for q in (0.5, 0.99)]
    return [due, good, *quantiles, milliseconds(waits.max) if waits.count else None, censored]


class _Worst:
    """The worst moment of a stretch: that with the most clients not usable."""

    def __init__(self, ribbon: Ribbon, end: float) -> None:
        self._ribbon = ribbon
        self._ends = [*ribbon.t[1:], end]

    def within(self, start: float, end: float) -> tuple[Cell, ...]:
        """(planned, usable, degraded, down) in [start, end); empty cells where the ribbon has nothing."""
        ribbon = self._ribbon
        first = bisect_right(self._ends, start)
        last = bisect_right(ribbon.t, end - 1e-9)
        if first >= last:
            return (None, None, None, None)
        i = max(range(first, last), key=lambda i: ribbon.planned[i] - ribbon.usable[i])
        return ribbon.planned[i], ribbon.usable[i], ribbon.degraded[i], ribbon.down[i]
