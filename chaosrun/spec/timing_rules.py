"""Whether the phases leave room for what is to be measured in them, with the numbers that would do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import ceil

from chaosrun.errors import UsageError
from chaosrun.plan import GroupPlan
from chaosrun.scoring.pacing import finest_within, manned_until, resolution, worth_seeing_until
from chaosrun.spec.catalogue import Catalogue
from chaosrun.spec.doubt import Finding
from chaosrun.spec.method import faults_of, method_begins_ns, method_ns
from chaosrun.spec.model import Experiment
from chaosrun.spec.nodes import Path
from chaosrun.spec.resolve import group_plan, shape_of
from chaosrun.spec.units import format_at_least, format_duration


def timing_problems(experiment: Experiment, catalogue: Catalogue) -> Iterator[Finding]:
    """The rules of section 2 of docs/measurement.md; an experiment without a fault has no recovery to time."""
    plans: dict[str, GroupPlan] = {}
    for name, group in experiment.steady_state.load.items():
        try:
            plans[name] = group_plan(name, group, experiment.recovery, shape_of(group, catalogue))
        except UsageError:
            continue  # reported where the protocol is named
    for plan in plans.values():
        yield from _baseline(experiment, plan)
        yield from _manned(experiment, plan, plans.values())
    if faults_of(experiment.method):
        yield from _phases(experiment)
        for plan in plans.values():
            yield from _group(experiment, plan)


def _decide_window(plan: GroupPlan) -> tuple[Path, ...]:
    """What the event window of a group is made of."""
    of_group = tuple(("steady_state", "load", plan.name, key) for key in ("clients", "requests", "sentinels"))
    return (*of_group, ("recovery", "window"), ("recovery", "tolerate", "requests"))


def _baseline(experiment: Experiment, plan: GroupPlan) -> Iterator[Finding]:
    baseline = experiment.timing.baseline
    if baseline < plan.window_ns:
        text = (
            f"{format_duration(baseline)} is shorter than the event window of group {plan.name!r}; at least "
            f"{format_at_least(plan.window_ns)}, or more requests or sentinels for the group"
        )
        yield Finding(("timing", "baseline"), text, needs=_decide_window(plan))


def _manned(experiment: Experiment, plan: GroupPlan, plans: Iterable[GroupPlan]) -> Iterator[Finding]:
    """Stages that send everybody away do so after the last phase that is judged, and after those of other groups."""
    manned = manned_until(plan)
    if manned is None:
        return
    timing = experiment.timing
    judged = method_begins_ns(experiment) + timing.verify
    if experiment.method:
        judged += method_ns(experiment) + timing.recovery_timeout + timing.after
    if manned < (needed := max(judged, *map(worth_seeing_until, plans))):
        text = (
            f"the last clients of group {plan.name!r} begin to leave {format_duration(manned)} after the ramp's start, "
            f"and the run may need them until {format_duration(needed)}: hold them longer, or make the phases of "
            "`timing` or the stages of other groups shorter"
        )
        needs: tuple[Path, ...] = (("timing",), ("method",), ("steady_state", "load"))
        yield Finding(("steady_state", "load", plan.name, "stages"), text, needs=needs)


def _phases(experiment: Experiment) -> Iterator[Finding]:
    timing, recovery = experiment.timing, experiment.recovery
    limit = max(group.latency_limit for group in experiment.steady_state.load.values())
    least = recovery.stable_for + limit
    limits = tuple(("steady_state", "load", name, "latency_limit") for name in experiment.steady_state.load)
    needs: tuple[Path, ...] = (("recovery", "stable_for"), *limits)
    if timing.after < least:
        text = (
            f"{format_duration(timing.after)} is too short to see a relapse; at least {format_duration(least)} "
            f"(stable_for {format_duration(recovery.stable_for)} + latency_limit {format_duration(limit)})"
        )
        yield Finding(("timing", "after"), text, needs)
    within = recovery.within or 0
    if timing.recovery_timeout < within + least:
        parts = f"within {format_duration(within)} + " if within else ""
        text = (
            f"{format_duration(timing.recovery_timeout)} is too short to tell a late recovery from none; at least "
            f"{format_duration(within + least)} ({parts}stable_for {format_duration(recovery.stable_for)} + "
            f"latency_limit {format_duration(limit)})"
        )
        yield Finding(("timing", "recovery_timeout"), text, (("recovery", "within"), *needs))


def _group(experiment: Experiment, plan: GroupPlan) -> Iterator[Finding]:
    recovery = experiment.recovery
    if recovery.stable_for < plan.window_ns:
        text = (
            f"{format_duration(recovery.stable_for)} is shorter than the event window of group {plan.name!r}, "
            f"{format_at_least(plan.window_ns)}; make it at least that, or give the group more requests or sentinels"
        )
        yield Finding(("recovery", "stable_for"), text, needs=_decide_window(plan))
    finest, step = finest_within(plan), resolution(plan)
    if recovery.within is not None and finest is not None and step is not None and recovery.within < finest:
        needed = 3e9 / recovery.within
        text = (
            f"{format_duration(recovery.within)} is finer than group {plan.name!r} can resolve: its events are "
            f"{format_at_least(step)} apart and three are needed; at least {format_at_least(finest)}, or "
            f"{ceil(needed):,} events/s in all by `requests` or `sentinels`"
        )
        yield Finding(("recovery", "within"), text, needs=_decide_window(plan))
