"""The steps of a method: a pause, or a fault with the keys of its kind."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag

from chaosrun.spec.base import TAG, Broken, Duration, Later, Model, Span, problem
from chaosrun.spec.protocol import SECOND


class PauseStep(Model):
    """Wait, with whatever faults are in effect."""

    pause: Span
    name: str | None = None


class FaultStep(Model):
    """What every fault's step may carry."""

    fault: str
    name: str | None = None
    at: Later = None
    for_: Annotated[Later, Field(alias="for")] = None
    probe: Later = None

    def target_role(self) -> str | None:
        """The role that it acts on, if it acts on one."""
        return None

    def is_sustained(self) -> bool:
        """Its effect lasts until it is removed."""
        return False

    def lasts_ns(self) -> int:
        """How long the step holds up the method when all goes as planned."""
        return 0


class NoopStep(FaultStep):
    """The control experiment: nothing happens."""

    fault: Literal["noop"]


class Restart(Model):
    """Who starts the role again: chaosrun `after` a while, or its own supervisor, waited for `within` a limit."""

    by: Literal["chaosrun", "supervisor"] = "chaosrun"
    after: Duration = 0
    within: Span = 60 * SECOND

    def rules(self) -> Iterator[Broken]:
        if self.by == "chaosrun" and "within" in self.model_fields_set:
            yield Broken("`within` goes with `by: supervisor`; a restart by chaosrun has `after`", ("by", "within"))
        if self.by == "supervisor" and "after" in self.model_fields_set:
            yield Broken("`after` goes with `by: chaosrun`; a supervisor's restart has `within`", ("by", "after"))


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
        if self.restart is None:
            return 0
        return self.restart.after if self.restart.by == "chaosrun" else self.restart.within


class OtherFaultStep(FaultStep):
    """A fault of a kind that an installed package adds; its own keys are checked by the package's `Spec`."""

    model_config = ConfigDict(extra="allow")

    def keys_of_its_own(self) -> dict[str, Any]:
        return dict(self.model_extra or {})

    def target_role(self) -> str | None:
        role = self.keys_of_its_own().get("role")
        return role if isinstance(role, str) else None


class ParallelStep(Model):
    parallel: Later


BUILT_IN = ("noop", "process_kill")
LATER = (
    "client_disconnect",
    "process_pause",
    "container_kill",
    "container_pause",
    "container_network",
    "toxiproxy",
    "netem",
    "http",
    "command",
)
"""Kinds that the format names and that are still to come."""


def _step_kind(value: Any) -> str:
    if isinstance(value, dict):
        if "pause" in value and "fault" not in value:
            return TAG + "pause"
        if "parallel" in value:
            return TAG + "parallel"
        kind = value.get("fault")
    else:
        kind = getattr(value, "fault", None)
        if isinstance(value, PauseStep):
            return TAG + "pause"
    return TAG + (kind if kind in BUILT_IN else "other")


Step = Annotated[
    Annotated[PauseStep, Tag(TAG + "pause")]
    | Annotated[NoopStep, Tag(TAG + "noop")]
    | Annotated[ProcessKillStep, Tag(TAG + "process_kill")]
    | Annotated[ParallelStep, Tag(TAG + "parallel")]
    | Annotated[OtherFaultStep, Tag(TAG + "other")],
    Discriminator(_step_kind),
]
