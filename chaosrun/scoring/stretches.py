"""Stretches of time in tolerance, over all indicators of all groups at once."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from chaosrun.scoring.tolerance import Indicator


class Start(NamedTuple):
    """Where a stretch begins and which indicator came last."""

    at: int
    """Where requests came last: the due time of the first good slot."""
    held_from: int
    """Since when tolerance holds; lengths are measured from here."""
    by: Indicator


def last_start(indicators: Sequence[Indicator], begin: int, end: int, hit: Indicator) -> Start:
    """The start of the stretch inside `[begin, end)` that lasts to `end`; it may be empty, or too short to count.

    `hit` is the indicator whose impact is at `begin`.
    """
    held_from = begin
    for indicator in indicators:
        start = indicator.holds_from(end)
        if start is not None and start > held_from:
            held_from = start
    return _start(indicators, held_from, begin, hit)


def stretches(indicators: Sequence[Indicator], begin: int, end: int, shortest: int) -> list[tuple[int, int]]:
    """The maximal stretches in tolerance inside `[begin, end)` that last at least `shortest`, in order.

    Two may overlap: windows that share a cluster of bad slots end one stretch at its last and begin the next after
    its first.
    """
    starts = {begin}
    for indicator in indicators:
        lo = bisect_right(indicator.bad, begin, key=lambda interval: interval[1])
        hi = bisect_left(indicator.bad, end, key=lambda interval: interval[1])
        starts.update(stop for _, stop in indicator.bad[lo:hi])
    found: list[tuple[int, int]] = []
    for a in sorted(starts):
        b = min([end, *(until for i in indicators if (until := i.holds_until(a)) is not None)])
        if b - a >= shortest and (not found or b > found[-1][1]):
            found.append((a, b))
    return found


def first_start(indicators: Sequence[Indicator], begin: int, end: int, hit: Indicator, shortest: int) -> Start | None:
    """The start of the first stretch inside `[begin, end)` of at least `shortest`."""
    found = stretches(indicators, begin, end, shortest)
    return _start(indicators, found[0][0], begin, hit) if found else None


def _start(indicators: Sequence[Indicator], held_from: int, begin: int, hit: Indicator) -> Start:
    """Requests are preferred among the indicators that begin to hold together, since they may start it later still."""
    came_last = [i for i in indicators if i.begins_to_hold(held_from) or (i is hit and held_from == begin)]
    by_requests = [i for i in came_last if i.slots is not None]
    at = held_from
    for indicator in by_requests:
        good = indicator.slots.first_good(held_from) if indicator.slots else None
        at = max(at, good if good is not None else held_from)
    return Start(at, held_from, next(iter(by_requests or came_last), hit))
