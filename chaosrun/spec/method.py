"""The method as a tree of steps: the way through all of them, and how long they take when all goes as planned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chaosrun.spec.catalogue import Catalogue
from chaosrun.spec.model import Experiment
from chaosrun.spec.nodes import Path
from chaosrun.spec.stages import StageAt, starts_ns
from chaosrun.spec.steps import FaultStep, OtherFaultStep, ParallelStep, PauseStep, Step


def walk(steps: Sequence[Step], path: Path) -> Iterator[tuple[Path, Step]]:
    """Every step with its place in the experiment, in the order written; what is in `parallel` follows that."""
    for index, step in enumerate(steps):
        place = (*path, index)
        yield place, step
        if isinstance(step, ParallelStep):
            yield from walk(step.parallel, (*place, "parallel"))


def faults_of(steps: Sequence[Step]) -> tuple[FaultStep, ...]:
    """The faults among the steps and within them, in the order in which they are numbered."""
    return tuple(step for _, step in walk(steps, ()) if isinstance(step, FaultStep))


def all_faults(experiment: Experiment) -> tuple[FaultStep, ...]:
    """Every fault that a run of the experiment may inject, its rollbacks last."""
    return (*faults_of(experiment.method), *faults_of(experiment.rollbacks))


def is_sustained(step: FaultStep, catalogue: Catalogue) -> bool:
    """Whether its effect lasts until it is removed; of a kind that a package adds, the fault itself says so."""
    if isinstance(step, OtherFaultStep):
        return bool(catalogue.fault(step.fault).make(step).sustained)
    return step.is_sustained()


def may_be_sustained(step: FaultStep) -> bool:
    """The same, as far as can be told without the package that adds a kind."""
    return isinstance(step, OtherFaultStep) or step.is_sustained()


def method_ns(experiment: Experiment) -> int:
    """How long the method takes when all goes as planned."""
    return _Timetable(experiment).end(experiment.method)


def rollbacks_ns(experiment: Experiment) -> int:
    """How long the rollbacks take when all goes as planned."""
    return _Timetable(experiment).end(experiment.rollbacks)


def schedule(experiment: Experiment) -> Iterator[tuple[FaultStep, int]]:
    """Every fault of the method, in the order in which they are numbered, and when it begins if all goes as planned:
    ns after the method began."""
    return _Timetable(experiment).faults(experiment.method, 0)


def method_begins_ns(experiment: Experiment) -> int:
    """When the method begins at the earliest, in ns after the ramp's start."""
    ramp = max(group.ramp_over_ns() for group in experiment.steady_state.load.values())
    return ramp + experiment.timing.warmup + experiment.timing.baseline


def in_stage_ns(at: StageAt, experiment: Experiment) -> int | None:
    """A time within a stage, in ns after the ramp's start; None: no group has that stage."""
    for name, group in experiment.steady_state.load.items():
        start = starts_ns(group.stages).get(at.stage)
        if start is not None and at.group in (None, name):
            return start + at.after
    return None


class _Timetable:
    """When the steps of an experiment begin and end; all times in ns after the method began."""

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._began = method_begins_ns(experiment)

    def faults(self, steps: Sequence[Step], now: int) -> Iterator[tuple[FaultStep, int]]:
        for step in steps:
            if isinstance(step, FaultStep):
                yield step, self._begins(step, now)
            elif isinstance(step, ParallelStep):
                for child in step.parallel:
                    yield from self.faults((child,), self._begins(step, now))
            now = self._ended(step, now)

    def end(self, steps: Sequence[Step]) -> int:
        now = 0
        for step in steps:
            now = self._ended(step, now)
        return now

    def _begins(self, step: FaultStep | ParallelStep, now: int) -> int:
        if isinstance(step.at, StageAt):
            return max(now, (in_stage_ns(step.at, self._experiment) or 0) - self._began)
        return max(now, step.at or 0)

    def _ended(self, step: Step, now: int) -> int:
        if isinstance(step, PauseStep):
            return now + step.pause
        now = self._begins(step, now)
        if isinstance(step, ParallelStep):
            return max(self._ended(child, now) for child in step.parallel)
        return now + max(step.lasts_ns(), step.for_ or 0)
