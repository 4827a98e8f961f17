"""Faults of processes: ended by a signal, or frozen."""

from __future__ import annotations

import signal
from typing import Annotated, Literal

from pydantic import AfterValidator, PlainValidator

from chaosrun.spec.base import problem
from chaosrun.spec.steps.base import SOME_SCHEMA, EndingStep, RoleStep, SustainedStep, some_of


def _signal(name: str) -> str:
    if name not in signal.Signals.__members__:
        known = "SIGKILL, SIGTERM, SIGABRT, SIGSEGV, SIGINT, SIGQUIT, SIGHUP"
        raise problem("signal", f"no signal {name!r}; known: {known}")
    if name in ("SIGSTOP", "SIGTSTP", "SIGCONT"):
        raise problem("signal", f"{name} does not end a process; `fault: process_pause` freezes one")
    return name


SomeProcesses = Annotated[int | float, PlainValidator(some_of("processes")), SOME_SCHEMA]


class OfProcesses(RoleStep):
    """What hits the processes of a role, all of them unless it says otherwise."""

    processes: SomeProcesses | None = None
    """A whole number of those that the role selects, or a share of them, chosen by the seed. None: all."""
    seed: int = 1
    """Chooses the processes."""


class ProcessKillStep(EndingStep, OfProcesses):
    """Kills what a role selects."""

    fault: Literal["process_kill"]
    signal: Annotated[str, AfterValidator(_signal)] = "SIGKILL"


class ProcessPauseStep(OfProcesses, SustainedStep):
    """Freezes what a role selects: SIGSTOP, until SIGCONT."""

    fault: Literal["process_pause"]
