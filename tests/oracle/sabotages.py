"""Every sabotage of the observer, one run of it, and what that run makes of it that it must not."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml
from measured import GROUP, Setup, experiment, noop, pause
from saboteurs import (
    HARM,
    BlockedLoop,
    Busy,
    FrozenLoad,
    FrozenProber,
    Hogs,
    KilledProber,
    Nobody,
    NoDescriptors,
    Saboteur,
    SetClock,
    Suspended,
)
from truth_script import Feed, Order, Outage, Script

from chaosrun import engine
from chaosrun.judge import gather
from chaosrun.recorded import read_run
from chaosrun.records import History
from chaosrun.registry import load
from chaosrun.scoring.checks import Check
from chaosrun.scoring.observer import check_observer
from chaosrun.scoring.result import Result
from chaosrun.scoring.steadiness import check_baseline
from chaosrun.spec.loader import load_experiment
from chaosrun.targets import ports

CLIENTS = 20
QUIET = (noop(HARM), pause(0.5))
OUTAGE = (noop(HARM), pause(0.5), noop("outage"), pause(1.5))

EXPECT: tuple[Mapping[str, Any], ...] = (
    {"metric": "response_p99", "max": "20s"},
    {"metric": "requests.lost_connected", "max": 0},
    {"metric": "bad", "max": "50%"},
    {"metric": "push.lost", "max": 0},
    {"metric": "push_p99", "max": "20s"},
    {"metric": "cpu", "role": "server", "max": "1000%"},
)
"""What the service keeps with ease, and an observer that suffers must neither grant nor deny it."""


@dataclass(frozen=True, kw_only=True)
class Sabotage:
    """What is done, and what a run must make of it."""

    checks: tuple[str, ...]
    """How the names of the checks begin of which one must be invalid."""
    unknown: frozenset[str]
    """Metrics of `EXPECT`, and `ttr`, that nothing may be said of; all others keep their outcome."""
    saboteur: type[Saboteur] = Nobody
    outage: bool = False
    setup: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of `Setup`."""
    roles: Mapping[str, Any] = field(default_factory=dict)
    """Further roles of the target."""


def metrics(*names: str) -> frozenset[str]:
    return frozenset(names)


TIMED = metrics("ttr", "response_p99", "push_p99", "bad")
COUNTED = metrics("requests.lost_connected", "push.lost")

SABOTAGES: Mapping[str, Sabotage] = {
    "a loop blocked for 300 ms": Sabotage(
        saboteur=BlockedLoop, checks=("event-loop lag",), unknown=metrics("ttr", "response_p99", "push_p99")
    ),
    "a busy callback": Sabotage(
        saboteur=Busy, checks=("event-loop lag",), unknown=metrics("ttr", "response_p99", "push_p99")
    ),
    "a load that stands still for 2 s": Sabotage(
        saboteur=FrozenLoad, checks=("load process standing still",), unknown=TIMED | COUNTED
    ),
    "hogs on the load's core": Sabotage(
        saboteur=Hogs,
        checks=("event-loop lag", "send lateness", "slots missed", "load process"),
        unknown=metrics("response_p99"),
        setup={"method": (noop(HARM), pause(4))},
    ),
    "a prober frozen over the outage": Sabotage(
        saboteur=FrozenProber, outage=True, checks=("prober silent",), unknown=metrics("ttr")
    ),
    "a prober that dies": Sabotage(saboteur=KilledProber, outage=True, checks=("lost probes",), unknown=metrics("ttr")),
    "no descriptors left": Sabotage(
        saboteur=NoDescriptors,
        outage=True,
        checks=("connections refused by our own descriptors",),
        unknown=TIMED | COUNTED,
        setup={"timing": {"recovery_timeout": "6s"}, "recovery": {"stable_for": "2s", "within": "3s"}},
    ),
    "a wall clock that is set": Sabotage(
        saboteur=SetClock, checks=("step of the wall clock",), unknown=metrics("push_p99"), setup={"method": ()}
    ),
    "a machine that sleeps": Sabotage(
        saboteur=Suspended,
        checks=("machine suspended",),
        unknown=metrics("response_p99", "push_p99", "bad"),
        setup={"method": ()},
    ),
}


