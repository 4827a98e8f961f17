"""`metrics.prom`: the result as OpenMetrics text, for a push gateway, a textfile collector, or a database of runs.

Source: the OpenMetrics 1.0 specification. It is valid in Prometheus' own text format, too, which the textfile collector
of the node exporter reads: there are no types that only OpenMetrics has, and no times. What is not known has no sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import generate_latest

from chaosrun.reports._base import ScoredRun
from chaosrun.reports._families import Family, Label
from chaosrun.scoring.result import EpisodeReport, Latency, Quantiles, Result

_VERDICTS: Final = ("passed", "failed", "inconclusive", "aborted", "dirty")
_OUTCOMES: Final = {True: "held", False: "broken", None: "unknown"}
_UNITS: Final = {"s": "seconds", "ratio": "ratio", "bytes": "bytes", "1/s": "per_second", "count": ""}
"""Of criteria, as the end of a name."""


def render(run: ScoredRun) -> Mapping[str, bytes]:
    return {"metrics.prom": exposition(run.result)}


def exposition(result: Result) -> bytes:
    """The text, the same for the same result."""
    families = [*_run(result), *_recovery(result), *_clients(result), *_messages(result)]
    families += [*_latency(result), *_criteria(result), *_resources(result)]
    return exposed(family.metric for family in families)


def exposed(metrics: Iterable[Metric]) -> bytes:
    """OpenMetrics text of all that have a sample."""
    return generate_latest(_Collected([metric for metric in metrics if metric.samples]))  # type: ignore[no-any-return, no-untyped-call]


def _figure(name: str, told: str, unit: str = "", *, kind: str = "gauge") -> Family:
    """Named apart from what is told while a run goes on (`_live_metrics`), which one database may hold beside it."""
    return Family(f"result_{name}", told, unit, kind=kind)


class _Collected:
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        return self._metrics


# ---- the run --------------------------------------------------------------------------------------------------------


def _run(result: Result) -> Iterator[Family]:
    info = _figure("info", "Which run this is; always 1.")
    info.add(
        1,
        title=result.title,
        profile=result.profile,
        started_at=result.started_at,
        version=result.chaosrun_version,
        fingerprint=result.fingerprint,
    )
    verdict = _figure("verdict", "1 for the verdict of the run, 0 for the others.")
    for name in _VERDICTS:
        verdict.add(float(result.verdict == name), verdict=name)
    code = _figure("exit_code", "Exit code of the run, as docs/exit-codes.md has it.")
    code.add(result.exit_code)
    duration = _figure("duration", "How long the run took.", "seconds")
    duration.add(result.duration_s)
    sound = _figure("observer_sound", "1: what was measured can be trusted.")
    sound.add(float(result.observer.sound))
    clocks = _figure("clock_error", "Error bound of a load process's clock against the coordinator's.", "seconds")
    for clock in result.observer.clocks.workers if result.observer.clocks else ():
        clocks.add(clock.error_s, worker=clock.worker, node=clock.node)
    findings = _figure("findings", "Findings of the run by their severity.")
    for severity in ("critical", "warning", "info"):
        findings.add(sum(finding.severity == severity for finding in result.findings), severity=severity)
    yield from (info, verdict, code, duration, sound, clocks, findings)


def _recovery(result: Result) -> Iterator[Family]:
    """Of the worst episode; docs/measurement.md, section 2, says what each time is."""
    worst: EpisodeReport = result.recovery
    times = {
        "recovery": (worst.ttr_s, "Time to recover of the worst episode."),
        "recovery_above": (worst.ttr_above_s, "The time to recover is above this: it was never seen to end."),
        "recovery_error": (worst.error_s, "Error bound of the time to recover."),
        "outage": (worst.outage_s, "Length of the outage."),
        "server_ready": (worst.server_ready_s, "From the fault until the service answered the prober again."),
        "detection": (result.detection_s.service, "From the fault until the load felt it."),
    }
    for name, (value, told) in times.items():
        family = _figure(name, told, "seconds")
        family.add(value)
        yield family
    back = _figure("back", "When so many of the affected clients were usable again, after the fault.", "seconds")
    found = worst.back_s
    shares = {"first": found.first, "0.5": found.p50, "0.9": found.p90, "0.99": found.p99, "all": found.all}
    for share, value in shares.items():
        back.add(value, share=share)
    counts = {
        "affected_clients": (worst.affected_clients, "Clients that the fault made unusable."),
        "never_back_clients": (found.never, "Those of them that never came back."),
        "relapses": (worst.relapses, "How often the service left tolerance again before it recovered."),
        "lost_client_seconds": (worst.lost_client_seconds, "Clients that were not usable, times for how long."),
    }
    yield back
    for name, (value, told) in counts.items():
        family = _figure(name, told)
        family.add(value if worst.absorbed is not None or value else None)
        yield family


def _clients(result: Result) -> Iterator[Family]:
    planned = _figure("planned_clients", "Clients that the plan wanted up.")
    attempts = _figure("connection_attempts", "Connection attempts.")
    refused = _figure("refused_connections", "Connection attempts that failed.")
    ended = _figure("unexpected_disconnects", "Connections that ended and were not meant to.")
    for group, report in result.groups.items():
        planned.add(report.clients.planned, group=group)
        attempts.add(report.clients.attempts, group=group)
        refused.add(report.clients.refused, group=group)
        ended.add(report.clients.unexpected_disconnects, group=group)
    yield from (planned, attempts, refused, ended)


# ---- messages -------------------------------------------------------------------------------------------------------

_REQUESTS: Final = (
    "replied_in_time", "replied_late", "replied_error", "lost_connected", "lost_at_break", "skipped_disconnected",
    "skipped_observer", "in_flight_at_end",
)  # fmt: skip
_PUSHES: Final = (
    "live", "replayed", "lost_connected", "missed_disconnected", "conflated", "tail", "in_flight_at_end",
)  # fmt: skip


def _messages(result: Result) -> Iterator[Family]:
    """Every class of the ledgers: those of one kind add up to what was due, or owed."""
    due = _figure("requests_due", "Requests that were due.")
    requests = _figure("requests", "Requests by what became of them; they add up to those due.")
    owed = _figure("pushes_owed", "Copies of pushed messages that were owed.")
    pushes = _figure("pushes", "Copies of pushed messages by what became of them; they add up to those owed.")
    for group, report in result.groups.items():
        messages = report.messages
        if messages.requests.due:
            due.add(messages.requests.due, group=group)
            for name in _REQUESTS:
                requests.add(getattr(messages.requests, name), group=group, **{"class": name})
        if messages.push is not None:
            owed.add(messages.push.owed, group=group)
            for name in _PUSHES:
                pushes.add(getattr(messages.push, name), group=group, **{"class": name})
    yield from (due, requests, owed, pushes)


def _latency(result: Result) -> Iterator[Family]:
    told = {
        "response": "From the instant at which a request was due (corrected), by the phase that it was due in.",
        "service": "From the send of a request (uncorrected), by phase.",
        "push": "From the server's time stamp of a pushed message to its receipt, by phase.",
    }
    for kind, what in told.items():
        family = _figure(kind, what, "seconds", kind="summary")
        most = _figure(f"{kind}_max", f"The longest. {what}", "seconds")
        never = _figure(f"{kind}_censored", "Waits that never ended: longer than any number of theirs.")
        for group, report in result.groups.items():
            for phase, found in _by_phase(report.latency_ms, kind):
                _distribution(family, found, group=group, phase=phase)
                most.add(_seconds(found.max), group=group, phase=phase)
                never.add(found.censored, group=group, phase=phase)
        yield from (family, most, never)


def _by_phase(latency: Latency, kind: str) -> Iterator[tuple[str, Quantiles]]:
    found: Mapping[str, Quantiles] | None = getattr(latency, kind)
    yield from (found or {}).items()


def _distribution(family: Family, found: Quantiles, *, group: str, phase: str) -> None:
    """Count and sum are of the waits that ended; the quantiles rank those that did not above them all."""
    quantiles = {"0.5": found.p50, "0.9": found.p90, "0.95": found.p95, "0.99": found.p99, "0.999": found.p999}
    known = {name: _seconds(value) for name, value in quantiles.items()}
    family.summary(found.count, _seconds(found.mean), known, group=group, phase=phase)


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds / 1e3, 9)


# ---- judgement ------------------------------------------------------------------------------------------------------


def _criteria(result: Result) -> Iterator[Family]:
    """A criterion is told apart by its number, for two may have one name."""
    outcome = _figure("criterion", "1 for what came of a criterion: held, broken or unknown.")
    values, limits = {}, {}
    for unit, ending in _UNITS.items():
        values[unit] = _figure("criterion_value", f"What was measured, in the unit {unit}.", ending)
        limits[unit] = _figure("criterion_limit", f"What was asked for, in the unit {unit}.", ending)
    for number, judged in enumerate(result.criteria, 1):
        labels: dict[str, Label] = {
            "number": number,
            "criterion": judged.name,
            "metric": judged.metric,
            "window": judged.window,
            "group": judged.group,
            "role": judged.role,
        }
        outcome.add(1, **labels, outcome=_OUTCOMES[judged.outcome])
        unit = judged.unit if judged.unit in _UNITS else "count"
        values[unit].add(judged.value, **labels)
        limits[unit].add(judged.limit, **labels)
    yield from (outcome, *values.values(), *limits.values())


def _resources(result: Result) -> Iterator[Family]:
    cpu = _figure("role_cpu", "CPU of a role, 1 being one core.", "ratio")
    memory = _figure("role_memory", "Resident memory of a role.", "bytes")
    for role, used in result.resources.items():
        for stat in ("mean", "max"):
            percent: float | None = getattr(used.cpu_percent, stat)
            cpu.add(None if percent is None else percent / 100, role=role, stat=stat)
            memory.add(getattr(used.memory_bytes, stat), role=role, stat=stat)
    yield from (cpu, memory)
