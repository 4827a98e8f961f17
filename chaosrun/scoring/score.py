"""From evidence and judgement to the result: every key of `result.json`, filled in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from chaosrun.records import Began, History
from chaosrun.scoring.checks import Check
from chaosrun.scoring.comeback import Back
from chaosrun.scoring.delays import delay_report, proxy_report
from chaosrun.scoring.evidence import Evidence, GroupEvidence
from chaosrun.scoring.node_clocks import clock_bound, uncompared, worker_clocks
from chaosrun.scoring.phases import Injection, injections
from chaosrun.scoring.recovery import Episode, Recovery
from chaosrun.scoring.result import (
    Back as BackReport,
)
from chaosrun.scoring.result import Check as CheckReport
from chaosrun.scoring.result import (
    ClientDetection,
    Criterion,
    Detection,
    Environment,
    EpisodeReport,
    Excluded,
    FaultReport,
    Finding,
    NodeClocks,
    Observer,
    PhaseSpan,
    RecoveryReport,
    ResourceReport,
    Result,
    Share,
    Tolerance,
    WorkerClock,
    rounded,
    seconds,
)
from chaosrun.scoring.summary import clients, group_report, latency, messages
from chaosrun.scoring.tolerance import group_tolerance
from chaosrun.scoring.verdict import Verdict


@dataclass(frozen=True)
class Judgement:
    """What was made of the evidence."""

    verdict: Verdict
    criteria: Sequence[Criterion]
    checks: Sequence[Check]


def compose(evidence: Evidence, began: Began, judgement: Judgement, findings: Sequence[Finding]) -> Result:
    """The result of a run."""
    history = evidence.history
    verdict = judgement.verdict
    return Result(
        chaosrun_version=began.chaosrun_version,
        title=began.title,
        tags=list(began.tags),
        profile=began.profile,
        experiment_sha256=began.experiment_sha256,
        fingerprint=began.fingerprint,
        conditions=began.conditions,
        started_at=began.started_at,
        duration_s=_s(history.end),
        verdict=verdict.verdict,
        exit_code=int(verdict.exit_code),
        reasons=list(verdict.reasons),
        stopped_by=history.stop.why if history.stop else None,
        phases=phases(history),
        faults=faults(history),
        recovery=recovery_report(evidence.recovery),
        tolerance={group.plan.name: tolerance(history, group) for group in evidence.groups},
        detection_s=detection(evidence.recovery),
        clients=clients(evidence.groups),
        messages=messages(evidence.groups),
        latency_ms=latency(evidence.groups),
        resources=resources(history),
        groups={group.plan.name: group_report(group) for group in evidence.groups},
        criteria=list(judgement.criteria),
        observer=observer(judgement.checks, history),
        findings=list(findings),
        environment=replace(environment(began.environment), proxy=proxy_report(history)),
    )


def phases(history: History) -> list[PhaseSpan]:
    ends = [*(phase.t for phase in history.phases[1:]), history.end]
    return [
        PhaseSpan(name=phase.name, start_s=_s(phase.t), end_s=_s(end))
        for phase, end in zip(history.phases, ends, strict=False)  # a run that was cut off early has no phase at all
    ]


def faults(history: History) -> list[FaultReport]:
    """A report for each injection, and for each step that was never called."""
    undone = {line.id: line.done and line.verified for line in history.undone}
    removed = {line.id: line.t for line in history.removed}
    reports = []
    for plan in history.plan.faults:
        calls = [injection for injection in injections(history) if injection.id == plan.id]
        reports += [
            FaultReport(
                name=plan.name,
                kind=plan.kind,
                role=plan.role,
                call_s=_s(call.called),
                confirmed_s=seconds(call.confirmed),
                removed_s=seconds(call.removed if call.sustained else removed.get(plan.id)),
                verified=call.confirmed is not None,
                undone=undone.get(plan.id),
                detail=_detail(history, call),
                delay=delay_report(history, plan, call),
            )
            for call in calls
        ] or [
            FaultReport(
                name=plan.name,
                kind=plan.kind,
                role=plan.role,
                call_s=None,
                confirmed_s=None,
                removed_s=None,
                verified=None,
                undone=undone.get(plan.id),
            )
        ]
    return reports


def _detail(history: History, call: Injection) -> str:
    """What its confirmation said."""
    return next((line.how for line in history.confirmed if line.id == call.id and line.t >= call.called), "")


# ---- recovery -------------------------------------------------------------------------------------------------------


def recovery_report(recovery: Recovery | None) -> RecoveryReport:
    """The worst episode and all; without a fault, empty."""
    if recovery is None or recovery.worst is None:
        return RecoveryReport()
    worst = _episode_fields(recovery.worst, recovery)
    return RecoveryReport(**worst, episodes=[_episode(each, recovery) for each in recovery.episodes])


def _episode(episode: Episode, recovery: Recovery) -> EpisodeReport:
    return EpisodeReport(**_episode_fields(episode, recovery))


def _episode_fields(episode: Episode, recovery: Recovery) -> dict[str, Any]:
    return {
        "impact_s": seconds(episode.impact),
        "recovered_s": seconds(episode.recovered),
        "recovered_final_s": seconds(recovery.recovered_final),
        "ttr_s": seconds(episode.ttr),
        "ttr_censored_above_s": seconds(episode.ttr_censored_above),
        "adapted_at_s": seconds(episode.adapted_at),
        "outage_s": seconds(0 if episode.absorbed else episode.outage),
        "server_ready_s": seconds(episode.server_ready_after),
        "back_s": _back(episode.back),
        "affected_clients": episode.back.affected,
        "relapses": episode.relapses,
        "absorbed": episode.absorbed,
        "lost_client_seconds": seconds(episode.lost_client_ns),
        "error_s": seconds(episode.error),
        "faults": list(episode.faults),
        "impact_by": episode.impact_by,
        "recovered_by": episode.recovered_by,
        "first_recovered_s": seconds(episode.first_recovered),
        "pending_s": seconds(episode.pending),
        "blind_s": seconds(recovery.blind),
        "server_ready_error_s": None if episode.server_ready_after is None else seconds(episode.server_ready_error),
        "impact_error_s": seconds(episode.impact_error),
        "ttr_pending_above_s": seconds(_pending_after(episode)),
    }


def _pending_after(episode: Episode) -> int | None:
    """How long (ns) after what TTR counts from the pending stretch began, at least: as far as the clocks can tell."""
    if episode.pending is None or episode.reference is None:
        return None
    return 0 if episode.clock_error is None else max(0, episode.pending - episode.reference - episode.clock_error)


def _back(back: Back) -> BackReport:
    return BackReport(
        first=seconds(back.first),
        p50=seconds(back.p50),
        p90=seconds(back.p90),
        p99=seconds(back.p99),
        all=seconds(back.all),
        never=back.never,
        unreturned=list(back.unreturned),
        error={name: _s(bound) for name, bound in back.errors.items()},
    )


def tolerance(history: History, group: GroupEvidence) -> Tolerance:
    """What the group's recovery was judged by, with what `auto` became."""
    own = group_tolerance(history, group.g)
    stale = group.pushes.stale_after_ns if group.pushes else {}
    return Tolerance(
        requests=own.requests,
        sessions=own.sessions,
        pushes=own.pushes,
        window_s=seconds(own.window),
        stable_for_s=_s(own.stable_for),
        latency_limit_s=_s(own.latency_limit),
        stale_after_s={channel: _s(after) for channel, after in stale.items()},
        resolution_s=seconds(own.resolution),
        blind_s=seconds(own.blind),
    )


