"""The clocks of the load's nodes: how far an instant that one of them took may be from the coordinator's clock.

Records of a fleet on several machines are put on the coordinator's clock by an offset that was measured before the
load. What is left is an error: that of the offset, and what the clock drifted since. It is in no time that one load
process took by itself, such as a response; it is in every time from an instant of the engine, the prober or the
service to one of a client, and twice in a time between two clients.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from chaosrun.records import History, NodeClock
from chaosrun.scoring.words import show

ASSUMED_PPM = 100
"""Drift that is assumed of a clock where nothing tells it; those of machines are mostly within 50."""

OMITTED_BELOW = 5
"""A one-way time is given if it is at least so many error bounds long: then the bound is no more than 20% of it."""


@dataclass(frozen=True, kw_only=True)
class WorkerClock:
    """The clock of one load process over the run; times in ns."""

    worker: str
    node: str
    exchanges: int
    """Of the poorest comparison."""
    bound: int
    """Of the offset that its records were shifted by."""
    offset: int | None
    """What was left of it after the load; None: it was not compared again. So the next three."""
    bound_after: int | None
    drift_ppm: float | None
    drift_error_ppm: float | None
    """By the bounds of both comparisons: in a short run a drift is mostly these."""
    error: int
    """Its instants are within this of the coordinator's clock."""


def worker_clocks(history: History) -> list[WorkerClock]:
    """By worker, in the order of their names; none of a fleet that has only the coordinator's clock."""
    told: dict[str, list[NodeClock]] = defaultdict(list)
    for line in sorted(history.node_clocks, key=lambda line: line.t):
        told[line.worker].append(line)
    # load-2 before load-10
    return [_over_the_run(history, told[worker]) for worker in sorted(told, key=lambda name: (len(name), name))]


def uncompared(history: History) -> list[str]:
    """Load processes of such a fleet whose clock was never held against the coordinator's: nothing bounds its error."""
    if not history.node_clocks:
        return []
    return sorted({line.w for line in history.lags} - {line.worker for line in history.node_clocks})


def clock_bound(history: History) -> int | None:
    """How far (ns) an instant of the load may be from the coordinator's clock, whichever load process took it.

    0 where all share that clock; None: unknown.
    """
    if uncompared(history):
        return None
    return max((clock.error for clock in worker_clocks(history)), default=0)


def is_given(time: float, bound: int | None) -> bool:
    """Is a one-way time (ns) known well enough, by this bound, to be given?"""
    return bound is not None and OMITTED_BELOW * bound <= time


def omitted(bound: int | None) -> str:
    """Why times that are not given are not, for people."""
    if bound is None:
        return "one-way times are left out: the clock of a load process was never held against the coordinator's"
    return (
        f"one-way times below {show(OMITTED_BELOW * bound / 1e9, 's')} are left out: the clocks of the nodes agree to "
        f"within {show(bound / 1e9, 's')}, which is more than 20% of them"
    )


def _over_the_run(history: History, lines: Sequence[NodeClock]) -> WorkerClock:
    """A clock drifts steadily, so that between two comparisons it is no further off than at the worse of them."""
    first, last = lines[0], lines[-1]
    again = last if last is not first and last.t >= history.load_stopped else None
    begun = next((phase.t for phase in history.phases if phase.name == "ramp"), first.t)
    between = None if again is None else max(1, again.t - first.t) / 1e6
    errors = [_off(line) for line in lines]
    # Before the first comparison and after the last one nothing tells the drift.
    errors.append(_off(first) + _assumed(first.t - begun))
    if again is None:
        errors.append(_off(last) + _assumed(history.end - last.t))
    return WorkerClock(
        worker=first.worker,
        node=first.node,
        exchanges=min(line.exchanges for line in lines),
        bound=first.bound_ns,
        offset=None if again is None else again.offset_ns,
        bound_after=None if again is None else again.bound_ns,
        drift_ppm=None if between is None else (last.offset_ns - first.offset_ns) / between,
        drift_error_ppm=None if between is None else (last.bound_ns + first.bound_ns) / between,
        error=max(errors),
    )


def _off(line: NodeClock) -> int:
    return abs(line.offset_ns) + line.bound_ns


def _assumed(span: int) -> int:
    """Drift over a time for which nothing tells it, rounded up."""
    return -(-max(0, span) * ASSUMED_PPM // 1_000_000)
