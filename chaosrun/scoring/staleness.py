"""When a client's picture of a channel was older than it should be: gaps between fresh receipts.

A gap counts whether the client was connected or not: what matters is that it learnt nothing. The subscription opens
the first gap, so that a client that never receives is stale from there. Observation ends when the load stops, or when
the client takes leave by plan; if it is called back, it begins anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from chaosrun.plan import StreamPlan
from chaosrun.records import History, Stream, Subscribed
from chaosrun.scoring.leaves import Leaves
from chaosrun.scoring.steps import Interval, merged

ENOUGH = 10
"""Fresh messages to one client in the baseline, below which a channel's cadence is not known."""

_LEAST_NS = 1_000_000_000


@dataclass(frozen=True)
class Stale:
    """The client received nothing fresh of the channel in `[start, end)`, ns, longer than it may."""

    client: int
    channel: str
    stream: str
    start: int
    end: int
    limit: int
    """`stale_after` of the channel."""

    @property
    def noticed(self) -> int:
        """When the client could tell."""
        return self.start + self.limit


class Watch:
    """The fresh receipts of one (client, channel): the last, the long gaps, and what the baseline was like."""

    __slots__ = ("alert", "at", "channel", "client", "count", "gaps", "longest", "stream", "until")

    def __init__(self, client: int, channel: str, stream: StreamPlan, *, since: int, until: int) -> None:
        self.client = client
        self.channel = channel
        self.stream = stream
        self.at = since
        """The newest fresh receipt; before the first, the subscription."""
        self.until = until
        self.alert = _LEAST_NS if stream.stale_after_ns is None else stream.stale_after_ns
        """No gap up to this long is stale, whatever the baseline was like."""
        self.gaps: list[Interval] = []
        self.count = 0
        """Fresh receipts in the baseline."""
        self.longest = 0
        """The longest gap between two of them."""

    def silence(self, at: int) -> None:
        """A gap longer than `alert` ended at `at`."""
        end = min(at, self.until)
        if end - self.at > self.alert:
            self.gaps.append((self.at, end))

    def heard(self, gap: int) -> None:
        """A fresh receipt in the baseline, `gap` ns after the one before."""
        if self.count and gap > self.longest:
            self.longest = gap
        self.count += 1


@dataclass(frozen=True)
class Staleness:
    """Who was stale when, and by what measure."""

    stale: tuple[Stale, ...]
    after_ns: dict[str, int]
    """By channel (`stream/channel` where the group has several streams): the gap that is too long."""
    longest_baseline_gap_ns: int | None
    """Of all channels that are judged; None: no channel is."""
    unjudged: tuple[str, ...]
    """Channels with too few messages in the baseline."""

    def client_seconds(self, streams: Iterable[str]) -> float | None:
        """Seconds that clients were stale in any channel of the streams; None where none is judged."""
        wanted = frozenset(streams)
        by_client: dict[int, list[Interval]] = defaultdict(list)
        for each in self.stale:
            if each.stream in wanted:
                by_client[each.client].append((each.start, each.end))
        total = sum(end - start for gaps in by_client.values() for start, end in merged(gaps))
        return total / 1e9 if self.judged_streams & wanted else None

    judged_streams: frozenset[str]


def watches(history: History, g: int) -> tuple[list[Watch], list[Watch | None]]:
    """One watch per (client, channel, stream) of group `g` from leave to leave, and the one of each row key."""
    plans = {plan.name: plan for plan in history.plan.groups[g].streams}
    leaves = Leaves(history, g)
    found: dict[tuple[int, int, str, str], Watch] = {}
    by_sid: list[Watch | None] = [None] * len(history.streams)

    def watch(line: Subscribed | Stream) -> Watch:
        stay = leaves.before(line.c, line.conn)
        key = (line.c, stay, line.channel, line.stream)
        if key not in found:
            plan = plans.get(line.stream) or StreamPlan(name=line.stream)
            found[key] = Watch(line.c, line.channel, plan, since=line.t, until=leaves.end_of(line.c, stay))
        found[key].at = min(found[key].at, line.t)
        return found[key]

    for line in history.subscribed:
        if line.g == g:
            watch(line)
    for sid, stream in enumerate(history.streams):
        if stream.g == g:
            by_sid[sid] = watch(stream)
    return [found[key] for key in sorted(found)], by_sid


def judge(watched: Iterable[Watch]) -> Staleness:
    """Turn what the watches saw into stale intervals, after the pass over the pushes."""
    channels: dict[tuple[str, str], list[Watch]] = defaultdict(list)
    for each in watched:
        each.silence(each.until)
        channels[each.stream.name, each.channel].append(each)
    several = len({stream for stream, _ in channels}) > 1
    stale: list[Stale] = []
    after: dict[str, int] = {}
    unjudged: list[str] = []
    longest: int | None = None
    for (stream, channel), group in sorted(channels.items()):
        label = f"{stream}/{channel}" if several else channel
        if max(each.count for each in group) < ENOUGH:
            unjudged.append(label)
            continue
        gap = max(each.longest for each in group)
        longest = max(gap, longest or 0)
        explicit = group[0].stream.stale_after_ns
        limit = max(_LEAST_NS, 3 * gap) if explicit is None else explicit
        after[label] = limit
        for each in group:
            stale += [
                Stale(each.client, channel, stream, start, end, limit)
                for start, end in each.gaps
                if end - start > limit
            ]
    judged = frozenset(s for (s, c) in channels if (f"{s}/{c}" if several else c) in after)
    stale.sort(key=lambda each: (each.start, each.client, each.stream, each.channel))
    return Staleness(tuple(stale), after, longest, tuple(unjudged), judged)
