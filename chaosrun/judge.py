"""From a history to its result: the evidence, the observer, every criterion, and the verdict.

The one place where scoring and metrics meet; it knows no metric by name but the two of the recovery's own limits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msgspec import structs

from chaosrun.metrics._base import Metric
from chaosrun.plan import CriterionPlan, GroupPlan
from chaosrun.records import Began, History
from chaosrun.registry import load
from chaosrun.scoring.against import held_against, hold_against
from chaosrun.scoring.checks import Check
from chaosrun.scoring.evidence import Evidence, GroupEvidence
from chaosrun.scoring.findings import find
from chaosrun.scoring.observer import check_observer
from chaosrun.scoring.recovery import find_recovery
from chaosrun.scoring.result import Criterion, Result, rounded
from chaosrun.scoring.score import Judgement, compose
from chaosrun.scoring.spans import Span, span_of
from chaosrun.scoring.steadiness import check_baseline
from chaosrun.scoring.verdict import Outcome, Verdict, decide, run_verdict, tiers_of
from chaosrun.scoring.window import Window


@dataclass(frozen=True)
class Assessed:
    """A run, what was seen in it, and what was made of that: all that a report is drawn from."""

    began: Began
    evidence: Evidence
    result: Result


@dataclass(frozen=True)
class Baseline:
    """Whether a fault may be injected."""

    steady: bool
    reasons: tuple[str, ...]
    """Why not, in words."""
    criteria: tuple[Criterion, ...]


def judge(history: History, began: Began) -> Result:
    """The result of a run; of the same history always the same.

    Raises:
        UsageError: a criterion names a metric that is not installed here.
    """
    return assess(history, began).result


def assess(history: History, began: Began) -> Assessed:
    """The same, with the evidence that it was made from."""
    cpus = began.environment.get("cpus", "")
    evidence = gather(history, cores=int(cpus) if cpus.isdecimal() else None)
    checks = [*check_observer(evidence), *check_baseline(evidence)]
    criteria = judge_criteria(evidence, checks, planned_criteria(history))

    def verdict_of(judged: Sequence[Criterion]) -> Verdict:
        return run_verdict(
            judged,
            load_test=not history.plan.faults,
            obstacles=obstacles(evidence, checks),
            stopped_by=history.stop.why if history.stop and not history.stop.trouble else None,
            dirt=dirt(history),
        )

    judgement = Judgement(verdict_of(criteria), criteria, checks)
    result = compose(evidence, began, judgement, find(evidence, judgement))
    if began.against is not None:
        held = hold_against([result], began.against)
        whole = verdict_of([*criteria, *held.criteria])
        result = held_against(result, held, verdict=whole.verdict, exit_code=whole.exit_code, reasons=whole.reasons)
    return Assessed(began, evidence, result)


def baseline_holds(history: History) -> Baseline:
    """May a fault be injected, by a history that ends with its baseline?

    No, if a criterion of the baseline does not hold or cannot be told (the run could prove nothing any more, so the
    harm would be for nothing), if the group has no room for strays, or the baseline is none.
    """
    evidence = gather(history)
    checks = [*check_observer(evidence), *check_baseline(evidence)]
    planned = [plan for plan in planned_criteria(history) if plan.window == "baseline"]
    criteria = tuple(judge_criteria(evidence, checks, planned))
    reasons = [f"{c.name}: {c.why}" for c in criteria if c.outcome is not True]
    reasons += [check.told() for check in checks if check.grade == "invalid" and check.subject == "baseline"]
    return Baseline(not reasons, tuple(reasons), criteria)


def gather(history: History, *, cores: int | None = None) -> Evidence:
    """Ledgers, timelines and recovery of all groups; `cores` of the machine, for shares of it."""
    groups = tuple(GroupEvidence.of(history, g) for g in range(len(history.plan.groups)))
    recovery = None
    if history.called:
        recovery = find_recovery(history, [g.timeline for g in groups], [g.pushes for g in groups])
    return Evidence(history, groups, recovery, cores)


# ---- criteria -------------------------------------------------------------------------------------------------------


def planned_criteria(history: History) -> list[CriterionPlan]:
    """The experiment's criteria, and those that its `recovery` stands for."""
    plan = history.plan
    own = list(plan.criteria)
    if plan.faults and plan.recovery.within_ns is not None:
        within = plan.recovery.within_ns / 1e9
        own.append(CriterionPlan(name="recovery within", metric="ttr", window="whole", source="recovery", max=within))
    if plan.faults and plan.recovery.no_relapse:
        own.append(CriterionPlan(name="no relapse", metric="relapses", window="whole", source="recovery", max=0))
    return own


def judge_criteria(evidence: Evidence, checks: Sequence[Check], planned: Sequence[CriterionPlan]) -> list[Criterion]:
    """Every criterion, one that names no group once for each group that it can be read of; none hides another."""
    judged = []
    for plan in planned:
        metric: Metric = load("metrics", plan.metric)
        for subject in _subjects(evidence, plan, metric):
            judged.append(_judge(evidence, checks, subject, metric))
    return judged


def _subjects(evidence: Evidence, plan: CriterionPlan, metric: Metric) -> Iterator[CriterionPlan]:
    """The criterion, with the group that it is about."""
    if metric.per != "group" or plan.group is not None:
        yield plan
        return
    groups = [group.plan for group in evidence.groups if metric.suits(group.plan) and _has(group.plan, plan)]
    for group in groups:
        name = plan.name if len(groups) == 1 else f"{plan.name} of {group.name}"
        yield structs.replace(plan, group=group.name, name=name)
    if not groups:
        yield plan


