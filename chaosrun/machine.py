"""The machine that a run happens on: what it is, its clocks, and who uses its CPU and memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version

import psutil

from chaosrun.identity import Identity
from chaosrun.journal import Journal
from chaosrun.records import Clock, Resource
from chaosrun.targets.resources import Sampler

_EVERY_S = 1.0
_VERSIONS = ("chaosrun", "picows", "uvloop", "websockets", "msgspec")


def environment() -> dict[str, str]:
    """What a reader of the result needs to judge its figures, as text."""
    found = {
        "host": platform.node(),
        "cpus": str(os.cpu_count() or 1),
        "memory_bytes": str(psutil.virtual_memory().total),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }
    for package in _VERSIONS:
        with contextlib.suppress(PackageNotFoundError):
            found[f"version.{package}"] = version(package)
    return found


class Observation:
    """Once a second: the clocks, and CPU and memory of every role and of chaosrun itself, to the journal."""

    def __init__(
        self,
        journal: Journal,
        now: Callable[[], int],
        roles: Mapping[str, Callable[[], list[Identity]]],
    ) -> None:
        self._journal = journal
        self._now = now
        self._sampler = Sampler(roles)
        self._suspended_before = _suspended_ns()
        self._cpu_before = psutil.cpu_times()
        self.latest: dict[str, Resource] = {}
        """The last sample of each role that is up."""

    async def go_on(self) -> None:
        """Observe until cancelled."""
        while True:
            self._journal.append(self._clock())
            samples = await asyncio.to_thread(self._sampler.look, self._now())
            for sample in samples:
                self._journal.append(sample)
            self.latest = {sample.role: sample for sample in samples}
            self._journal.flush()
            await asyncio.sleep(_EVERY_S)

    def _clock(self) -> Clock:
        cpu, before = psutil.cpu_times(), self._cpu_before
        self._cpu_before = cpu
        total = sum(cpu) - sum(before)
        now = self._now()
        return Clock(
            t=now,
            wall_offset_ns=time.time_ns() - now,
            suspended_ns=_suspended_ns() - self._suspended_before,
            steal=(cpu.steal - before.steal) / total if total > 0 else None,
        )


def _suspended_ns() -> int:
    """Time since boot that the machine was suspended: CLOCK_BOOTTIME counts it, CLOCK_MONOTONIC does not."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
