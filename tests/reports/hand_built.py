"""Results as no run wrote them: one of each verdict, small enough to be checked by eye."""

from __future__ import annotations

from msgspec.structs import replace

from chaosrun.scoring.result import (
    Back,
    Check,
    ClientDetection,
    Clients,
    Criterion,
    Detection,
    Environment,
    EpisodeReport,
    FaultReport,
    Finding,
    GroupReport,
    Latency,
    Messages,
    NodeClocks,
    Observer,
    PhaseSpan,
    Push,
    Quantiles,
    RecoveryReport,
    Requests,
    ResourceReport,
    Result,
    Share,
    Tolerance,
    WorkerClock,
)

CLIENTS = Clients(planned=300, peak_usable=300, attempts=1210, refused=610, needs=600, needs_met=600)
MESSAGES = Messages(
    requests=Requests(
        due=15_000,
        sent=14_361,
        skipped_disconnected=639,
        replied_in_time=14_349,
        lost_at_break=12,
    ),
    push=Push(source="log", published=1200, owed=74_400, received=71_205, live=71_205, missed_disconnected=3_195),
)
LATENCY = Latency(
    response={
        "all": Quantiles(count=15_000, mean=61.2, p50=0.412, p90=1.93, p95=310.0, p99=1846.5, p999=2120.0, max=2245.7)
    },
    service={"all": Quantiles(count=14_349, mean=0.5, p50=0.391, p90=0.803, p95=1.1, p99=2.71, p999=9.0, max=14.2)},
    push={"all": Quantiles(count=71_205, mean=0.6, p50=0.52, p90=1.02, p95=1.4, p99=3.3, p999=8.8, max=12.4)},
)
CRITERIA = [
    Criterion(
        name="usable", metric="usable", source="hypothesis", window=window, value=1.0, unit="ratio", limit=1.0,
        outcome=True, error=0.0, why="100%; at least 100% is asked", written="min 100%",
    )
    for window in ("baseline", "verify")
] + [
    Criterion(
        name="response_p99", metric="response_p99", source="hypothesis", window=window, value=value, unit="s",
        limit=0.2, outcome=True, error=0.0004, tiers={"target": 0.1, "warning": 0.2}, tier="ok",
        written="target 100ms, warning 200ms",
    )
    for window, value in (("baseline", 0.00271), ("verify", 0.0031))
] + [
    Criterion(
        name="back_99", metric="back_99", window="whole", value=2.21, unit="s", limit=8.0, outcome=True, error=0.0,
        written="max 8s",
    ),
    Criterion(
        name="requests.lost_connected", metric="requests.lost_connected", window="whole", value=0, unit="count",
        limit=0, outcome=True, error=0.0, written="max 0",
    ),
]  # fmt: skip
EPISODE = EpisodeReport(
    impact_s=25.301,
    recovered_s=27.55,
    recovered_final_s=27.55,
    ttr_s=2.249,
    outage_s=2.248,
    server_ready_s=2.104,
    back_s=Back(first=2.105, p50=2.12, p90=2.18, p99=2.21, all=2.24),
    affected_clients=300,
    relapses=0,
    absorbed=False,
    lost_client_seconds=639.2,
    error_s=0.0123,
    impact_error_s=0.0042,
    faults=["fault-1"],
    impact_by="accounts.sessions",
    recovered_by="accounts.requests",
    first_recovered_s=27.55,
    blind_s=0.02,
)
RECOVERY = RecoveryReport(**{name: getattr(EPISODE, name) for name in EPISODE.__struct_fields__}, episodes=[EPISODE])
FAULT = FaultReport(
    name="crash the bridge", kind="process_kill", role="server", call_s=25.3, confirmed_s=25.3041, removed_s=27.36,
    verified=True, undone=True,
)  # fmt: skip
CHECKS = [
    Check(name="event-loop lag p99", value=0.0011, limit=0.05, unit="s", outcome="ok"),
    Check(name="lost journal records", value=0, limit=0, unit="count", outcome="ok"),
    Check(name="prober against load", unit="s", outcome=None),
]

PASSED = Result(
    chaosrun_version="0.1.0",
    title="300 users are served again within 10 s of a server crash",
    tags=["server", "crash"],
    profile=None,
    experiment_sha256="ab" * 32,
    fingerprint="cd" * 8,
    started_at="2026-11-21T09:00:00Z",
    duration_s=56.4,
    verdict="passed",
    exit_code=0,
    reasons=[],
    stopped_by=None,
    phases=[PhaseSpan(name="baseline", start_s=9.3, end_s=25.3)],
    faults=[FAULT],
    recovery=RECOVERY,
    tolerance={
        "accounts": Tolerance(
            requests=0.01, sessions=0.01, pushes=0.01, window_s=2.0, stable_for_s=5.0, latency_limit_s=0.5,
            stale_after_s={"EURUSD": 1.0}, resolution_s=0.00333, blind_s=0.02,
        )
    },
    detection_s=Detection(service=0.0013, client={"rst": ClientDetection(count=300, p50=0.0014, max=0.0061)}),
    clients=CLIENTS,
    messages=MESSAGES,
    latency_ms=LATENCY,
    resources={
        "server": ResourceReport(
            cpu_percent=Share(mean=21.0, max=64.0), memory_bytes=Share(mean=61_000_000, max=63_000_000)
        )
    },
    groups={"accounts": GroupReport(clients=CLIENTS, messages=MESSAGES, latency_ms=LATENCY)},
    criteria=CRITERIA,
    observer=Observer(sound=True, checks=CHECKS, excluded=[]),
    findings=[],
    environment=Environment(),
)  # fmt: skip

