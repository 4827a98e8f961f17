"""Scored runs without a network, for pages to be drawn of: one of each kind that a reader may meet.

The service is simulated (tests/scoring/simulator.py): no pushes, no CPU but what is made up here.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import msgspec
from simulator import MS, Outage, S, Strike, World, simulate

from chaosrun.judge import assess
from chaosrun.plan import CriterionPlan, FaultPlan, GroupPlan, RecoveryPlan
from chaosrun.records import Began, Clock, History, Resource
from chaosrun.reports._base import ScoredRun

TITLE = "60 users are served again within 10 s of a server crash"


def accounts(clients: int = 60, name: str = "accounts") -> GroupPlan:
    return GroupPlan(
        name=name,
        clients=clients,
        period_ns=S,
        ramp_over_ns=2 * S,
        ramp_start=max(1, clients // 10),
        connect_within_ns=S,
        tolerate_sessions=0.02,
        tolerate_requests=0.02,
    )


CRITERIA = (
    CriterionPlan(name="usable", metric="usable", window="baseline", source="hypothesis", min=1.0, written="min 100%"),
    CriterionPlan(name="usable", metric="usable", window="verify", source="hypothesis", min=1.0, written="min 100%"),
    CriterionPlan(
        name="response_p99",
        metric="response_p99",
        window="verify",
        source="hypothesis",
        target=0.1,
        warning=0.2,
        written="target 100ms, warning 200ms",
    ),
    CriterionPlan(name="back_99", metric="back_99", window="whole", max=8.0, written="max 8s"),
    CriterionPlan(
        name="requests.lost_connected", metric="requests.lost_connected", window="whole", max=0, written="max 0"
    ),
)


def world(*outages: Outage, end: int = 50 * S) -> World:
    """A crash at 20 s, and what the service does after it."""
    strike = Strike(20 * S, 20 * S + 4 * MS)
    groups = (accounts(),)
    return World(groups=groups, strikes=(strike,), outages=outages, end=end, verify=4 * S, trip=MS, lag=4 * MS)


def scored(history: History, title: str = TITLE, *, criteria: tuple[CriterionPlan, ...] = CRITERIA) -> ScoredRun:
    faults = tuple(
        FaultPlan(id=fault.id, name="crash the bridge", kind="process_kill", role="server", sustained=fault.sustained)
        for fault in history.plan.faults
    )
    plan = msgspec.structs.replace(
        history.plan,
        criteria=criteria,
        faults=faults,
        recovery=RecoveryPlan(within_ns=10 * S if faults else None, stable_for_ns=5 * S),
    )
    history = replace(history, plan=plan, resources=_resources(history), clocks=_clocks(history))
    began = Began(
        t=0,
        run="run",
        chaosrun_version="0.1.0",
        title=title,
        tags=("server", "crash"),
        started_at="2026-11-22T09:30:00Z",
        plan=plan,
        environment={"host": "tester", "cpus": "2", "memory_bytes": "8000000000", "kernel": "6.1", "python": "3.11"},
    )
    found = assess(history, began)
    return ScoredRun(found.began, found.evidence, found.result)


def _resources(history: History) -> list[Resource]:
    """Up and down with the load, and nothing of the server while it is away."""
    seconds = range(S, history.end, S)
    down = [(call.t, call.t + 2 * S) for call in history.called]
    return [
        Resource(t=t, role=role, cpu=cpu + (t // S % 5) / 100, memory=memory + t // 1000)
        for t in seconds
        for role, cpu, memory in (("server", 0.22, 61_000_000), ("chaosrun", 0.35, 140_000_000))
        if role != "server" or not any(a <= t < b for a, b in down)
    ]


def _clocks(history: History) -> list[Clock]:
    return [Clock(t=t, wall_offset_ns=0, suspended_ns=0, steal=0.001) for t in range(S, history.end, S)]


@cache
def passed() -> ScoredRun:
    return scored(simulate(world(Outage(20 * S, 22 * S, "crash")))[0])


@cache
def failed() -> ScoredRun:
    """Back too late."""
    return scored(simulate(world(Outage(20 * S, 33 * S, "crash")))[0])


@cache
def never_recovered() -> ScoredRun:
    """Most of the clients come back, and every third never does."""
    lost = frozenset(range(0, 60, 3))
    return scored(simulate(world(Outage(20 * S, 22 * S, "crash"), Outage(22 * S, 90 * S, "crash", (lost,))))[0])


@cache
def inconclusive() -> ScoredRun:
    """Nobody saw the effect of the fault, and there was none."""
    history, _ = simulate(world())
    return scored(replace(history, confirmed=[]))


@cache
def load_test() -> ScoredRun:
    history, _ = simulate(world())
    phases = [phase for phase in history.phases if phase.name in ("start", "ramp", "baseline", "drain")]
    plan = msgspec.structs.replace(history.plan, faults=())
    history = replace(history, plan=plan, called=[], confirmed=[], phases=phases)
    asked = tuple(msgspec.structs.replace(each, window="baseline") for each in (CRITERIA[0], CRITERIA[2]))
    return scored(history, "60 users for a minute", criteria=asked)


@cache
def several() -> ScoredRun:
    """Two groups and two episodes."""
    groups = (accounts(40), accounts(20, "watchers"))
    strikes = (Strike(12 * S, 12 * S + MS), Strike(30 * S, 30 * S + MS))
    outages = (Outage(12 * S, 14 * S, "crash"), Outage(30 * S, 33 * S, "crash", (None, frozenset(range(10)))))
    return scored(
        simulate(World(groups=groups, strikes=strikes, outages=outages, end=50 * S, trip=MS, lag=4 * MS))[0],
        "Two crashes in a row",
    )
