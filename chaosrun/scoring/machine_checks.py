"""Checks of what a run happened on: the machine's time, its clocks, its limits, and who watched its resources."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import fsum

from chaosrun.records import Clock, History
from chaosrun.scoring.checks import MS, SECOND, Check, Need, Stretch, graded, silences, timed
from chaosrun.scoring.node_clocks import ASSUMED_PPM, clock_bound, uncompared, worker_clocks


def steal(history: History, stretches: Sequence[Stretch]) -> Check:
    """CPU time that the hypervisor took away, over each judged phase of at least a second.

    What it does to the load shows in lag and lateness too, and these are checked by themselves; what it does to a
    service on the same machine shows nowhere else.
    """
    return _taken(history, stretches, "CPU stolen by the hypervisor", lambda clock: clock.steal)


def throttled(history: History, stretches: Sequence[Stretch]) -> Check:
    """CPU time that a quota of our own control groups kept from us, likewise."""
    return _taken(history, stretches, "CPU withheld by our own quota", lambda clock: clock.throttled)


def _taken(history: History, stretches: Sequence[Stretch], name: str, share: Callable[[Clock], float | None]) -> Check:
    value: float | None = None
    spans = []
    for stretch in stretches:
        told = [share(clock) for clock in history.clocks if stretch.start < clock.t <= stretch.end]
        shares = [each for each in told if each is not None]
        if not shares or stretch.end - stretch.start < SECOND:
            continue
        mean = fsum(shares) / len(shares)
        value = mean if value is None else max(value, mean)
        if mean > 0.05:
            spans.append((stretch.start, stretch.end))
    return Check(
        name=name,
        value=value,
        limit=0.05,
        unit="ratio",
        grade=graded(value, 0.01, 0.05),
        clouds=frozenset({"lag", "send"}),
        spans=tuple(spans),
        only_slows=True,
    )


def wall_clock(history: History) -> Check:
    """The largest step of the wall clock between two looks at it: time stamps of the server are read against it."""
    steps = [
        (abs(after.wall_offset_ns - before.wall_offset_ns), before.t, after.t)
        for before, after in zip(history.clocks, history.clocks[1:], strict=False)
    ]
    largest = max((step for step, _, _ in steps), default=None)
    spans = tuple((a, b) for step, a, b in steps if step > 50 * MS)
    return replace(timed("step of the wall clock", largest, 5 * MS, 50 * MS, frozenset({"clock"})), spans=spans)


ENOUGH_EXCHANGES = 50
"""So many that the fastest of them hardly had to wait for anything on its way."""


def node_clocks(history: History) -> Iterator[Check]:
    """How far instants of the load may be from the coordinator's clock; nothing where they are by that clock.

    It is in all error bounds. What these do not tell is on which side of a phase's edge, or of the latency limit, a
    single instant was: so it may be no larger than the limit, as a stall may not.
    """
    if not history.node_clocks:
        return
    limit = min(250 * MS, *(group.latency_limit_ns for group in history.plan.groups))
    check = timed("clocks of the nodes", clock_bound(history), 10 * MS, limit, frozenset({"clock"}))
    unknown = uncompared(history)
    if unknown:
        yield replace(check, grade="invalid", why=f"nothing tells the clock of {', '.join(unknown)}")
        return
    told = [check.why] if check.why else []
    for clock in worker_clocks(history):
        who = f"{clock.worker} on {clock.node}"
        if clock.exchanges < ENOUGH_EXCHANGES:
            told.append(f"{who}: {clock.exchanges} exchanges, fewer than {ENOUGH_EXCHANGES}")
        if clock.drift_ppm is None:
            told.append(f"{who}: not compared after the load, its drift is taken for {ASSUMED_PPM} ppm at most")
    grade = "warn" if check.grade == "ok" and told else check.grade
    yield replace(check, grade=grade, why="; ".join(told))


def suspended(history: History) -> Check:
    """The machine slept: no time measured across it means anything."""
    pairs = [
        (after.suspended_ns - before.suspended_ns, before.t, after.t)
        for before, after in zip(history.clocks, history.clocks[1:], strict=False)
    ]
    # The two clocks that it is computed from are read one after the other: under a millisecond is no sleep.
    slept = sum(gap for gap, _, _ in pairs if gap >= MS) if pairs else None
    clouds: frozenset[Need] = frozenset({"lag", "send", "skipped", "clock", "prober"})
    return replace(
        timed("machine suspended", slept, 0, 0, clouds), spans=tuple((a, b) for gap, a, b in pairs if gap >= MS)
    )


def exhausted(history: History) -> Check:
    """Connections that failed for want of our own descriptors or ports: a limit of the observer, not of the service."""
    ours = ("descriptors", "ports")
    failed = sum(line.why in ours for line in history.refused)
    failed += sum(line.count for line in history.exchanges if line.how in ours)
    return Check(
        name="connections refused by our own descriptors or ports",
        value=failed,
        limit=0,
        grade=graded(failed, 0, 0),
        clouds=frozenset({"journal"}),
        why="raise `ulimit -n`, or add source addresses" if failed else "",
    )


def sampler(history: History, stretches: Sequence[Stretch]) -> Check:
    """The longest time of the judged phases without a sample of CPU and memory; one is due every second."""
    name = "resource sampler silent"
    clouds: frozenset[Need] = frozenset({"sampler"})
    if not stretches or not (history.resources or history.clocks):
        return Check(name=name, unit="s", clouds=clouds)
    gaps = silences({sample.t for sample in history.resources}, stretches[0].start, stretches[-1].end)
    check = timed(name, max(b - a for a, b in gaps), 2 * SECOND, 3 * SECOND, clouds)
    return replace(check, spans=tuple((a, b) for a, b in gaps if b - a > 3 * SECOND))
