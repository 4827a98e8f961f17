"""The observer observed: was the run measured by something that could be trusted to measure it?

Every check has a limit where it warns and one where it invalidates, and knows which needs of a metric it clouds and
when. A criterion that depends on what was clouded, in that time, becomes unknown; all others stand: an exact loss count
survives a lagging loop, a latency does not. Limits: docs/measurement.md, section 5.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from chaosrun.records import Confirmed, History, Lag
from chaosrun.scoring.checks import MS, SECOND, Check, Need, graded, timed
from chaosrun.scoring.detection import detections_agree
from chaosrun.scoring.evidence import Evidence, GroupEvidence
from chaosrun.scoring.histogram import Histogram
from chaosrun.scoring.requests import violations


@dataclass(frozen=True)
class Stretch:
    """A named part of the run that is judged: a phase from the baseline to `verify`."""

    name: str
    start: int
    end: int


def check_observer(evidence: Evidence) -> list[Check]:
    """All checks that the records allow; those of the baseline are in `steadiness`."""
    history = evidence.history
    stretches = judged(history)
    by_group = [check(group) for group in evidence.groups for check in (lateness, skipped)]
    return [
        *lag(history, stretches),
        *(check for check in by_group if check is not None),
        *detections_agree(evidence),
        load_cpu(history, stretches),
        steal(history, stretches),
        wall_clock(history),
        suspended(history),
        lost_records(history),
        conservation(broken_equations(evidence)),
        exhausted(history),
        *effects(history),
    ]


def judged(history: History) -> list[Stretch]:
    """The phases that criteria look at; a busy ramp says nothing about the numbers after it."""
    ends = [phase.t for phase in history.phases[1:]] + [history.end]
    return [
        Stretch(phase.name, phase.t, end)
        for phase, end in zip(history.phases, ends, strict=True)
        if phase.name in ("baseline", "fault", "recovery", "after", "rollback", "verify") and end > phase.t
    ]


# ---- the load process -----------------------------------------------------------------------------------------------


def lag(history: History, stretches: Sequence[Stretch]) -> list[Check]:
    """Lateness of a 10 ms ticker in each load process: the loop was busy, and what it read it read late."""
    if not stretches:
        return [Check(name="event-loop lag p99", unit="s", clouds=frozenset({"lag"}))]
    start, end = stretches[0].start, stretches[-1].end
    by_writer: dict[str, list[Lag]] = defaultdict(list)
    for line in history.lags:
        if start < line.t and line.t - line.span_ns < end:
            by_writer[line.w].append(line)
    seen = [line for lines in by_writer.values() for line in lines]
    highest = max((line.max_ns for line in seen), default=None)
    clouds: frozenset[Need] = frozenset({"lag"})
    spans = tuple((line.t - line.span_ns, line.t) for line in seen if line.max_ns > 250 * MS)
    return [
        timed("event-loop lag p99", max(map(_p99, by_writer.values()), default=None), 10 * MS, 50 * MS, clouds),
        replace(timed("event-loop lag max", highest, 25 * MS, 250 * MS, clouds), spans=spans),
    ]


def _p99(lines: Iterable[Lag]) -> int:
    total = Histogram()
    for line in lines:
        total.merge(Histogram.from_buckets(line.buckets, max_ns=line.max_ns))
    return total.quantile(0.99) or 0


def lateness(group: GroupEvidence) -> Check | None:
    """How late the slots of a group were sent: what was sent late was answered late."""
    window = group.requests_in(0, group.history.load_stopped)
    if window is None:
        return None
    limit = min(25 * MS, group.plan.latency_limit_ns // 10)
    name = f"send lateness p99 of {group.plan.name}"
    found = timed(name, window.lateness.quantile(0.99), 10 * MS, limit, frozenset({"send"}))
    return replace(found, group=group.plan.name)


def load_cpu(history: History, stretches: Sequence[Stretch]) -> Check:
    """The busiest load process over each judged phase of at least a second, in shares of a core."""
    value: float | None = None
    spans = []
    for stretch in stretches:
        used: dict[str, int] = defaultdict(int)
        spanned: dict[str, int] = defaultdict(int)
        for line in history.lags:
            if stretch.start <= line.t - line.span_ns and line.t <= stretch.end:
                used[line.w] += line.cpu_ns
                spanned[line.w] += line.span_ns
        for writer, span in spanned.items():
            if span < SECOND:
                continue
            busy = used[writer] / span
            value = busy if value is None else max(value, busy)
            if busy > 0.9:
                spans.append((stretch.start, stretch.end))
    return Check(
        name="CPU of the load process",
        value=value,
        limit=0.9,
        unit="ratio",
        grade=graded(value, 0.7, 0.9),
        clouds=frozenset({"lag", "send"}),
        spans=tuple(spans),
    )


def steal(history: History, stretches: Sequence[Stretch]) -> Check:
    """CPU time that the hypervisor took away, over each judged phase of at least a second."""
    value: float | None = None
    spans = []
    for stretch in stretches:
        shares = [c.steal for c in history.clocks if stretch.start < c.t <= stretch.end and c.steal is not None]
        if not shares or stretch.end - stretch.start < SECOND:
            continue
        mean = sum(shares) / len(shares)
        value = mean if value is None else max(value, mean)
        if mean > 0.05:
            spans.append((stretch.start, stretch.end))
    return Check(
        name="CPU stolen by the hypervisor",
        value=value,
        limit=0.05,
        unit="ratio",
        grade=graded(value, 0.01, 0.05),
        clouds=frozenset({"lag", "send"}),
        spans=tuple(spans),
    )


def skipped(group: GroupEvidence) -> Check | None:
    """The share of due slots that the observer sent late or not at all: none of them says anything."""
    window = group.requests_in(0, group.history.load_stopped)
    if window is None:
        return None
    ledger = window.ledger
    value = (ledger.late_observer + ledger.skipped_observer) / ledger.due if ledger.due else None
    return Check(
        name=f"slots missed by the observer of {group.plan.name}",
        value=value,
        limit=0.001,
        unit="ratio",
        grade=graded(value, 0.0, 0.001),
        clouds=frozenset({"skipped"}),
        group=group.plan.name,
    )


# ---- the machine ----------------------------------------------------------------------------------------------------


def wall_clock(history: History) -> Check:
    """The largest step of the wall clock between two looks at it: time stamps of the server are read against it."""
    steps = [
        (abs(after.wall_offset_ns - before.wall_offset_ns), before.t, after.t)
        for before, after in zip(history.clocks, history.clocks[1:], strict=False)
    ]
    largest = max((step for step, _, _ in steps), default=None)
    spans = tuple((a, b) for step, a, b in steps if step > 50 * MS)
    return replace(timed("step of the wall clock", largest, 5 * MS, 50 * MS, frozenset({"clock"})), spans=spans)


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
    failed = [refused for refused in history.refused if refused.why in ("descriptors", "ports")]
    return Check(
        name="connections refused by our own descriptors or ports",
        value=len(failed),
        limit=0,
        grade=graded(len(failed), 0, 0),
        clouds=frozenset({"journal"}),
        why="raise `ulimit -n`, or add source addresses" if failed else "",
    )


# ---- the record -----------------------------------------------------------------------------------------------------


def lost_records(history: History) -> Check:
    """Lines and rows that were written and are not there: every count may be short."""
    return Check(
        name="lost journal records",
        value=history.lost_records,
        limit=0,
        grade=graded(history.lost_records, 0, 0),
        clouds=frozenset({"journal"}),
    )


def conservation(broken: Sequence[str]) -> Check:
    """The equations of the ledgers hold exactly, or something was counted twice or not at all."""
    return Check(
        name="conservation equations that do not hold",
        value=len(broken),
        limit=0,
        grade=graded(len(broken), 0, 0),
        clouds=frozenset({"journal"}),
        why="; ".join(broken),
    )


def broken_equations(evidence: Evidence) -> list[str]:
    """The equations of docs/measurement.md, section 3, that do not hold, in words."""
    wrong: list[str] = []
    for group in evidence.groups:
        if group.plan.period_ns is not None:
            wrong += violations(evidence.history, group.g, group.timeline.requests.ledger)
        if group.pushes is not None:
            for stream, ledger in group.pushes.by_stream.items():
                if not ledger.balanced:
                    wrong.append(f"{group.plan.name}, {stream}: copies owed and copies received do not add up")
    return wrong


# ---- the fault ------------------------------------------------------------------------------------------------------


def effects(history: History) -> list[Check]:
    """Each fault that was called did what it was to do, as seen by something other than the load."""
    confirmed: dict[str, Confirmed] = {}
    for line in history.confirmed:
        # A repeated fault is confirmed more than once: one failure is enough.
        if line.id not in confirmed or not line.verified:
            confirmed[line.id] = line
    called = {line.id for line in history.called}
    checks = []
    for fault in history.plan.faults:
        if fault.id not in called:
            continue
        seen = confirmed.get(fault.id)
        verified = seen is not None and seen.verified
        checks.append(
            Check(
                name=f"effect of {fault.name}",
                grade="ok" if verified else "invalid",
                clouds=frozenset({"effect"}),
                why=f"{'verified' if verified else 'not verified'}: {seen.how if seen else 'nothing looked'}",
            )
        )
    return checks
