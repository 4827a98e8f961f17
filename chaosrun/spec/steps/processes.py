"""Faults of processes: ended by a signal, or frozen."""

from __future__ import annotations

import signal
from typing import Annotated, Literal

from pydantic import AfterValidator

from chaosrun.spec.base import problem
from chaosrun.spec.steps.base import FaultStep, Restart, SustainedStep


def _signal(name: str) -> str:
    if name not in signal.Signals.__members__:
        known = "SIGKILL, SIGTERM, SIGABRT, SIGSEGV, SIGINT, SIGQUIT, SIGHUP"
        raise problem("signal", f"no signal {name!r}; known: {known}")
    if name in ("SIGSTOP", "SIGTSTP", "SIGCONT"):
        raise problem("signal", f"{name} does not end a process; `fault: process_pause` freezes one")
    return name


class ProcessKillStep(FaultStep):
    """Kills what a role selects."""

    fault: Literal["process_kill"]
    role: str
    signal: Annotated[str, AfterValidator(_signal)] = "SIGKILL"
    restart: Restart | None = None
    """None: the role stays down until the fault is undone."""

    def target_role(self) -> str | None:
        return self.role

    def is_sustained(self) -> bool:
        return self.restart is None

    def lasts_ns(self) -> int:
        return 0 if self.restart is None else self.restart.lasts_ns()


class ProcessPauseStep(SustainedStep):
    """Freezes what a role selects: SIGSTOP, until SIGCONT."""

    fault: Literal["process_pause"]
    role: str

    def target_role(self) -> str | None:
        return self.role