def detection(recovery: Recovery | None) -> Detection:
    """How soon the worst episode hurt the service, and how its clients noticed."""
    if recovery is None or recovery.worst is None:
        return Detection()
    return Detection(
        service=seconds(recovery.worst.detection),
        client={
            tag: ClientDetection(count=seen.count, p50=_s(seen.p50), max=_s(seen.max))
            for tag, seen in recovery.worst.noticed.items()
        },
    )


# ---- surroundings ---------------------------------------------------------------------------------------------------


def resources(history: History) -> dict[str, ResourceReport]:
    """CPU and memory of each role while there was load."""
    roles = dict.fromkeys(sample.role for sample in history.resources)
    return {role: _resource(history, role) for role in sorted(roles)}


def _resource(history: History, role: str) -> ResourceReport:
    samples = [sample for sample in history.resources if sample.role == role and sample.t <= history.load_stopped]
    return ResourceReport(
        cpu_percent=_share([sample.cpu * 100 for sample in samples]),
        memory_bytes=_share([sample.memory for sample in samples]),
    )


def _share(values: Sequence[float]) -> Share:
    return Share(mean=rounded(sum(values) / len(values)) if values else None, max=rounded(max(values, default=None)))


def observer(checks: Iterable[Check], history: History) -> Observer:
    """The checks, and the times that they take out."""
    checks = list(checks)
    return Observer(
        # A service that was not steady, or a fault that nobody saw, is no fault of the observer.
        sound=not any(check.grade == "invalid" and check.subject == "observer" for check in checks),
        slowed=any(check.grade == "invalid" and check.subject == "machine" for check in checks),
        checks=[
            CheckReport(
                name=check.name,
                value=rounded(check.value),
                limit=rounded(check.limit),
                unit=check.unit,
                outcome=check.grade,
                why=check.why,
            )
            for check in checks
        ],
        excluded=[
            Excluded(start_s=_s(max(0, a)), end_s=_s(b), why=check.name)
            for check in checks
            if check.grade == "invalid" and check.subject == "observer"
            for a, b in (check.spans or ((0, history.end),))
        ],
        clocks=node_clocks(history),
    )


def node_clocks(history: History) -> NodeClocks | None:
    """How far the clocks of the load's nodes were from the coordinator's; None: they had the same."""
    if not history.node_clocks:
        return None
    return NodeClocks(
        error_s=seconds(clock_bound(history)),
        uncompared=uncompared(history),
        workers=[
            WorkerClock(
                worker=clock.worker,
                node=clock.node,
                exchanges=clock.exchanges,
                bound_s=_s(clock.bound),
                offset_s=seconds(clock.offset),
                bound_after_s=seconds(clock.bound_after),
                drift_ppm=rounded(clock.drift_ppm),
                drift_error_ppm=rounded(clock.drift_error_ppm),
                error_s=_s(clock.error),
            )
            for clock in worker_clocks(history)
        ],
    )


def environment(told: dict[str, str]) -> Environment:
    """What the recorder wrote of its machine; `version.NAME` is the version of a package."""
    cpus, memory = told.get("cpus", ""), told.get("memory_bytes", "")
    return Environment(
        host=told.get("host"),
        cpus=int(cpus) if cpus.isdecimal() else None,
        memory_bytes=int(memory) if memory.isdecimal() else None,
        kernel=told.get("kernel"),
        python=told.get("python"),
        versions={name.removeprefix("version."): value for name, value in told.items() if name.startswith("version.")},
    )


def _s(ns: int) -> float:
    return round(ns / 1e9, 9)