def _has(group: GroupPlan, plan: CriterionPlan) -> bool:
    """The group has the stream and the request that the criterion names."""
    streams = {stream.name for stream in group.streams}
    return plan.stream in (None, *streams) and plan.request in (None, *group.requests)


def _judge(evidence: Evidence, checks: Sequence[Check], plan: CriterionPlan, metric: Metric) -> Criterion:
    """One criterion of one group, role or run."""
    span = _span(evidence, plan, metric)
    reading = None if span is None else metric.measure(_window(evidence, plan, span))
    if plan.percent and reading is not None:
        reading = reading.as_share()
    unit = "ratio" if plan.percent else metric.unit
    outcome = decide(plan, reading, up=metric.up, unit=unit)
    if span is None:
        outcome = outcome._replace(why=f"no evidence: {_missing(plan, metric)}")
    elif outcome.outcome is not None:
        hits = [check for check in checks if check.hits(metric.needs, *span, plan.group)]
        proven = outcome.outcome and _is_kept_in_spite(evidence, plan, metric, span)
        outcome = _doubted(outcome, [check for check in hits if not (proven and check.only_slows)])
    return Criterion(
        name=plan.name,
        metric=plan.metric,
        source=plan.source,
        group=plan.group,
        role=plan.role,
        window=plan.window,
        value=None if reading is None else rounded(reading.value),
        unit=unit,
        limit=rounded(outcome.limit),
        tiers=tiers_of(plan) or None,
        tier=outcome.tier,
        outcome=outcome.outcome,
        error=None if reading is None else rounded(reading.error),
        why=outcome.why,
        written=plan.written,
        where=plan.where,
    )


def _span(evidence: Evidence, plan: CriterionPlan, metric: Metric) -> Span | None:
    if metric.windowed:
        return span_of(evidence.history, evidence.recovery, plan.window)
    recovery = evidence.recovery
    if recovery is None or not recovery.episodes:
        return None
    return recovery.episodes[0].fault_start, recovery.end


def _window(evidence: Evidence, plan: CriterionPlan, span: Span) -> Window:
    return Window(
        name=plan.window,
        start=span[0],
        end=span[1],
        evidence=evidence,
        group=None if plan.group is None else evidence.group(plan.group),
        role=plan.role,
        stream=plan.stream,
        request=plan.request,
        of_machine=plan.of_machine,
    )


def _missing(plan: CriterionPlan, metric: Metric) -> str:
    return f"the run has no window {plan.window!r}" if metric.windowed else "no fault was injected"


def _is_kept_in_spite(evidence: Evidence, plan: CriterionPlan, metric: Metric, span: Span) -> bool:
    """A limit that was kept asks for no more than that the metric is not too bad, and what slows things can only make
    that harder: for the metric itself, or for another that it is no worse than, and which kept the limit too."""
    if (plan.max if metric.up else plan.min) is not None:
        return False
    if metric.slow_is_worse or metric.at_worst is None:
        return metric.slow_is_worse
    reading = metric.at_worst(_window(evidence, plan, span))
    return decide(plan, reading, up=metric.up, unit=metric.unit).outcome is True


def _doubted(outcome: Outcome, invalid: Sequence[Check]) -> Outcome:
    """What was measured by an observer that was not sound is neither true nor false."""
    if not invalid:
        return outcome
    named = "; ".join(check.told() for check in invalid)
    return Outcome(None, outcome.limit, f"not to be trusted ({named}); it read {outcome.why}")


# ---- what else decides the verdict ----------------------------------------------------------------------------------


def obstacles(evidence: Evidence, checks: Sequence[Check]) -> list[str]:
    """What keeps a run from passing, whatever its criteria say."""
    history = evidence.history
    found = [f"cut short: {history.stop.why}"] if history.stop and history.stop.trouble else []
    called = {line.id for line in history.called}
    missing = [fault.name for fault in history.plan.faults if fault.id not in called]
    if missing:
        because = "; ".join(line.why for line in history.unsteady)
        found.append(
            f"not injected: {', '.join(missing)}" + (f", for the baseline was not steady: {because}" if because else "")
        )
    prefixes = {"observer": "observer not sound: ", "baseline": "no sound baseline: ", "effect": ""}
    # A machine that slows things down obstructs nothing by itself: what kept its limits has kept them in spite of it.
    grave = [check for check in checks if check.grade == "invalid" and check.subject in prefixes]
    found += [f"{prefixes[check.subject]}{check.told()}" for check in grave]
    episodes = evidence.recovery.episodes if evidence.recovery else ()
    if any(episode.impact is None and not episode.absorbed for episode in episodes):
        found.append("no impact was seen, and nothing shows that the fault could have had one")
    return found


def dirt(history: History) -> list[str]:
    """Undos that failed, could not be verified, or never ran, and rollbacks that failed."""
    undone = {line.id: line for line in history.undone}
    found = []
    for intent in history.intents:
        line = undone.get(intent.undo.id)
        if line is None:
            found.append(f"{intent.undo.what}: never undone")
        elif not (line.done and line.verified):
            told = line.error or ("its undo could not be verified" if line.done else "its undo failed")
            found.append(f"{intent.undo.what}: {told}")
    found += [f"rollback {line.name!r}: {line.error}" for line in history.rolled_back if line.error]
    return found
