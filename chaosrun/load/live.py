"""What the whole fleet looks like right now: the workers' snapshots, merged. For display and `stop_when` only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from chaosrun.load.wire import GroupLive, Live
from chaosrun.scoring.histogram import Histogram

_SUMMED = tuple(
    field.name for field in msgspec.structs.fields(GroupLive) if field.name not in ("name", "errors", "latency")
)


@dataclass(frozen=True)
class GroupNow:
    """A group over all workers; response times are those of the slots answered within the last second."""

    counts: GroupLive
    response_p50_ns: int | None = None
    response_p99_ns: int | None = None


@dataclass(frozen=True)
class FleetNow:
    t: int
    """Run time of the oldest snapshot in it."""
    groups: tuple[GroupNow, ...] = ()
    lag_max_ns: int = 0
    """The worst event-loop lag of any worker within the last second."""


def merge(workers: Sequence[Sequence[Live]]) -> FleetNow:
    """`workers`: each worker's snapshots of the last second, oldest first; those without any are left out."""
    heard = [snapshots for snapshots in workers if snapshots]
    if not heard:
        return FleetNow(t=0)
    newest = [snapshots[-1] for snapshots in heard]
    return FleetNow(
        t=min(live.t for live in newest),
        lag_max_ns=max(live.lag_max_ns for snapshots in heard for live in snapshots),
        groups=tuple(
            _group(
                [live.groups[place] for live in newest],
                (live.groups[place].latency for snapshots in heard for live in snapshots),
            )
            for place in range(len(newest[0].groups))
        ),
    )


def _group(shards: Sequence[GroupLive], latencies: Iterable[dict[int, int]]) -> GroupNow:
    errors: Counter[str] = Counter()
    for shard in shards:
        errors.update(shard.errors)
    buckets: Counter[int] = Counter()
    for latency in latencies:
        buckets.update(latency)
    response = Histogram.from_buckets(buckets)
    sums = {name: sum(getattr(shard, name) for shard in shards) for name in _SUMMED}
    return GroupNow(
        GroupLive(name=shards[0].name, errors=dict(errors), latency=dict(buckets), **sums),
        response.quantile(0.5),
        response.quantile(0.99),
    )
