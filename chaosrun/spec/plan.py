"""From an experiment to the plan of a run: what is judged where, what is done when, and no secret in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chaosrun.plan import CriterionPlan, FaultPlan, GroupPlan, Plan, RecoveryPlan
from chaosrun.scoring.pacing import stages_end
from chaosrun.spec.catalogue import Catalogue, Metric, installed
from chaosrun.spec.loader import Loaded
from chaosrun.spec.method import faults_of, is_sustained, method_ns, rollbacks_ns
from chaosrun.spec.model import Criterion, Experiment
from chaosrun.spec.protocol import SECOND
from chaosrun.spec.resolve import group_plan, shape_of

START_ALLOWANCE_NS = 60 * SECOND
"""What starting the target may add to the planned length of a run."""
HYPOTHESIS_WINDOWS = ("baseline", "verify")


def make_plan(loaded: Loaded, catalogue: Catalogue | None = None) -> Plan:
    """The plan of an experiment that was loaded.

    Args:
        catalogue: what names mean; None: everything that is installed.
    """
    names = catalogue or installed()
    experiment = loaded.experiment
    groups = _groups(experiment, names)
    return Plan(
        groups=groups,
        recovery=RecoveryPlan(
            within_ns=experiment.recovery.within,
            stable_for_ns=experiment.recovery.stable_for,
            no_relapse=experiment.recovery.no_relapse,
        ),
        criteria=tuple(_criteria(loaded, names)),
        faults=tuple(_faults(experiment, names)),
        phases_ns=_phases(experiment),
        max_duration_ns=experiment.timing.max_duration or 2 * _planned_ns(experiment, groups),
    )


def planned_ns(loaded: Loaded, catalogue: Catalogue | None = None) -> int:
    """The longest that a run takes, in ns, when all goes as planned, or by its own `max_duration`."""
    experiment = loaded.experiment
    planned = _planned_ns(experiment, _groups(experiment, catalogue or installed()))
    return min(planned, experiment.timing.max_duration or planned)


def _groups(experiment: Experiment, catalogue: Catalogue) -> tuple[GroupPlan, ...]:
    return tuple(
        group_plan(name, group, experiment.recovery, shape_of(group, catalogue))
        for name, group in experiment.steady_state.load.items()
    )


def _criteria(loaded: Loaded, catalogue: Catalogue) -> Iterator[CriterionPlan]:
    experiment = loaded.experiment
    for index, criterion in enumerate(experiment.steady_state.hypothesis):
        where = loaded.line(("steady_state", "hypothesis", index))
        metric = catalogue.metric(criterion.metric)
        for window in _windows(criterion, metric, HYPOTHESIS_WINDOWS):
            yield _criterion_plan(criterion, metric, window, where, hypothesis=True)
    for index, criterion in enumerate(experiment.expect):
        metric = catalogue.metric(criterion.metric)
        for window in _windows(criterion, metric, ("whole",)):
            yield _criterion_plan(criterion, metric, window, loaded.line(("expect", index)), hypothesis=False)


def _windows(criterion: Criterion, metric: Metric, default: tuple[str, ...]) -> tuple[str, ...]:
    """The windows in which a criterion is judged; a number of the whole run has one."""
    if not metric.windowed:
        return ("whole",)
    return (criterion.window,) if criterion.window is not None else default


def _criterion_plan(
    criterion: Criterion, metric: Metric, window: str, where: str, *, hypothesis: bool
) -> CriterionPlan:
    limits = criterion.limits()
    values = {key: limit.value for key, limit in limits.items()}
    return CriterionPlan(
        name=criterion.name or _name(criterion),
        metric=criterion.metric,
        window=window,
        source="hypothesis" if hypothesis else "expect",
        group=criterion.group,
        role=criterion.role,
        stream=criterion.stream,
        request=criterion.request,
        of_machine=criterion.of == "machine",
        min=values.get("min"),
        max=values.get("max"),
        target=values.get("target"),
        warning=values.get("warning"),
        critical=values.get("critical"),
        percent=metric.unit == "count" and any(limit.unit == "percent" for limit in limits.values()),
        written=", ".join(f"{key} {limit.written}" for key, limit in limits.items()),
        where=where,
    )


def _name(criterion: Criterion) -> str:
    parts = (criterion.group, criterion.role, criterion.stream, criterion.request)
    of = ", ".join(part for part in parts if part)
    return f"{criterion.metric} of {of}" if of else criterion.metric


def _faults(experiment: Experiment, catalogue: Catalogue) -> Iterator[FaultPlan]:
    for number, step in enumerate(faults_of(experiment.method), 1):
        role = step.target_role()
        yield FaultPlan(
            id=f"fault-{number}",
            name=step.name or (f"{step.fault} {role}" if role else step.fault),
            kind=step.fault,
            role=role,
            sustained=is_sustained(step, catalogue),
            reaches_server=role is not None and role in _serving_roles(experiment),
            delay_ns=step.delay_ns(),
        )


def _serving_roles(experiment: Experiment) -> Iterable[str]:
    """The roles that answer the clients themselves: `server`, or the only one there is."""
    roles = experiment.target.roles
    return roles if len(roles) == 1 else ("server",)


def _phases(experiment: Experiment) -> dict[str, int]:
    timing = experiment.timing
    return {
        "warmup": timing.warmup,
        "baseline": timing.baseline,
        "recovery": timing.recovery_timeout,
        "after": timing.after,
        "verify": timing.verify,
    }


def _planned_ns(experiment: Experiment, groups: tuple[GroupPlan, ...]) -> int:
    """The longest that a run takes when all goes as planned."""
    phases = _phases(experiment)
    if not experiment.method:
        phases = {name: length for name, length in phases.items() if name not in ("recovery", "after")}
    ramp = max(group.ramp_over_ns + group.connect_within_ns for group in groups)
    drain = max(group.reply_timeout_ns for group in groups)
    steps = method_ns(experiment) + rollbacks_ns(experiment)
    loaded = max(ramp + sum(phases.values()) + steps, *(stages_end(group) for group in groups))
    return START_ALLOWANCE_NS + loaded + drain
