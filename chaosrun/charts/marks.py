"""What every chart shows of the run's course: its phases, its faults, and the instants that the result speaks of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chaosrun.charts.bins import SECOND, seconds
from chaosrun.charts.picture import Band, FaultBand, Mark, MarkKind
from chaosrun.scoring.evidence import Evidence
from chaosrun.scoring.recovery import Episode
from chaosrun.scoring.result import FaultReport, Result


def draw_phases(result: Result) -> list[Band]:
    return [Band(name=phase.name, start=_s(phase.start_s), end=_s(phase.end_s)) for phase in result.phases]


def draw_faults(result: Result) -> list[FaultBand]:
    """A band for each injection."""
    return [
        FaultBand(
            name=fault.name,
            kind=fault.kind,
            role=fault.role,
            call=_s(fault.call_s),
            removed=None if fault.removed_s is None else _s(fault.removed_s),
        )
        for fault in result.faults
        if fault.call_s is not None
    ]


def draw_marks(evidence: Evidence, result: Result) -> list[Mark]:
    """Of all injections and episodes, and of an early end, in order of time."""
    history = evidence.history
    episodes = evidence.recovery.episodes if evidence.recovery else ()
    marks = [mark for fault in result.faults for mark in _of_fault(fault, episodes)]
    names = {plan.id: plan.name for plan in history.plan.faults}
    for index, episode in enumerate(episodes):
        of = ", ".join(dict.fromkeys(names.get(fault, fault) for fault in episode.faults))
        marks += _of_episode(index, episode, of)
    if history.stop is not None:
        marks.append(_mark("stopped", history.stop.t, f"stopped: {history.stop.why}"))
    return sorted(marks, key=lambda mark: mark.t)


def _of_fault(fault: FaultReport, episodes: Sequence[Episode]) -> Iterator[Mark]:
    if fault.call_s is None:
        return
    called = round(fault.call_s * SECOND)
    episode = next((i for i, each in enumerate(episodes) if each.fault_start <= called < each.end), None)
    yield _mark("fault", called, fault.name, episode)
    if fault.removed_s is not None:
        # Of an instant fault, too: then it is the restart that was owed.
        yield _mark("removed", round(fault.removed_s * SECOND), f"end of {fault.name}", episode)


def _of_episode(index: int, episode: Episode, of: str) -> Iterator[Mark]:
    if episode.impact is None:
        return
    yield _mark("impact", episode.impact, f"impact of {of}", index)
    if episode.server_ready is not None:
        yield _mark("ready", episode.server_ready, f"server ready after {of}", index)
    if episode.recovered is not None:
        yield _mark("recovered", episode.recovered, f"recovered from {of}", index)


def _mark(kind: MarkKind, t: int, label: str, episode: int | None = None) -> Mark:
    return Mark(kind=kind, t=seconds(t), label=label, episode=episode)


def _s(exact: float) -> float:
    """Seconds of the result, with as many digits as all times of a picture have."""
    return seconds(round(exact * SECOND))
