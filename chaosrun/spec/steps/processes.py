"""Faults of processes: ended by a signal, or frozen."""

from __future__ import annotations

import signal
from typing import Annotated, Literal

from pydantic import AfterValidator

from chaosrun.spec.base import problem
from chaosrun.spec.steps.base import EndingStep, RoleStep, SustainedStep


def _signal(name: str) -> str:
    if name not in signal.Signals.__members__:
        known = "SIGKILL, SIGTERM, SIGABRT, SIGSEGV, SIGINT, SIGQUIT, SIGHUP"
        raise problem("signal", f"no signal {name!r}; known: {known}")
    if name in ("SIGSTOP", "SIGTSTP", "SIGCONT"):
        raise problem("signal", f"{name} does not end a process; `fault: process_pause` freezes one")
    return name


class ProcessKillStep(EndingStep):
    """Kills what a role selects."""

    fault: Literal["process_kill"]
    signal: Annotated[str, AfterValidator(_signal)] = "SIGKILL"


class ProcessPauseStep(RoleStep, SustainedStep):
    """Freezes what a role selects: SIGSTOP, until SIGCONT."""

    fault: Literal["process_pause"]
