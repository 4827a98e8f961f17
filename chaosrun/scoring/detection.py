"""Do the load and the prober notice a fault at the same time? If not, one of them measured itself.

Both are asked when the service first failed them after the fault, in due times of what failed, so that neither has to
wait for a time-out before it counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from chaosrun.records import NONE, History
from chaosrun.scoring.checks import MS, SECOND, Check, Need, timed
from chaosrun.scoring.evidence import Evidence
from chaosrun.scoring.pacing import judged_rate
from chaosrun.scoring.recovery import Episode


class Noticed(NamedTuple):
    """When each first noticed an episode, as run time; None: it did not."""

    fleet: int | None
    prober: int | None


def detections_agree(evidence: Evidence) -> Iterator[Check]:
    """A check for every episode whose faults all reach both; none where no prober was at work."""
    history = evidence.history
    if evidence.recovery is None or not history.probes:
        return
    plans = {fault.id: fault for fault in history.plan.faults}
    rate = max((judged_rate(group) for group in history.plan.groups), default=0)
    invalid = max(100 * MS, 3 * SECOND / float(rate) if rate else 0)
    for episode in evidence.recovery.episodes:
        if all(fault in plans and plans[fault].reaches_server for fault in episode.faults):
            names = ", ".join(plans[fault].name for fault in dict.fromkeys(episode.faults))
            yield compare(names, noticed(evidence, episode), invalid)


def noticed(evidence: Evidence, episode: Episode) -> Noticed:
    return Noticed(_by_fleet(evidence, episode), _by_prober(evidence.history, episode))


def compare(names: str, when: Noticed, invalid: float) -> Check:
    """`invalid`: the difference (ns) that is too much."""
    name = f"prober against load at {names}"
    clouds: frozenset[Need] = frozenset({"prober"})
    if when.fleet is not None and when.prober is not None:
        return timed(name, abs(when.fleet - when.prober), 25 * MS, invalid, clouds)
    nothing = Check(name=name, limit=invalid / SECOND, unit="s", clouds=clouds)
    match when:
        case Noticed(None, None):
            return nothing
        case Noticed(None, _):
            # An outage between two slots of the load is no contradiction.
            return Check(name=name, limit=nothing.limit, unit="s", grade="warn", why="only the prober noticed it")
        case _:
            # A stalled load process looks just like this.
            why = "only the load noticed it, the prober was served throughout"
            return Check(name=name, limit=nothing.limit, unit="s", grade="invalid", clouds=clouds, why=why)


def _by_fleet(evidence: Evidence, episode: Episode) -> int | None:
    """The first connection lost, or the first bad slot of an impact on sessions or requests.

    A feed that stands still is nothing that the prober could see, and neither is one stray bad slot.
    """
    if episode.impact is None or episode.impact_by is None:
        return None
    start, until = episode.fault_start, episode.end if episode.recovered is None else episode.recovered
    seen = [line.t for line in evidence.history.closed if start <= line.t < until and not line.planned]
    if not episode.impact_by.endswith(".pushes"):
        seen.append(episode.impact)
        for group in evidence.groups:
            seen += [o.due for o in group.timeline.requests.due_in(start, episode.impact) if o.good is False]
    return min(seen, default=None)


def _by_prober(history: History, episode: Episode) -> int | None:
    """The first probe that failed or came back too late for any group of the load."""
    start = episode.fault_start
    limit = min(group.latency_limit_ns for group in history.plan.groups)
    failed = (
        max(probe.sent, start)
        for probe in history.probes
        if probe.sent < episode.end
        and (probe.got if probe.got != NONE else probe.until) >= start
        and (probe.got == NONE or probe.got - probe.sent > limit)
    )
    return min(failed, default=None)
