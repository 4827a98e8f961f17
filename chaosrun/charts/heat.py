"""How long users waited, by when their request was due: the counts of a histogram for each column of time."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence

from chaosrun.charts.bins import MS, Bins, seconds
from chaosrun.charts.picture import Heat
from chaosrun.records import Kind
from chaosrun.scoring.evidence import GroupEvidence
from chaosrun.scoring.outcomes import Outcome

_MANTISSAS = (10, 15, 20, 30, 50, 70)
"""Six rows a decade, of about equal height on a logarithmic scale."""


def draw_heat(group: GroupEvidence, end: int, most_columns: int, most_cells: int) -> Heat | None:
    """The heat map of a group; None: it sends no requests.

    Columns are brought together further where both maps would have more than `most_cells` cells.
    """
    if group.plan.period_ns is None:
        return None
    slots = [outcome for outcome in group.timeline.requests.outcomes if outcome.kind is Kind.SLOT]
    limit = group.plan.latency_limit_ns
    edges = _edges(slots, limit)
    while True:
        bins = Bins.over(end, most_columns)
        heat = _Heat(bins, edges)
        for slot in slots:
            heat.count(slot)
        if heat.cells <= most_cells or bins.count == 1:
            return heat.drawn(limit)
        most_columns = bins.count - 1


def _service(slot: Outcome) -> int | None:
    """From the send to its own valid reply, ns; None: there was none."""
    return slot.got - slot.sent if slot.valid else None


def _edges(slots: Iterable[Outcome], limit: int) -> list[int]:
    """The lower edges (ns) of the rows that hold all waits and the limit."""
    waits = [limit]
    for slot in slots:
        if slot.good is not None:
            waits += [wait for wait in (slot.wait, _service(slot)) if wait is not None]
    low, high = max(0, min(waits)), max(waits)
    known = [0]
    power = MS // 100  # 0.1 ms is the first edge above 0
    while known[-1] <= high:
        known += [mantissa * power for mantissa in _MANTISSAS]
        power *= 10
    return known[bisect_right(known, low) - 1 : bisect_right(known, high)]


class _Heat:
    """The counts, as the slots are gone through."""

    def __init__(self, bins: Bins, edges: Sequence[int]) -> None:
        self._bins = bins
        self._edges = edges
        self._corrected: Counter[tuple[int, int]] = Counter()
        self._uncorrected: Counter[tuple[int, int]] = Counter()
        self._due = bins.zeros()
        self._censored = bins.zeros()
        self._unanswered = bins.zeros()
        self._left_out = bins.zeros()
        self._longest_wait: dict[int, int] = {}
        self._longest_service: dict[int, int] = {}

    @property
    def cells(self) -> int:
        return len(self._corrected) + len(self._uncorrected)

    def count(self, slot: Outcome) -> None:
        column = self._bins.of(slot.due)
        self._due[column] += 1
        if slot.good is None:
            self._left_out[column] += 1
            return
        if slot.wait is None:
            self._censored[column] += 1
        else:
            self._corrected[column, self._row(slot.wait)] += 1
            self._longest_wait[column] = max(slot.wait, self._longest_wait.get(column, 0))
        service = _service(slot)
        if service is None:
            self._unanswered[column] += 1
        else:
            self._uncorrected[column, self._row(service)] += 1
            self._longest_service[column] = max(service, self._longest_service.get(column, 0))

    def _row(self, wait: int) -> int:
        return max(0, bisect_right(self._edges, wait) - 1)

    def drawn(self, limit: int) -> Heat:
        columns = range(self._bins.count)
        return Heat(
            start=0.0,
            step=seconds(self._bins.step),
            columns=self._bins.count,
            rows_ms=[edge / MS for edge in self._edges],
            corrected=_cells(self._corrected),
            uncorrected=_cells(self._uncorrected),
            due=self._due,
            censored=self._censored,
            unanswered=self._unanswered,
            left_out=self._left_out,
            corrected_max_ms=[_ms(self._longest_wait.get(column)) for column in columns],
            uncorrected_max_ms=[_ms(self._longest_service.get(column)) for column in columns],
            latency_limit_ms=limit / MS,
        )


def _cells(counts: Counter[tuple[int, int]]) -> list[tuple[int, int, int]]:
    return [(column, row, count) for (column, row), count in sorted(counts.items())]


def _ms(ns: int | None) -> float | None:
    """To the microsecond."""
    return None if ns is None else round(ns / MS, 3)
