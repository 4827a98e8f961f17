"""Runs of a storybook with criteria, and their results."""

from dataclasses import replace
from typing import Any

import msgspec
from storybook import MS, Story, group, s, strike

from chaosrun.judge import judge
from chaosrun.plan import CriterionPlan, RecoveryPlan
from chaosrun.records import (
    NONE,
    Began,
    History,
    Probe,
)
from chaosrun.scoring.result import Criterion, Result


def criterion(metric: str, window: str = "whole", **limits: Any) -> CriterionPlan:
    return CriterionPlan(name=limits.pop("name", metric), metric=metric, window=window, **limits)


STEADY = tuple(
    criterion(metric, window, source="hypothesis", **limit)
    for window in ("baseline", "verify")
    for metric, limit in (("usable", {"min": 1.0}), ("bad", {"max": 0.005}), ("response_p99", {"max": 0.1}))
)


def planned(history: History, *criteria: CriterionPlan, **recovery: Any) -> History:
    """The history of a run with these criteria and `recovery` limits."""
    plan = msgspec.structs.replace(
        history.plan, criteria=criteria, recovery=RecoveryPlan(**({"stable_for_ns": s(5)} | recovery))
    )
    return replace(history, plan=plan)


def scored(history: History) -> Result:
    return judge(history, began(history))


def began(history: History) -> Began:
    return Began(
        t=0,
        run="x",
        chaosrun_version="0.1.0",
        title="a crash",
        tags=("server",),
        plan=history.plan,
        environment={"host": "h", "cpus": "2", "memory_bytes": "1024", "version.picows": "2.3.1"},
    )


def by_name(result: Result) -> dict[tuple[str, str], Criterion]:
    return {(c.name, c.window): c for c in result.criteria}


def probes(*down: tuple[int, int]) -> list[Probe]:
    return [
        Probe(t, NONE if any(a <= t < b for a, b in down) else t + MS, t + 2 * MS, connect=t % (250 * MS) == 0)
        for t in range(s(3), s(42), 10 * MS)
    ]


def crash(until: int = s(15)) -> Story:
    story = Story(group(clients=8), faults=[strike(s(13), confirmed=s(13) + 3 * MS)]).crash(s(13), until)
    story.probes = probes((s(13), until))
    return story
