"""The observer observed: was the run measured by something that could be trusted to measure it?

Every check has a limit where it warns and one where it invalidates, and knows which needs of a metric it clouds and
when. A criterion that depends on what was clouded, in that time, becomes unknown; all others stand: an exact loss count
survives a lagging loop, a latency does not. Limits: docs/measurement.md, section 5.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from chaosrun.records import History, Lag
from chaosrun.scoring.checks import MS, SECOND, Check, Need, Stretch, graded, judged, timed
from chaosrun.scoring.detection import detections_agree, prober_watched
from chaosrun.scoring.evidence import Evidence, GroupEvidence
from chaosrun.scoring.histogram import Histogram
from chaosrun.scoring.machine_checks import exhausted, node_clocks, sampler, steal, suspended, throttled, wall_clock
from chaosrun.scoring.record_checks import broken_equations, conservation, effects, lost_records, source
from chaosrun.scoring.steps import merged


def check_observer(evidence: Evidence) -> list[Check]:
    """All checks that the records allow; those of the baseline are in `steadiness`."""
    history = evidence.history
    stretches = judged(history)
    by_group = [check(group) for group in evidence.groups for check in (lateness, skipped, source)]
    return [
        *lag(history, stretches),
        *(check for check in by_group if check is not None),
        *prober_watched(history, stretches),
        *detections_agree(evidence),
        load_cpu(history, stretches),
        steal(history, stretches),
        throttled(history, stretches),
        wall_clock(history),
        *node_clocks(history),
        suspended(history),
        sampler(history, stretches),
        lost_records(history),
        conservation(broken_equations(evidence)),
        exhausted(history),
        *effects(history),
    ]


# ---- the load process -----------------------------------------------------------------------------------------------


def lag(history: History, stretches: Sequence[Stretch]) -> list[Check]:
    """Lateness of a 10 ms ticker in each load process: the loop was busy, and what it read it read late."""
    if not stretches:
        return [Check(name="event-loop lag p99", unit="s", clouds=frozenset({"lag"}))]
    start, end = stretches[0].start, stretches[-1].end
    by_writer: dict[str, list[Lag]] = defaultdict(list)
    for line in history.lags:
        of_writer = by_writer[line.w]  # one that wrote only before is known to be missing
        if start < line.t and line.t - line.span_ns < end:
            of_writer.append(line)
    seen = [line for lines in by_writer.values() for line in lines]
    return [
        _busy(by_writer.values()),
        _longest_stall(history, seen),
        _held_up(history, seen),
        _unrecorded(by_writer.values(), start, end),
    ]


def _busy(writers: Iterable[Sequence[Lag]]) -> Check:
    """The p99 of the worst ten seconds: a stall of 200 ms would be lost in an hour."""
    found = [(_p99(part), part) for lines in writers for part in _parts(lines)]
    worst = max((p99 for p99, _ in found), default=None)
    check = timed("event-loop lag p99", worst, 10 * MS, 50 * MS, frozenset({"lag"}))
    busy = [(part[0].t - part[0].span_ns, part[-1].t) for p99, part in found if p99 > 50 * MS]
    return replace(check, spans=tuple(merged(busy)))


def _parts(lines: Sequence[Lag]) -> Iterator[Sequence[Lag]]:
    """Every ten records in a row, one comes a second; all of them where there are fewer."""
    for i in range(max(min(len(lines), 1), len(lines) - 9)):
        yield lines[i : i + 10]


def _p99(lines: Iterable[Lag]) -> int:
    total = Histogram()
    for line in lines:
        total.merge(Histogram.from_buckets(line.buckets, max_ns=line.max_ns))
    return total.quantile(0.99) or 0


def _longest_stall(history: History, seen: Sequence[Lag]) -> Check:
    """A stall makes late whatever comes meanwhile, and bad what comes in time, if it is as long as the limit."""
    limit = min(250 * MS, *(group.latency_limit_ns for group in history.plan.groups))
    longest = max((line.max_ns for line in seen), default=None)
    check = timed("event-loop lag max", longest, 25 * MS, limit, frozenset({"lag", "skipped"}))
    return replace(check, spans=tuple((line.t - line.span_ns, line.t) for line in seen if line.max_ns > limit))


def _held_up(history: History, seen: Sequence[Lag]) -> Check:
    """A load process that stands still for so long is given up by its peers, and gives up replies that came in time:
    not even what it counted is the service's doing."""
    patience = [group.reply_timeout_ns for group in history.plan.groups]
    limit = min(SECOND, *patience)
    longest = max((line.max_ns for line in seen), default=None)
    clouds: frozenset[Need] = frozenset({"lag", "send", "skipped", "journal"})
    check = timed("load process standing still", longest, limit, limit, clouds)
    # What was due a reply time-out before was perhaps still in flight.
    before = max(patience)
    return replace(check, spans=tuple((line.t - line.span_ns - before, line.t) for line in seen if line.max_ns > limit))


def _unrecorded(writers: Iterable[Sequence[Lag]], start: int, end: int) -> Check:
    """The longest time of the judged phases that no lag record of a load process covers: it was frozen or dead."""
    gaps = []
    for lines in writers:
        covered = sorted((line.t - line.span_ns, line.t) for line in lines)
        ends = [start, *(t for _, t in covered)]
        gaps += [(last, begun) for last, (begun, _) in zip(ends, [*covered, (end, end)], strict=True)]
    longest = max((b - a for a, b in gaps), default=None)
    # A record comes once a second, so that a run that still goes on lacks the last of them.
    clouds: frozenset[Need] = frozenset({"lag", "send", "skipped"})
    check = timed("load process without a sign of life", longest, 3 * SECOND // 2, 2 * SECOND, clouds)
    return replace(check, spans=tuple((a, b) for a, b in gaps if b - a > 2 * SECOND))


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
