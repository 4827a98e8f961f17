"""What the tests of the findings share: a history judged, and the findings of it by rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from push_script import LOAD_STOPPED, Script
from storybook import MS, S, Story, group, s, strike

from chaosrun.judge import judge
from chaosrun.plan import CriterionPlan, GroupPlan, RecoveryPlan
from chaosrun.records import NONE, Began, Confirmed, History, Phase, Probe, Resource
from chaosrun.scoring.result import Finding


def findings(history: History) -> list[Finding]:
    began = Began(t=0, run="x", chaosrun_version="0", title="t", plan=history.plan, environment={"cpus": "2"})
    return judge(history, began).findings


def of(history: History, rule: str) -> Finding | None:
    """The one finding of a rule; None: it is silent."""
    found = [each for each in findings(history) if each.rule == rule]
    assert len(found) < 2
    return found[0] if found else None


def probes(*down: tuple[int, int]) -> list[Probe]:
    """A fresh handshake every 250 ms and an echo every 10 ms, which fail in `down`."""
    return [
        Probe(t, NONE if any(a <= t < b for a, b in down) else t + MS, t + 2 * MS, connect=t % (250 * MS) == 0)
        for t in range(s(3), s(42), 10 * MS)
    ]


def crashed(until: int = s(15), *, plan: GroupPlan | None = None, **changes: Any) -> Story:
    """All clients are cut off at 13 s and refused up to `until`, when the prober is let in again too."""
    story = Story(plan or group(clients=8), faults=[strike(s(13))], **changes).crash(s(13), until)
    story.probes = probes((s(13), until))
    return story


def planned(history: History, *criteria: CriterionPlan, **recovery: Any) -> History:
    plan = msgspec.structs.replace(
        history.plan, criteria=criteria, recovery=RecoveryPlan(**({"stable_for_ns": s(5)} | recovery))
    )
    return replace(history, plan=plan)


def sampled(history: History, role: str, cpu: Iterable[float], memory: Sequence[int] = (), begin: int = 4) -> History:
    """A sample of the role every second from `begin` on."""
    lines = [
        Resource(t=s(begin + i), role=role, cpu=share, memory=memory[i] if memory else 50_000_000)
        for i, share in enumerate(cpu)
    ]
    return replace(history, resources=sorted([*history.resources, *lines], key=lambda line: line.t))


def heard(script: Script, *, fault: int = 50, verify: int = 90) -> History:
    """The script as a run with all its phases, whose fault was confirmed at once."""
    marks = [("start", 0), ("ramp", 0), ("baseline", 1), ("fault", fault), ("recovery", fault), ("after", verify - 5)]
    marks += [("verify", verify), ("drain", LOAD_STOPPED)]
    history = script.history()
    return replace(
        history,
        phases=[Phase(t=t * S, name=name) for name, t in marks],
        confirmed=[Confirmed(t=line.t, id=line.id, verified=True) for line in history.called],
    )


def ticks(script: Script, clients: Iterable[int], times: Iterable[float], first: int = 1, **how: Any) -> Iterator[int]:
    """Every client gets the next number at each of these times."""
    for number, t in enumerate(times, first):
        for c in clients:
            script.gets(c, t, number, **how)
        yield number