@dataclass(frozen=True)
class Sabotaged:
    """A run that was sabotaged, as it ended."""

    result: Result
    folder: Path
    history: History
    notes: Sequence[str] = ()

    @property
    def checks(self) -> list[Check]:
        evidence = gather(self.history)
        return [*check_observer(evidence), *check_baseline(evidence)]

    def outcomes(self) -> dict[str, bool | None]:
        return {criterion.metric: criterion.outcome for criterion in self.result.criteria}

    def was_harmed(self, sabotage: Sabotage) -> bool:
        """Its baseline was steady, so that the harm came to pass."""
        return not self.history.unsteady or not sabotage.setup.get("method", QUIET)


def run(sabotage: Sabotage, scratch: Path, *, script: Script | None = None) -> Sabotaged:
    """One run against the truth server, harmed."""
    scratch.mkdir(parents=True, exist_ok=True)
    told = script or Script(feed=Feed(per_s=20), sections={"outage": (Outage(lasts=0.5),)} if sabotage.outage else {})
    order = Order(script=told, port=ports.free_port(), folder=str(scratch))
    order.write(scratch / "order.json")
    described = experiment(_setup(sabotage), told, order, scratch / "order.json")
    described["target"]["roles"] |= sabotage.roles
    with patch.dict(os.environ):
        if sabotage.saboteur is Busy:
            _make_busy(described, scratch)
        file = scratch / "experiment.yaml"
        file.write_text(yaml.safe_dump(described, sort_keys=False))
        return run_file(file, scratch, sabotage.saboteur(order))


def run_file(file: Path, scratch: Path, saboteur: Saboteur) -> Sabotaged:
    options = engine.Options(report_dir=scratch, clocks=saboteur.clocks())
    outcome = asyncio.run(engine.run(load_experiment(file), options, saboteur))
    return Sabotaged(outcome.result, outcome.folder, read_run(outcome.folder).history, saboteur.notes)


def _setup(sabotage: Sabotage) -> Setup:
    keys: dict[str, Any] = {
        "clients": CLIENTS,
        "requests": "10/s",
        "method": OUTAGE if sabotage.outage else QUIET,
        "expect": EXPECT,
        "recovery": {"stable_for": "2s", "within": "8s"},
    } | dict(sabotage.setup)
    timing = {"warmup": "300ms", "recovery_timeout": "12s"} | dict(keys.pop("timing", {}))
    if not keys["method"]:
        timing["baseline"] = "6s"
    return Setup(timing=timing, **keys)


def _make_busy(described: dict[str, Any], scratch: Path) -> None:
    """Have the group speak the same through `busy_protocol`, which every process of the run must find."""
    plain = scratch / "plain.yaml"
    plain.write_text(yaml.safe_dump(described, sort_keys=False))
    spoken = load_experiment(plain).experiment.steady_state.load[GROUP].protocol
    assert not isinstance(spoken, str)
    os.environ["BUSY_PROTOCOL"], os.environ["BUSY_FLAG"] = spoken.wire(), str(scratch / "busy")
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    described["steady_state"]["load"][GROUP]["protocol"] = "busy_protocol:BusyProtocol"


def needs_of(metric: str) -> frozenset[str]:
    return frozenset(load("metrics", metric).needs)


def faults_of(told: Sabotaged, sabotage: Sabotage) -> list[str]:
    """What the run makes of the sabotage that it must not, in words; nothing: it is flagged, never passed, and not
    blamed on the service."""
    invalid = [check for check in told.checks if check.grade == "invalid"]
    named = [check for check in invalid if check.name.startswith(sabotage.checks)]
    # A busy machine may have done more than the saboteur.
    clouded = frozenset(need for check in invalid for need in check.clouds)
    wrong = [] if named else [f"no {' or '.join(sabotage.checks)} is invalid, but {[check.name for check in invalid]}"]
    if told.result.verdict != "inconclusive":
        wrong.append(f"it is {told.result.verdict}: {told.result.reasons}")
    for metric, outcome in told.outcomes().items():
        if outcome is False:
            wrong.append(f"{metric} is held against the service")
        elif outcome is True and metric in sabotage.unknown:
            wrong.append(f"{metric} is vouched for")
        elif outcome is None and clouded.isdisjoint(needs_of(metric)):
            wrong.append(f"{metric} is unknown for no reason")
    return wrong
