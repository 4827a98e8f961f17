"""Results of runs that nobody made, of which only what a series reads is filled in."""

from __future__ import annotations

from msgspec.structs import replace

from chaosrun.scoring.result import (
    Clients,
    Detection,
    Environment,
    FaultReport,
    Latency,
    Messages,
    Observer,
    RecoveryReport,
    Requests,
    Result,
)

FAULT = FaultReport(
    name="crash",
    kind="process_kill",
    role="app",
    call_s=5.0,
    confirmed_s=5.0,
    removed_s=5.0,
    verified=True,
    undone=True,
)
REQUESTS = Requests(due=100, sent=100, replied_in_time=92, lost_connected=3, lost_at_break=5)
CODES = {"passed": 0, "failed": 1, "inconclusive": 3, "aborted": 4, "dirty": 5}


def result(verdict: str = "passed", ttr: float | None = 2.0, above: float | None = None, **fields: object) -> Result:
    plain = Result(
        chaosrun_version="1", title="t", tags=[], profile=None, experiment_sha256="", fingerprint="", started_at="",
        duration_s=30.0, verdict=verdict, exit_code=CODES[verdict],
        reasons=[] if verdict == "passed" else [f"{verdict}: because"], stopped_by=None, phases=[], faults=[FAULT],
        recovery=RecoveryReport(ttr_s=ttr, ttr_censored_above_s=above, server_ready_s=1.0, error_s=0.1), tolerance={},
        detection_s=Detection(), clients=Clients(), messages=Messages(requests=REQUESTS), latency_ms=Latency(),
        resources={}, groups={}, criteria=[], observer=Observer(sound=True, checks=[], excluded=[]), findings=[],
        environment=Environment(),
    )  # fmt: skip
    return replace(plain, **fields)
