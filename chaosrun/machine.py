"""The machine that a run happens on: what it is, its clocks, and who uses its CPU and memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import psutil

from chaosrun.identity import Identity
from chaosrun.journal import Journal
from chaosrun.records import Clock, Resource
from chaosrun.targets.resources import Sampler
from chaosrun.throttling import throttled_ns

KIND_OF_MACHINE = "CHAOSRUN_HOST"
"""The variable of the environment that names machines of one kind, whose runs may be compared though each has a name
of its own."""
_EVERY_S = 1.0
_LOOKS = 9
_VERSIONS = ("chaosrun", "picows", "uvloop", "websockets", "msgspec")


def environment() -> dict[str, str]:
    """What a reader of the result needs to judge its figures, as text.

    `host` is what `CHAOSRUN_HOST` calls machines that are to count as one; then `hostname` is this one's own name.
    """
    named, own = os.environ.get(KIND_OF_MACHINE, ""), platform.node()
    found = {
        "host": named or own,
        **({"hostname": own} if named else {}),
        "cpus": str(os.cpu_count() or 1),
        "memory_bytes": str(psutil.virtual_memory().total),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }
    for package in _VERSIONS:
        with contextlib.suppress(PackageNotFoundError):
            found[f"version.{package}"] = version(package)
    return found


def _boottime_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


@dataclass(frozen=True)
class Clocks:
    """The machine's clocks that run beside the monotonic one, each in ns."""

    wall_ns: Callable[[], int] = time.time_ns
    boottime_ns: Callable[[], int] = _boottime_ns
    """CLOCK_BOOTTIME, which goes on while the machine is suspended; CLOCK_MONOTONIC does not."""


class Observation:
    """Once a second: the clocks, and CPU and memory of every role and of chaosrun itself, to the journal."""

    def __init__(
        self,
        journal: Journal,
        now: Callable[[], int],
        roles: Mapping[str, Callable[[], list[Identity]]],
        clocks: Clocks,
    ) -> None:
        self._journal = journal
        self._now = now
        self._clocks = clocks
        self._sampler = Sampler(roles)
        self._suspended_before = self._suspended_ns()
        self._cpu_before = psutil.cpu_times()
        self._throttled_before = throttled_ns()
        self._looked_at = now()
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
        now, before = self._now(), self._looked_at
        self._looked_at = now
        return Clock(
            t=now,
            wall_offset_ns=offset_ns(self._clocks.wall_ns, self._now),
            suspended_ns=self._suspended_ns() - self._suspended_before,
            steal=self._steal(),
            throttled=self._throttled(now - before),
        )

    def _suspended_ns(self) -> int:
        """Time since boot that the machine was suspended."""
        return offset_ns(self._clocks.boottime_ns, time.monotonic_ns)

    def _steal(self) -> float | None:
        cpu, before = psutil.cpu_times(), self._cpu_before
        self._cpu_before = cpu
        total = sum(cpu) - sum(before)
        return (cpu.steal - before.steal) / total if total > 0 else None

    def _throttled(self, span_ns: int) -> float | None:
        held, before = throttled_ns(), self._throttled_before
        self._throttled_before = held
        return None if held is None or before is None or span_ns <= 0 else (held - before) / span_ns


def offset_ns(read: Callable[[], int], against: Callable[[], int]) -> int:
    """How far one clock is ahead of the other, in ns: the narrowest of a few looks counts, for between two readings
    the machine may well do something else."""
    looks = []
    for _ in range(_LOOKS):
        before, value, after = against(), read(), against()
        looks.append((after - before, value - (before + after) // 2))
    return min(looks)[1]