_TOO_SLOW = Criterion(
    name="recovery within", metric="ttr", source="recovery", window="whole", value=12.4, unit="s", limit=10.0,
    outcome=False, error=0.0123, why="12.4 s; at most 10 s is asked", written="10 s",
)  # fmt: skip
_LOST = replace(
    CRITERIA[-1], value=41, outcome=False, why="41 (41 of 14361); at most 0 is asked"
)  # fmt: skip

FAILED = replace(
    PASSED,
    verdict="failed",
    exit_code=1,
    profile="smoke",
    reasons=[f"failed: {c.name} in {c.window}: {c.why}" for c in (_TOO_SLOW, _LOST)],
    recovery=replace(RECOVERY, ttr_s=12.4, outage_s=12.399, relapses=2),
    messages=replace(
        MESSAGES, requests=replace(MESSAGES.requests, replied_in_time=14_308, lost_connected=41)
    ),
    criteria=[*CRITERIA[:-1], _LOST, _TOO_SLOW],
    findings=[
        Finding(
            severity="critical",
            title="requests vanish on connections that stay open",
            evidence="41 requests had no reply within 5 s while their connection stayed open",
            action="look for replies that the server drops while it starts",
        )
    ],
)  # fmt: skip

NEVER_RECOVERED = replace(
    PASSED,
    verdict="failed",
    exit_code=1,
    reasons=["failed: recovery within in whole: more than 60 s; at most 10 s is asked"],
    recovery=replace(
        RECOVERY,
        recovered_s=None,
        recovered_final_s=None,
        ttr_s=None,
        ttr_censored_above_s=60.0,
        outage_s=None,
        server_ready_s=None,
        back_s=Back(first=2.1, p50=2.2, never=112, unreturned=[f"accounts/{c}" for c in range(112)]),
        recovered_by=None,
        error_s=None,
    ),
    criteria=[
        *CRITERIA[:4],
        replace(_TOO_SLOW, value=None, error=None, why="more than 60 s; at most 10 s is asked"),
    ],
)

INCONCLUSIVE = replace(
    PASSED,
    verdict="inconclusive",
    exit_code=3,
    reasons=["not steady before the fault: usable in baseline: 93.3% (280 of 300); at least 100% is asked"],
    faults=[replace(FAULT, call_s=None, confirmed_s=None, removed_s=None, verified=None, undone=None)],
    recovery=RecoveryReport(),
    detection_s=Detection(),
    criteria=[
        replace(CRITERIA[0], value=0.933, outcome=False, why="93.3% (280 of 300); at least 100% is asked"),
        replace(CRITERIA[1], value=None, outcome=None, error=None, why="no evidence: nothing was measured here"),
    ],
)

ABORTED = replace(
    PASSED,
    verdict="aborted",
    exit_code=4,
    reasons=["stopped: stopped by SIGINT"],
    stopped_by="stopped by SIGINT",
    recovery=replace(RECOVERY, ttr_s=None, ttr_censored_above_s=1.2, outage_s=None, recovered_by=None, error_s=None,
                     back_s=Back(never=300, unreturned=[f"accounts/{c}" for c in range(300)])),
    criteria=[replace(CRITERIA[0])],
)  # fmt: skip

DIRTY = replace(
    PASSED,
    verdict="dirty",
    exit_code=5,
    reasons=["left behind: 'crash the bridge': role 'server' is down; start it by hand: python -m bridge --port 9101"],
    faults=[replace(FAULT, undone=False)],
)

UNSOUND = replace(
    PASSED,
    verdict="inconclusive",
    exit_code=3,
    reasons=["the observer was not sound: event-loop lag p99"],
    observer=Observer(
        sound=False,
        checks=[
            replace(CHECKS[0], value=0.081, outcome="invalid", why="the load process was held up"),
            Check(name="load CPU", value=0.74, limit=0.9, unit="ratio", outcome="warn"),
        ],
        excluded=[],
    ),
)

ABSORBED = replace(
    PASSED,
    recovery=RecoveryReport(
        absorbed=True, ttr_s=0.0, blind_s=0.02, affected_clients=0, relapses=0, lost_client_seconds=0.0
    ),
    detection_s=Detection(),
)

ON_NODES = replace(
    PASSED,
    latency_ms=replace(
        LATENCY,
        push={"all": Quantiles(count=71_205, p99=None, p999=8.8, max=12.4)},
        push_error=1.5,
        push_omitted=(
            "one-way times below 7.5 ms are left out: the clocks of the nodes agree to within 1.5 ms, which is more "
            "than 20% of them"
        ),
    ),
    observer=Observer(
        sound=True,
        checks=CHECKS,
        excluded=[],
        clocks=NodeClocks(
            error_s=0.0015,
            workers=[
                WorkerClock(
                    worker="load-0", node="blue", exchanges=64, bound_s=0.0002, offset_s=-0.0013, bound_after_s=0.0002,
                    drift_ppm=-21.66, drift_error_ppm=6.67, error_s=0.0015,
                ),
                WorkerClock(
                    worker="load-1", node="green", exchanges=60, bound_s=0.0003, offset_s=None, bound_after_s=None,
                    drift_ppm=None, drift_error_ppm=None, error_s=0.0011,
                ),
            ],
        ),
    ),
)  # fmt: skip
