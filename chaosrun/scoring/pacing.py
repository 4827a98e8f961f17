"""When things are due: the open-loop plan of a group, and the tolerance that its rate can carry.

Everything here follows from the plan alone, so that what was due can be counted without looking at what was done.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

from chaosrun.plan import GroupPlan
from chaosrun.scoring.ratio import exact

SECOND = 1_000_000_000
_EVENTS = 6
"""Bad slots that a tolerated window may hold under `auto`: fewer could not be told from stray losses."""
_SHORTEST_WINDOW = 2 * SECOND


def phase(c: int, n: int, period: int) -> int:
    """Offset of client `c` of `n` within the period (ns): requests are spread evenly over it."""
    return c * period // n


class Life(NamedTuple):
    """A stretch in which the plan wants a client up, in ns after the ramp's start: it connects at `start`."""

    start: int
    end: int | None
    """When it takes leave; None: with the end of the load."""


def lives(c: int, group: GroupPlan) -> tuple[Life, ...]:
    """The planned lives of client `c`, in order; more than one where stages send it away and call it back."""
    return _staged_lives(c, group) if group.stages else (Life(planned_start(c, group), None),)


def planned_start(c: int, group: GroupPlan) -> int:
    """When client `c` of a ramp should start to connect, in ns after its start.

    The first `ramp_start` clients start at once, the rest at an even pace that ends with the ramp.
    """
    if c < group.ramp_start:
        return 0
    return (c - group.ramp_start + 1) * group.ramp_over_ns // (group.clients - group.ramp_start)


def _staged_lives(c: int, group: GroupPlan) -> tuple[Life, ...]:
    """Client `c` is admitted when the number of clients comes to `c + 1`, and takes leave when it falls to `c`."""
    found: list[Life] = []
    began: int | None = None
    at = n = 0
    for stage in group.stages:
        to = stage.clients
        if n <= c < to:
            began = at + (c + 1 - n) * stage.length_ns // (to - n)
        elif to <= c < n and began is not None:
            found.append(Life(began, at + (n - c) * stage.length_ns // (n - to)))
            began = None
        at += stage.length_ns
        n = to
    if began is not None:
        found.append(Life(began, None))
    return tuple(life for life in found if life.start != life.end)


def stages_end(group: GroupPlan) -> int:
    """When the last stage is over, in ns after the ramp's start."""
    return sum(stage.length_ns for stage in group.stages)


def manned_until(group: GroupPlan) -> int | None:
    """When the stages begin to send the last clients away for good, in ns after the ramp's start; None: some stay."""
    if not group.stages or group.stages[-1].clients:
        return None
    at = until = 0
    for stage in group.stages:
        at += stage.length_ns
        if stage.clients:
            until = at
    return until


def worth_seeing_until(group: GroupPlan) -> int:
    """Up to when the stages have something to measure, in ns after the ramp's start; 0 without stages."""
    manned = manned_until(group)
    return stages_end(group) if manned is None else manned


def admitted(group: GroupPlan, since: int) -> int:
    """How many clients the plan wants up, `since` ns after the ramp's start."""
    return sum(is_planned(c, group, since) for c in range(group.clients))


def is_planned(c: int, group: GroupPlan, since: int) -> bool:
    """Whether the plan wants client `c` up, `since` ns after the ramp's start."""
    return any(life.start <= since and (life.end is None or since < life.end) for life in lives(c, group))


def slot_due(k: int, c: int, n: int, period: int, t0: int) -> int:
    """Due time of slot `k` of client `c`. It never depends on an earlier reply."""
    return t0 + phase(c, n, period) + k * period


def first_slot(c: int, group: GroupPlan, start: int) -> int:
    """Number of the client's first slot in a life that begins at `start`: the first due at or after it."""
    period = _period(group)
    return max(0, -(-(start - phase(c, group.clients, period)) // period))


def due_times(c: int, group: GroupPlan, t0: int, stop: int) -> list[int]:
    """Due times of all slots of client `c` in its planned lives, the last of which ends at `stop` (the load's end)."""
    if group.period_ns is None:
        return []
    dues: list[int] = []
    for start, end in lives(c, group):
        first = slot_due(first_slot(c, group, start), c, group.clients, group.period_ns, t0)
        dues += range(first, stop if end is None else min(stop, t0 + end), group.period_ns)
    return dues


def sentinel_times(group: GroupPlan, begin: int, stop: int) -> Iterator[tuple[int, int]]:
    """`(due, client)` of the group's sentinels: round-robin over all clients, from the baseline's start on."""
    if group.sentinel_period_ns is not None:
        for k, due in enumerate(range(begin, stop, group.sentinel_period_ns)):
            yield due, k % group.clients


def late_after(group: GroupPlan) -> int:
    """A slot sent more than this (ns) after its due time was late by the observer's fault: `min(P, L/10)`."""
    limit = group.latency_limit_ns // 10
    return limit if group.period_ns is None else min(group.period_ns, limit)


def judged_rate(group: GroupPlan) -> Fraction:
    """Slots and sentinels of the whole group per second; 0 for a group that only listens."""
    slots = Fraction(group.clients * SECOND, group.period_ns) if group.period_ns else Fraction(0)
    return slots + (Fraction(SECOND, group.sentinel_period_ns) if group.sentinel_period_ns else 0)


def auto_tolerance(n: int, rate: float) -> tuple[float, int]:
    """Tolerated bad fraction `l` and event window `W` (ns) for `n` clients at `rate` requests/s each.

    `l = 6/(n * rate * 2 s)` kept within 1% and 10%; `W = max(2 s, 6/(l * n * rate))`: a window holds at least six
    slots that may be bad. The source is docs/measurement.md, section 2.
    """
    events = n * exact(rate)
    if events <= 0:
        raise ValueError(f"{n} clients at {rate}/s send nothing to judge")
    tolerated = min(max(_EVENTS / (events * 2), Fraction(1, 100)), Fraction(1, 10))
    return float(tolerated), max(_SHORTEST_WINDOW, round(_EVENTS * SECOND / (tolerated * events)))


def resolution(group: GroupPlan) -> int | None:
    """Mean time (ns) between two judged events of the group, `1/(N * rate)`; None if it only listens."""
    rate = judged_rate(group)
    return round(SECOND / rate) if rate else None


def blind(group: GroupPlan) -> int | None:
    """The longest outage (ns) that the tolerance of requests could hide; None if it only listens.

    `(floor(l * n) + 1) / (N * rate)` with `n` the most slots of a window: as many as are tolerated, and nearly the
    whole way to the slot before the first and after the last of them. Sentinels are a grid of their own and may be
    missed like the slots: one distance more.
    """
    rate = judged_rate(group)
    if not rate:
        return None
    slots = ceil(group.window_ns * rate / SECOND)
    grids = (group.period_ns is not None) + (group.sentinel_period_ns is not None)
    return round((floor(exact(group.tolerate_requests) * slots) + grids) * SECOND / rate)


def finest_within(group: GroupPlan) -> int | None:
    """The shortest limit on a recovery (ns) that the group's rate can judge: three times its resolution."""
    step = resolution(group)
    return None if step is None else 3 * step


def _period(group: GroupPlan) -> int:
    if group.period_ns is None:
        raise ValueError(f"group {group.name!r} sends no requests")
    return group.period_ns
