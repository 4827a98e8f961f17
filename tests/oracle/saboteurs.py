"""Harm done to the observer and to nobody else: the service is well whatever the numbers of such a run say.

A saboteur is a `Herald` that does its harm at a step of the method, on real processes, by their pids.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import psutil
import yaml
from measured import GROUP, Herald, Setup, experiment, noop, pause
from truth_script import Feed, Order, Outage, Script

from chaosrun import engine
from chaosrun.judge import gather
from chaosrun.machine import Clocks
from chaosrun.plan import Plan
from chaosrun.processes import RUN_TAG
from chaosrun.recorded import read_run
from chaosrun.records import History
from chaosrun.registry import load
from chaosrun.scoring.checks import Check
from chaosrun.scoring.observer import check_observer
from chaosrun.scoring.result import Result
from chaosrun.scoring.steadiness import check_baseline
from chaosrun.spec.loader import load_experiment
from chaosrun.targets import ports

HARM = "harm"
"""The step at which harm is done, if not with the outage."""
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


class Saboteur(Herald):
    """Begins its harm at a step."""

    at: ClassVar[str] = HARM
    parts: ClassVar[Mapping[str, str]] = {"load": "chaosrun.load.worker", "prober": "chaosrun.load.prober"}

    def __init__(self, order: Order) -> None:
        super().__init__(order)
        self.folder = Path()
        self._at_work: list[asyncio.Task[None]] = []

    def began(self, folder: Path, title: str, plan: Plan) -> None:
        self.folder = folder

    def fault(self, name: str, event: str, detail: str) -> None:
        super().fault(name, event, detail)
        if event == "called" and name == self.at:
            self._at_work.append(asyncio.get_running_loop().create_task(self.harm()))

    def clocks(self) -> Clocks:
        """What the run takes for the machine's time."""
        return Clocks()

    @abstractmethod
    async def harm(self) -> None: ...

    def process(self, part: str) -> psutil.Process:
        """The load process or the prober of this run."""
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if self.parts[part] in child.cmdline() and child.environ().get(RUN_TAG) == str(self.folder):
                    return child
        raise AssertionError(f"no {part} of {self.folder} is to be found")

    async def freeze(self, part: str, seconds: float) -> None:
        process = self.process(part)
        process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)


class Nobody(Saboteur):
    """The control: no harm is done."""

    async def harm(self) -> None: ...


class BlockedLoop(Saboteur):
    async def harm(self) -> None:
        await self.freeze("load", 0.3)


class FrozenLoad(Saboteur):
    async def harm(self) -> None:
        await self.freeze("load", 2.0)


class FrozenProber(Saboteur):
    """From half a second before the outage to a second after it."""

    async def harm(self) -> None:
        await self.freeze("prober", 2.0)


class KilledProber(Saboteur):
    async def harm(self) -> None:
        self.process("prober").kill()


class KilledLoad(Saboteur):
    async def harm(self) -> None:
        self.process("load").kill()


class Hogs(Saboteur):
    """Eight programs that only calculate, on the core that the load process is pinned to, and it is the politest."""

    async def harm(self) -> None:
        process = self.process("load")
        cores = os.sched_getaffinity(process.pid)
        core = min(cores)
        os.sched_setaffinity(process.pid, {core})
        _set_nice(process, 19)
        hogs = [
            subprocess.Popen(
                [sys.executable, "-c", f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"],
                start_new_session=True,  # the kernel shares a core out by sessions first
            )
            for _ in range(8)
        ]
        try:
            await asyncio.sleep(4)
        finally:
            for hog in hogs:
                hog.kill()
                hog.wait()
            with contextlib.suppress(psutil.Error):
                _set_nice(process, 0)
                process.cpu_affinity(list(cores))


def _set_nice(process: psutil.Process, nice: int) -> None:
    """Of the process, and of its session where the kernel shares CPU out by sessions first."""
    with contextlib.suppress(psutil.AccessDenied):
        process.nice(nice)
    with contextlib.suppress(OSError):
        Path(f"/proc/{process.pid}/autogroup").write_text(str(nice))


class NoDescriptors(Saboteur):
    """While nobody is connected the load process is left three descriptors more than it has open."""

    at = "outage"

    async def harm(self) -> None:
        process = self.process("load")
        await asyncio.sleep(0.3)
        _, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (process.num_fds() + 3, hard))


class Busy(Saboteur):
    """A callback of the load's own loop calculates for 300 ms: see `busy_protocol`."""

    async def harm(self) -> None:
        Path(os.environ["BUSY_FLAG"]).touch()


class SetClock(Saboteur):
    """A clock of the machine is 3 s ahead from the phase `verify` on."""

    ahead_ns = 0

    def phase(self, name: str, planned_ns: int | None) -> None:
        if name == "verify":
            self.ahead_ns = 3_000_000_000

    def clocks(self) -> Clocks:
        return Clocks(wall_ns=lambda: time.time_ns() + self.ahead_ns)

    async def harm(self) -> None: ...


class Midway(Saboteur):
    """No harm to the observer: the service itself begins its section `change` in the middle of a baseline of 8 s."""

    def phase(self, name: str, planned_ns: int | None) -> None:
        if name == "baseline":
            self._at_work.append(asyncio.get_running_loop().create_task(self.harm()))

    async def harm(self) -> None:
        await asyncio.sleep(4)
        self._socket.sendto(b"change", self._order.control)


class Suspended(SetClock):
    """What a machine that slept for 3 s reads."""

    def clocks(self) -> Clocks:
        return Clocks(boottime_ns=lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME) + self.ahead_ns)


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
    # What a busy machine did besides.
    besides = frozenset(need for check in invalid if check not in named for need in check.clouds)
    wrong = [] if named else [f"no {' or '.join(sabotage.checks)} is invalid, but {[check.name for check in invalid]}"]
    if told.result.verdict != "inconclusive":
        wrong.append(f"it is {told.result.verdict}: {told.result.reasons}")
    for metric, outcome in told.outcomes().items():
        if outcome is False:
            wrong.append(f"{metric} is held against the service")
        elif outcome is True and metric in sabotage.unknown:
            wrong.append(f"{metric} is vouched for")
        elif outcome is None and metric not in sabotage.unknown and besides.isdisjoint(needs_of(metric)):
            wrong.append(f"{metric} is unknown for no reason")
    return wrong
