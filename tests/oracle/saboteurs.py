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
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import psutil
from measured import Herald
from truth_script import Order

from chaosrun.machine import Clocks
from chaosrun.plan import Plan
from chaosrun.processes import RUN_TAG

HARM = "harm"
"""The step at which harm is done, if not with the outage."""


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
