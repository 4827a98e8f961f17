"""How well the observer kept up, and what of the run was left out for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from chaosrun.charts.bins import MS, SECOND, Bins, seconds
from chaosrun.charts.picture import Band, ObserverPicture
from chaosrun.records import NONE, REQUESTS, History
from chaosrun.scoring.evidence import Evidence
from chaosrun.scoring.histogram import Histogram
from chaosrun.scoring.result import Result


def draw_observer(evidence: Evidence, result: Result, most: int) -> ObserverPicture:
    """In bins of a second or more, at most `most` of them."""
    bins = Bins.over(evidence.history.end, most, shortest=SECOND)
    p99, longest = _lag(evidence.history, bins)
    return ObserverPicture(
        t=[seconds(i * bins.step) for i in range(bins.count)],
        lag_p99_ms=_in_ms(p99, bins),
        lag_max_ms=_in_ms(longest, bins),
        stolen_percent=_stolen(evidence.history, bins),
        lateness_max_ms=_in_ms(_lateness(evidence, bins), bins),
        excluded=[Band(name=each.why, start=each.start_s, end=each.end_s) for each in result.observer.excluded],
    )


def _lag(history: History, bins: Bins) -> tuple[dict[int, int], dict[int, int]]:
    """By bin the p99 and the longest lag (ns), of the process where each was worst.

    A record belongs to the bin that holds the middle of the second it tells of.
    """
    found: defaultdict[tuple[int, str], Histogram] = defaultdict(Histogram)
    for line in history.lags:
        part = Histogram.from_buckets(line.buckets, max_ns=line.max_ns)
        found[bins.of(line.t - line.span_ns // 2), line.w].merge(part)
    p99 = _worst((i, lag) for (i, _), histogram in found.items() if (lag := histogram.quantile(0.99)) is not None)
    return p99, _worst((i, lag) for (i, _), histogram in found.items() if (lag := histogram.max) is not None)


def _lateness(evidence: Evidence, bins: Bins) -> dict[int, int]:
    return _worst(
        (bins.of(slot.due), slot.sent - slot.due)
        for group in evidence.groups
        for slot in group.timeline.requests.outcomes
        if slot.kind in REQUESTS and slot.sent != NONE
    )


def _stolen(history: History, bins: Bins) -> list[float | None]:
    worst: dict[int, float] = {}
    for line in history.clocks:
        if line.steal is not None:
            i = bins.of(line.t)
            worst[i] = max(line.steal, worst.get(i, 0.0))
    return [round(100 * worst[i], 2) if i in worst else None for i in range(bins.count)]


def _worst(values: Iterable[tuple[int, int]]) -> dict[int, int]:
    worst: dict[int, int] = {}
    for i, value in values:
        worst[i] = max(value, worst.get(i, value))
    return worst


def _in_ms(ns: dict[int, int], bins: Bins) -> list[float | None]:
    return [round(ns[i] / MS, 3) if i in ns else None for i in range(bins.count)]
