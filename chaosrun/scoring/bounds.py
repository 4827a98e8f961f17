"""The error bounds of R and of the prober's handshake, and what all bounds have in common: the lag of the load, the
width of `fault_start`, and the clocks of the nodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil
from typing import NamedTuple

from chaosrun.records import NONE, History
from chaosrun.scoring.histogram import Histogram
from chaosrun.scoring.node_clocks import clock_bound
from chaosrun.scoring.phases import Injection
from chaosrun.scoring.sessions import asks
from chaosrun.scoring.stretches import Start
from chaosrun.scoring.timeline import GroupTimeline
from chaosrun.scoring.windows import EventSlots


def error_of_recovery(
    history: History,
    timelines: Sequence[GroupTimeline],
    faults: Iterable[Injection],
    impact: int,
    start: Start,
    end: int,
    longest_gap: int | None,
) -> int | None:
    """Error bound (ns) of R, by what came last, plus what all instants are unsure by (`doubt`).

    `end` is that of the observation.
    None: unknown, because `doubt` is, or because no baseline gap is known.
    """
    faults = list(faults)
    common = doubt(history, faults, start.at)
    timeline = next(timeline for timeline in timelines if timeline.group.name == start.by.group)
    if start.by.slots is not None:
        own: int | None = _by_requests(start.by.slots, timeline, impact, start.at, end)
    elif start.by.name == "sessions":
        own = _by_sessions(history, timeline, start.at)
    else:
        own = longest_gap
    if common is None or own is None:
        return None
    return own + common


def error_of_impact(history: History, faults: Sequence[Injection], impact: int, late: int) -> int | None:
    """Error bound (ns) of the impact, and of its distance from the fault: by how much it may have been named late, plus
    what all instants are unsure by; None: unknown."""
    common = doubt(history, faults, impact)
    return None if common is None else late + common


def doubt(history: History, faults: Sequence[Injection], until: int) -> int | None:
    """What every instant of the load is unsure by (ns): the p99 of its lag from the first fault to `until`, the width
    of `fault_start`, and the clocks of its nodes.

    None: unknown, because no lag was recorded there, or a clock was never held against the coordinator's. A fault whose
    effect nothing confirmed adds no width; it makes the run inconclusive on its own.
    """
    lag, clocks = lag_p99(history, faults[0].called, until), clock_bound(history)
    return None if lag is None or clocks is None else lag + width(faults) + clocks


def width(faults: Iterable[Injection]) -> int:
    """How long (ns) after its call a fault may have begun to work: the widest of them, as far as confirmed."""
    return max((fault.confirmed - fault.called for fault in faults if fault.confirmed is not None), default=0)


def _by_sessions(history: History, timeline: GroupTimeline, at: int) -> int:
    """Round trip of the canary that completed the sessions; without requests, of the opening conversation."""
    if asks(timeline.group):
        trips = [o.got - o.sent for o in timeline.requests.outcomes if o.good and o.sent == at]
    else:
        trips = [o.t - o.shaken for o in history.opened if o.g == timeline.g and o.t == at]
    return max(trips, default=0)


def _by_requests(slots: EventSlots, timeline: GroupTimeline, impact: int, at: int, end: int) -> int:
    """`R - due of the last bad slot before R`, plus the larger of two bounds of what the tolerance may hide behind R.

    One is `2 * l * W / f` where the outage was not a clean one. f is the bad fraction of the W before R. Not clean: a
    slot between impact and R was good, or one in the W before the impact or after R was bad; up to `l * n` slots of the
    outage may then lie before the one or behind the other. Where the W before R holds no bad slot (windows without
    slots), it is W.

    The other is how long more than the tolerated share were still bad, counted from R on: fewer clients may have been
    out at the end than f says. It lasts until the client of the last such slot was asked again.
    """
    last_bad = slots.last_bad(at)
    own = at - (impact if last_bad is None else max(last_bad, impact))
    n, bad = slots.count(impact, at)
    _, bad_before = slots.count(impact - slots.width, impact)
    _, bad_after = slots.count(at, at + slots.width)
    hidden = 0
    if bad < n or bad_before or bad_after:
        n, bad = slots.count(at - slots.width, at)
        hidden = ceil(2 * slots.tolerated * slots.width * n / bad) if bad else slots.width
    excess = slots.end_of_excess(at, end)
    return own + max(hidden, 0 if excess is None else _asked_again(timeline, excess) - at)


def _asked_again(timeline: GroupTimeline, t: int) -> int:
    """When the clients whose bad slots count at `t` were next observed, the last of them; `t` if none was."""
    following: dict[int, int] = {}
    for o in timeline.requests.outcomes:
        if o.due > t and o.good is not None:
            following.setdefault(o.client, o.due)
    clients = {o.client for o in timeline.requests.outcomes if o.counts_at == t and o.good is False}
    return max((following[c] for c in clients if c in following), default=t)


def lag_p99(history: History, a: int, b: int) -> int | None:
    """p99 (ns) of the event-loop lag of all load processes, from the records whose span touches `[a, b]`."""
    total = Histogram()
    for lag in history.lags:
        if lag.t >= a and lag.t - lag.span_ns <= b:
            total.merge(Histogram.from_buckets(lag.buckets, max_ns=lag.max_ns))
    return total.quantile(0.99)


class Ready(NamedTuple):
    """When the prober's first fresh handshake begun at or after the impact had its echo, and its error bound (ns).

    None: unknown, since the impact is by a clock that was never held against the prober's.
    """

    at: int
    error: int | None


def server_ready(history: History, faults: Sequence[Injection], impact: int, end: int) -> Ready | None:
    """None: no handshake begun at or after the impact had its echo before `end`.

    The server was ready after the last attempt that failed had begun, or after the impact. Where the handshake took
    longer than any before the fault it had waited for the server: then it was not ready but for that long before. The
    lag of the prober itself is not recorded.
    """
    tries = [probe for probe in history.probes if probe.connect and probe.sent >= impact]
    done = [(probe.got, -probe.sent) for probe in tries if probe.got != NONE and probe.got < end]
    if not done:
        return None
    at, sent = min(done)[0], -min(done)[1]
    lowest = max([impact, *(probe.sent for probe in tries if probe.got == NONE and probe.sent < sent)])
    start = faults[0].called
    calm = [p.got - p.sent for p in history.probes if p.connect and p.got != NONE and p.got < start]
    if calm and at - sent > max(calm):
        lowest = at - max(calm)
    clocks = clock_bound(history)
    return Ready(at, None if clocks is None else at - lowest + width(faults) + clocks)
