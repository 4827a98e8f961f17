"""Pushes by window: how many came, how late, how old the newest was, and where progress went backwards.

All windows are measured in one pass: their edges cut the run into slices, and a window is the sum of its slices.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from chaosrun.records import History
from chaosrun.scoring.histogram import Histogram, bucket_of, value_of
from chaosrun.scoring.leaves import Leaves


@dataclass(frozen=True, kw_only=True)
class PushWindow:
    """The pushes received in a window `[a, b)`, and how old the clients' pictures were during it."""

    count: int
    """Messages received, replays and duplicates included."""
    latency: Histogram
    """Receipt - `sent_at` of the messages that have one, ns; below 0 (clocks that disagree) counts as 0."""
    age: Histogram
    """Age of the newest message of each (client, channel) from its first receipt on; the weights are ns."""
    age_mean_ns: float | None
    """Mean over time and (client, channel), exact; None: nothing had been received."""
    age_max_ns: int | None
    regressions: int
    """Receipts below the one before in the same epoch, in streams with `order: increasing`."""


def measure_pushes(history: History, g: int, windows: Sequence[tuple[int, int]]) -> list[PushWindow]:
    """Measure group `g` in each window `[a, b)`, ns; windows may overlap. One pass over the pushes.

    The age of a message is the time since its `sent_at`, and without one since its receipt. A client's picture ages
    while it is away too, until the load stops or the client was closed by plan.
    """
    cuts = sorted({edge for window in windows for edge in window})
    slices = [_Slice() for _ in range(len(cuts) + 1)]
    lane_of = _lanes(history, g, cuts, slices)
    progress_of = _progress(history, g)
    for at, first, _, sent_at, sid in history.pushes:
        lane = lane_of[sid]
        if lane is None:
            continue
        piece = lane.slice
        if not lane.begin <= at < lane.end:
            lane.age(at)
            piece = slices[bisect_right(cuts, at)]
        elif at > lane.at:
            piece.ages.span(lane.at - lane.newest, at - lane.newest)
            lane.at = at
        piece.count += 1
        born = at
        if sent_at is not None:
            piece.latency.record(at - sent_at)
            if sent_at < at:
                born = sent_at
        lane.newest = max(lane.newest, born)
        progress = progress_of[sid]
        if progress is not None:
            piece.regressions += first < progress.newest
            progress.newest = first
    for lane in set(lane_of):
        if lane is not None:
            lane.age(lane.until)
    return [_sum(slices[bisect_right(cuts, a) : bisect_right(cuts, b - 1) + 1] if a < b else []) for a, b in windows]


class _Slice:
    """What happened between two neighbouring edges of windows."""

    __slots__ = ("ages", "count", "latency", "regressions")

    def __init__(self) -> None:
        self.count = 0
        self.latency = Histogram()
        self.regressions = 0
        self.ages = _Ages()


class _Ages:
    """Ages over time: each span between two receipts is a line of slope 1 from `young` to `old`.

    The time spent in a bucket follows from the numbers and sums of lines that begin and end in each: a receipt costs
    two buckets, not all those that the age went through.
    """

    __slots__ = ("area", "ends", "oldest", "time")

    def __init__(self) -> None:
        self.ends: dict[int, list[int]] = {}
        """By bucket: lines that begin in it less lines that end in it, and the same of the ages at which they do."""
        self.time = 0
        self.area = 0
        """Twice the integral of age over time."""
        self.oldest = 0

    def span(self, young: int, old: int) -> None:
        """An age rose from `young` to `old`, ns."""
        ends = self.ends
        bucket = bucket_of(young)
        end = ends[bucket] if bucket in ends else self._end(bucket)
        end[0] += 1
        end[1] += young
        bucket = bucket_of(old)
        end = ends[bucket] if bucket in ends else self._end(bucket)
        end[0] -= 1
        end[1] -= old
        self.time += old - young
        self.area += (old - young) * (old + young)
        if old > self.oldest:  # noqa: PLR1730 - a call of max() costs too much in a million messages
            self.oldest = old

    def _end(self, bucket: int) -> list[int]:
        end = self.ends.get(bucket)
        if end is None:
            end = self.ends[bucket] = [0, 0]
        return end

    def merge(self, other: _Ages) -> None:
        for bucket, (lines, ages) in other.ends.items():
            end = self._end(bucket)
            end[0] += lines
            end[1] += ages
        self.time += other.time
        self.area += other.area
        self.oldest = max(self.oldest, other.oldest)

    def histogram(self) -> Histogram:
        """The ns spent in each bucket."""
        weights: dict[int, int] = {}
        open_lines = 0
        for bucket in range(min(self.ends, default=0), max(self.ends, default=-1) + 1):
            low, high = _low(bucket), _low(bucket + 1)
            lines, ages = self.ends.get(bucket, (0, 0))
            weights[bucket] = open_lines * (high - low) + lines * high - ages
            open_lines += lines
        return Histogram.from_buckets(weights, max_ns=self.oldest)


