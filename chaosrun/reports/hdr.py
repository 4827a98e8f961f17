"""`latency.hlog`: every latency of the run as an HdrHistogram interval log, second by second.

Format: that of HdrHistogram's `HistogramLogWriter`, version 1.3: comments, `#[StartTime: ...]`, `#[BaseTime: ...]`, a
legend, then lines of `Tag=...,start,length,max,histogram`. Values are nanoseconds, `Interval_Max` is milliseconds. The
histograms are those of `_hdr_encoding`, with three digits.

Two tags for each group: `GROUP:response` (corrected: from the instant at which a request was due, user waits included)
and `GROUP:service` (uncorrected: from the send to the valid reply). A value stands in the second in which its request
was due. Waits that never ended are in no histogram; a comment tells how many there were.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from chaosrun.foreign import brief
from chaosrun.records import REQUESTS, Kind
from chaosrun.reports._base import ScoredRun
from chaosrun.reports._hdr_encoding import encoded, index_of
from chaosrun.scoring.evidence import GroupEvidence

INTERVAL_NS: Final = 1_000_000_000
_HOUR_NS: Final = 3_600_000_000_000
"""The range of every histogram goes at least so far: readers add those of one range fastest."""
_NO_TAG: Final = re.compile(r"[,\s]")
"""What a tag must not hold."""


class Interval:
    """The values of one second."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        """By their places in a histogram."""
        self.longest = 0

    def add(self, value: int) -> None:
        value = max(value, 0)  # below it goes a stepped clock only, as in `scoring.histogram`
        self.counts[index_of(value)] += 1
        self.longest = max(self.longest, value)


Intervals = Mapping[int, Interval]
"""By the number of the second."""


def render(run: ScoredRun) -> Mapping[str, bytes]:
    lines = [*_head(run), *_intervals(run)]
    return {"latency.hlog": "".join(f"{line}\n" for line in lines).encode()}


def tag(group: str, kind: str) -> str:
    """The tag of a group's values: a comma or a space in its name becomes `_`."""
    return f"{_NO_TAG.sub('_', brief(group))}:{kind}"


def _head(run: ScoredRun) -> Iterator[str]:
    start = run.began.wall_offset_ns / 1e9
    told = datetime.fromtimestamp(start, UTC).isoformat(timespec="milliseconds")
    yield "#[Histogram log format version 1.3]"
    yield f"#[StartTime: {start:.3f} (seconds since epoch), {told}]"
    yield f"#[BaseTime: {start:.3f} (seconds since epoch)]"
    yield "#[values in nanoseconds, Interval_Max in milliseconds]"
    for group in run.evidence.groups:
        never = sum(_counts(outcome.kind) and outcome.censored for outcome in group.timeline.requests.outcomes)
        if never:
            yield f"#[{tag(group.plan.name, 'response')}: {never} waits never ended and are in no histogram]"
    yield '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'


def _intervals(run: ScoredRun) -> Iterator[str]:
    """In order of time, as the readers expect it, and then of the groups."""
    named = [
        (tag(group.plan.name, kind), values)
        for group in run.evidence.groups
        for kind, values in (("response", _responses(group)), ("service", _services(group)))
    ]
    longest = max((found.longest for _, values in named for found in values.values()), default=0)
    seconds = sorted({second for _, values in named for second in values})
    for second in seconds:
        for name, values in named:
            if second in values:
                yield _line(name, second, values[second], longest)


def _line(name: str, second: int, found: Interval, longest: int) -> str:
    histogram = encoded(found.counts, max(longest, _HOUR_NS))
    start = second * INTERVAL_NS / 1e9
    return f"Tag={name},{start:.3f},{INTERVAL_NS / 1e9:.3f},{found.longest / 1e6:.3f},{histogram}"


def _responses(group: GroupEvidence) -> Intervals:
    values: defaultdict[int, Interval] = defaultdict(Interval)
    for outcome in group.timeline.requests.outcomes:
        if _counts(outcome.kind) and outcome.good is not None and outcome.wait is not None:
            values[outcome.due // INTERVAL_NS].add(outcome.wait)
    return values


def _services(group: GroupEvidence) -> Intervals:
    values: defaultdict[int, Interval] = defaultdict(Interval)
    for outcome in group.timeline.requests.outcomes:
        if _counts(outcome.kind) and outcome.good is not None and outcome.valid:
            values[outcome.due // INTERVAL_NS].add(outcome.got - outcome.sent)
    return values


def _counts(kind: Kind) -> bool:
    """Canaries and sentinels are no user's requests."""
    return kind in REQUESTS
