"""When things are due: the open-loop plan of a group, and the tolerance that its rate can carry.

Everything here follows from the plan alone, so that what was due can be counted without looking at what was done.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import ceil, floor

from chaosrun.plan import GroupPlan
from chaosrun.scoring.ratio import exact

SECOND = 1_000_000_000
_EVENTS = 6
"""Bad slots that a tolerated window may hold under `auto`: fewer could not be told from stray losses."""
_SHORTEST_WINDOW = 2 * SECOND


def phase(c: int, n: int, period: int) -> int:
    """Offset of client `c` of `n` within the period (ns): requests are spread evenly over it."""
    return c * period // n


def planned_start(c: int, group: GroupPlan) -> int:
    """When client `c` should start to connect, in ns after the ramp's start.

    The first `ramp_start` clients start at once, the rest at an even pace that ends with the ramp.
    """
    if c < group.ramp_start:
        return 0
    return (c - group.ramp_start + 1) * group.ramp_over_ns // (group.clients - group.ramp_start)


def slot_due(k: int, c: int, n: int, period: int, t0: int) -> int:
    """Due time of slot `k` of client `c`. It never depends on an earlier reply."""
    return t0 + phase(c, n, period) + k * period


def first_slot(c: int, group: GroupPlan) -> int:
    """Number of the client's first slot: the first due at or after its planned start."""
    period = _period(group)
    return max(0, -(-(planned_start(c, group) - phase(c, group.clients, period)) // period))


def due_times(c: int, group: GroupPlan, t0: int, stop: int) -> range:
    """Due times of all slots of client `c` in its planned life, which ends at `stop` (the load's end)."""
    if group.period_ns is None:
        return range(0)
    return range(slot_due(first_slot(c, group), c, group.clients, group.period_ns, t0), stop, group.period_ns)


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
