"""How long users waited, by when their request was due: the counts of a histogram for each column of time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from chaosrun.charts.bins import MS, Bins, seconds
from chaosrun.charts.picture import Heat
from chaosrun.records import REQUESTS
from chaosrun.scoring.evidence import GroupEvidence
from chaosrun.scoring.outcomes import Outcome

_MANTISSAS = (10, 15, 20, 30, 50, 70)
"""Six rows a decade, of about equal height on a logarithmic scale."""
_EDGES = (0, *(mantissa * MS // 100 * 10**decade for decade in range(12) for mantissa in _MANTISSAS))
"""The lower edges (ns) of all rows there can be: 0, and from 0.1 ms on to two years."""

Cells = dict[tuple[int, int], int]
"""How many, by column and row of all there can be."""


def draw_heat(group: GroupEvidence, end: int, most_columns: int, most_cells: int) -> Heat | None:
    """The heat map of a group; None: it sends no requests.

    Columns are brought together further where both maps would have more than `most_cells` cells.
    """
    if not group.plan.has_requests:
        return None
    slots = [outcome for outcome in group.timeline.requests.outcomes if outcome.kind in REQUESTS]
    while True:
        bins = Bins.over(end, most_columns)
        counts = _Counts(bins)
        counts.count(slots)
        if len(counts.corrected) + len(counts.uncorrected) <= most_cells or bins.count == 1:
            return counts.drawn(group.plan.latency_limit_ns)
        most_columns = bins.count - 1


class _Counts:
    """What is counted as the slots are gone through."""

    def __init__(self, bins: Bins) -> None:
        self.corrected: Cells = {}
        self.uncorrected: Cells = {}
        self._bins = bins
        self._due = bins.zeros()
        self._censored = bins.zeros()
        self._unanswered = bins.zeros()
        self._left_out = bins.zeros()
        self._longest_wait: list[int | None] = [None] * bins.count
        self._longest_service: list[int | None] = [None] * bins.count

    def count(self, slots: Iterable[Outcome]) -> None:
        for slot in slots:
            column = self._bins.of(slot.due)
            self._due[column] += 1
            if slot.good is None:
                self._left_out[column] += 1
                continue
            if slot.wait is None:
                self._censored[column] += 1
            else:
                _enter(slot.wait, column, self.corrected, self._longest_wait)
            if slot.valid:
                _enter(slot.got - slot.sent, column, self.uncorrected, self._longest_service)
            else:
                self._unanswered[column] += 1

    def drawn(self, limit: int) -> Heat:
        rows = {_row(limit), *(row for cells in (self.corrected, self.uncorrected) for _, row in cells)}
        lowest, highest = min(rows), max(rows)
        return Heat(
            start=0.0,
            step=seconds(self._bins.step),
            columns=self._bins.count,
            rows_ms=[edge / MS for edge in _EDGES[lowest : highest + 1]],
            corrected=_told(self.corrected, lowest),
            uncorrected=_told(self.uncorrected, lowest),
            due=self._due,
            censored=self._censored,
            unanswered=self._unanswered,
            left_out=self._left_out,
            corrected_max_ms=[_ms(longest) for longest in self._longest_wait],
            uncorrected_max_ms=[_ms(longest) for longest in self._longest_service],
            latency_limit_ms=limit / MS,
        )


def _row(wait: int) -> int:
    """A time below 0, which only clocks that disagree can tell, is none."""
    return bisect_right(_EDGES, wait) - 1 if wait > 0 else 0


def _enter(wait: int, column: int, cells: Cells, longest: list[int | None]) -> None:
    key = column, _row(wait)
    cells[key] = cells.get(key, 0) + 1
    known = longest[column]
    if known is None or wait > known:
        longest[column] = wait


def _told(cells: Cells, lowest: int) -> list[tuple[int, int, int]]:
    return [(column, row - lowest, count) for (column, row), count in sorted(cells.items())]


def _ms(ns: int | None) -> float | None:
    """To the microsecond."""
    return None if ns is None else round(ns / MS, 3)