def _low(bucket: int) -> int:
    """The lowest value of a bucket; `bucket_of` is the other way round."""
    width = value_of(bucket + 1) - value_of(bucket) if bucket % 128 != 127 else value_of(bucket) - value_of(bucket - 1)
    return value_of(bucket) - width // 2


class _Lane:
    """The newest message of one (client, channel), and the slice in which its age is counted."""

    __slots__ = ("at", "begin", "cuts", "end", "newest", "slice", "slices", "until")

    def __init__(self, until: int, cuts: list[int], slices: list[_Slice]) -> None:
        self.at = _NEVER
        """Until when the age is counted."""
        self.newest = _NEVER
        """When the newest message was sent; before the first, never."""
        self.until = until
        """The end of observation."""
        self.cuts = cuts
        self.slices = slices
        self.slice = slices[0]
        self.begin = self.end = _NEVER
        """From its first message on the lane is in `slice` during `[begin, end)`."""

    def age(self, to: int) -> None:
        """Count the age of the newest message up to `to`, over the edges of slices, and go on in the slice of `to`."""
        if self.newest != _NEVER:
            end = min(to, self.until)
            while self.at < end:
                index = bisect_right(self.cuts, self.at)
                edge = min(end, self.cuts[index]) if index < len(self.cuts) else end
                self.slices[index].ages.span(self.at - self.newest, edge - self.newest)
                self.at = edge
        self.at = max(self.at, to)
        index = bisect_right(self.cuts, self.at)
        self.slice = self.slices[index]
        self.begin = self.cuts[index - 1] if index else _NEVER
        self.end = self.cuts[index] if index < len(self.cuts) else _EVER
        if self.end > self.until:
            # What is left of the slice is not aged: every message there comes by here.
            self.end = max(self.until, self.begin)


@dataclass(slots=True, eq=False)
class _Progress:
    """The number received last in one epoch of a stream that should only rise."""

    newest: int = -(1 << 63)


_NEVER = -(1 << 63)
_EVER = (1 << 63) - 1


def _lanes(history: History, g: int, cuts: list[int], slices: list[_Slice]) -> list[_Lane | None]:
    leaves = Leaves(history, g)
    found: dict[tuple[int, int, str, str], _Lane] = {}
    lane_of: list[_Lane | None] = []
    for stream in history.streams:
        if stream.g != g:
            lane_of.append(None)
            continue
        stay = leaves.before(stream.c, stream.conn)
        key = (stream.c, stay, stream.channel, stream.stream)
        if key not in found:
            found[key] = _Lane(leaves.end_of(stream.c, stay), cuts, slices)
        lane_of.append(found[key])
    return lane_of


def _progress(history: History, g: int) -> list[_Progress | None]:
    rising = {plan.name for plan in history.plan.groups[g].streams if plan.order == "increasing"}
    found: dict[tuple[int, str, str, str | None], _Progress] = {}
    return [
        found.setdefault((s.c, s.channel, s.stream, s.epoch), _Progress()) if s.g == g and s.stream in rising else None
        for s in history.streams
    ]


def _sum(slices: Sequence[_Slice]) -> PushWindow:
    latency, ages = Histogram(), _Ages()
    for each in slices:
        latency.merge(each.latency)
        ages.merge(each.ages)
    return PushWindow(
        count=sum(each.count for each in slices),
        latency=latency,
        age=ages.histogram(),
        age_mean_ns=ages.area / (2 * ages.time) if ages.time else None,
        age_max_ns=ages.oldest if ages.time else None,
        regressions=sum(each.regressions for each in slices),
    )
