"""Do the load and the prober notice a fault at the same time? If not, one of them measured itself.

Both are asked when the service first failed them after the fault, in due times of what failed, so that neither has to
wait for a time-out before it counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from chaosrun.records import NONE, History
from chaosrun.scoring.checks import MS, SECOND, Check, Need, Stretch, graded, silences, timed
from chaosrun.scoring.evidence import Evidence
from chaosrun.scoring.pacing import judged_rate
from chaosrun.scoring.recovery import Episode

_CLOUDS: frozenset[Need] = frozenset({"prober"})


class Noticed(NamedTuple):
    """When each first noticed an episode, as run time; None: it did not."""

    fleet: int | None
    prober: int | None
    served: bool = True
    """The prober was answered soon after the load had noticed; otherwise it says nothing."""


def prober_watched(history: History, stretches: Sequence[Stretch]) -> Iterator[Check]:
    """Did the prober probe all the time, and is what it wrote there?"""
    yield Check(
        name="lost probes",
        value=history.lost_probes,
        limit=0,
        grade=graded(history.lost_probes, 0, 0),
        clouds=_CLOUDS,
        why="the prober ended by itself, or its records are damaged" if history.lost_probes else "",
    )
    if not history.probes or not stretches:
        yield Check(name="prober silent", unit="s", clouds=_CLOUDS)
        return
    start, end = stretches[0].start, stretches[-1].end
    # A probe has a row when it is over, a second later at most: the last of them may be missing.
    gaps = silences((probe.sent for probe in history.probes), start, max(start, end - SECOND))
    lengths = sorted(b - a for a, b in gaps)
    limit = max(SECOND // 2, 5 * lengths[len(lengths) // 2])
    check = timed("prober silent", lengths[-1], limit // 2, limit, _CLOUDS)
    yield replace(check, spans=tuple((a, b) for a, b in gaps if b - a > limit))


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
            yield compare(names, noticed(evidence, episode), invalid, episode.clock_error or 0)


def noticed(evidence: Evidence, episode: Episode) -> Noticed:
    fleet = _by_fleet(evidence, episode)
    return Noticed(fleet, _by_prober(evidence.history, episode), _served(evidence.history, fleet))


def compare(names: str, when: Noticed, invalid: float, clocks: int) -> Check:
    """`invalid`: the difference (ns) that is too much by one clock; `clocks`: how far theirs may differ."""
    name = f"prober against load at {names}"
    if when.fleet is not None and when.prober is not None:
        return timed(name, abs(when.fleet - when.prober), 25 * MS + clocks, invalid + clocks, _CLOUDS)
    nothing = Check(name=name, limit=(invalid + clocks) / SECOND, unit="s", clouds=_CLOUDS)
    match when:
        case Noticed(None, None):
            return nothing
        case Noticed(None, _):
            # An outage between two slots of the load is no contradiction.
            return replace(nothing, grade="warn", why="only the prober noticed it")
        case Noticed(served=False):
            return replace(nothing, grade="invalid", why="only the load noticed it; the prober did not probe meanwhile")
        case _:
            # A stalled load process looks just like this.
            why = "only the load noticed it, the prober was served throughout"
            return replace(nothing, grade="invalid", why=why)


def _by_fleet(evidence: Evidence, episode: Episode) -> int | None:
    """The first connection lost, or the first bad slot of an impact on sessions or requests.

    A feed that stands still is nothing that the prober could see, and neither is one stray bad slot.
    """
    if episode.impact is None:
        return None
    start, until = episode.fault_start, episode.end if episode.recovered is None else episode.recovered
    clocks = episode.clock_error or 0
    closed = [line.t for line in evidence.history.closed if start - clocks <= line.t < until and not line.planned]
    seen = [max(t, start) for t in closed]
    if episode.unserved is not None and episode.unserved < until:
        seen.append(episode.unserved)
        for group in evidence.groups:
            seen += [o.due for o in group.timeline.requests.due_in(start, episode.unserved) if o.good is False]
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


def _served(history: History, since: int | None) -> bool:
    """Some probe was sent in the second after, and answered."""
    return since is None or any(since <= probe.sent < since + SECOND and probe.got != NONE for probe in history.probes)
