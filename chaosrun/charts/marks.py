"""What every chart shows of the run's course: its phases, its faults, and the instants that the result speaks of."""

from __future__ import annotations

from collections.abc import Iterator

from chaosrun.charts.bins import seconds
from chaosrun.charts.picture import Band, FaultBand, Mark, MarkKind
from chaosrun.records import History
from chaosrun.scoring.evidence import Evidence
from chaosrun.scoring.phases import Injection, injections
from chaosrun.scoring.recovery import Episode


def draw_phases(history: History) -> list[Band]:
    ends = [phase.t for phase in history.phases[1:]] + [history.end]
    return [
        Band(name=phase.name, start=seconds(phase.t), end=seconds(end))
        for phase, end in zip(history.phases, ends, strict=True)
    ]


def draw_faults(history: History) -> list[FaultBand]:
    """A band for each injection."""
    plans = {plan.id: plan for plan in history.plan.faults}
    bands = []
    for call in injections(history):
        plan = plans.get(call.id)
        removed = _removed(history, call)
        bands.append(
            FaultBand(
                name=call.name,
                kind=call.id if plan is None else plan.kind,
                role=None if plan is None else plan.role,
                call=seconds(call.called),
                removed=None if removed is None else seconds(removed),
            )
        )
    return bands


def _removed(history: History, call: Injection) -> int | None:
    """When what it did was taken away: of an instant fault, when the restart came that was owed."""
    if call.sustained:
        return call.removed
    again = next(
        (other.called for other in injections(history) if other.id == call.id and other.called > call.called),
        history.end + 1,
    )
    return next((line.t for line in history.removed if line.id == call.id and call.called <= line.t < again), None)


def draw_marks(evidence: Evidence) -> list[Mark]:
    """Of all injections and episodes, and of an early end, in order of time."""
    history = evidence.history
    episodes = evidence.recovery.episodes if evidence.recovery else ()
    marks = [*_of_faults(history, episodes)]
    names = {plan.id: plan.name for plan in history.plan.faults}
    for index, episode in enumerate(episodes):
        of = ", ".join(dict.fromkeys(names.get(fault, fault) for fault in episode.faults))
        marks += _of_episode(index, episode, of)
    if history.stop is not None:
        marks.append(_mark("stopped", history.stop.t, f"stopped: {history.stop.why}"))
    return sorted(marks, key=lambda mark: mark.t)


def _of_faults(history: History, episodes: tuple[Episode, ...]) -> Iterator[Mark]:
    for call in injections(history):
        episode = next((i for i, e in enumerate(episodes) if e.fault_start <= call.called < e.end), None)
        yield _mark("fault", call.called, call.name, episode)
        removed = _removed(history, call)
        if removed is not None:
            yield _mark("removed", removed, f"end of {call.name}", episode)


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
