"""The method as a tree of steps: the way through all of them, and how long they take when all goes as planned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chaosrun.spec.catalogue import Catalogue
from chaosrun.spec.model import Experiment
from chaosrun.spec.nodes import Path
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


def planned_ns(steps: Sequence[Step], began: int = 0) -> int:
    """When the last of the steps has ended, if the first begins `began` after the method."""
    now = began
    for step in steps:
        now = _ended(step, now)
    return now


def schedule(steps: Sequence[Step], began: int = 0) -> Iterator[tuple[FaultStep, int]]:
    """Every fault, in the order in which they are numbered, and when it begins if all goes as planned: ns after the
    method began."""
    now = began
    for step in steps:
        if isinstance(step, FaultStep):
            yield step, max(now, step.at or 0)
        elif isinstance(step, ParallelStep):
            for child in step.parallel:
                yield from schedule((child,), max(now, step.at or 0))
        now = _ended(step, now)


def _ended(step: Step, now: int) -> int:
    if isinstance(step, PauseStep):
        return now + step.pause
    now = max(now, step.at or 0)
    if isinstance(step, ParallelStep):
        return max(_ended(child, now) for child in step.parallel)
    return now + max(step.lasts_ns(), step.for_ or 0)
