"""The steps of a method: a pause, or a fault with the keys of its kind."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Strict, Tag

from chaosrun.spec.base import TAG, Model
from chaosrun.spec.stages import At
from chaosrun.spec.steps.base import FaultStep, OtherFaultStep, PauseStep, Restart
from chaosrun.spec.steps.clients import ClientDisconnectStep
from chaosrun.spec.steps.containers import ContainerKillStep, ContainerNetworkStep, ContainerPauseStep
from chaosrun.spec.steps.network import NetemStep
from chaosrun.spec.steps.outside import OutsideStep
from chaosrun.spec.steps.processes import ProcessKillStep, ProcessPauseStep
from chaosrun.spec.steps.service import CommandStep, HttpStep, NoopStep
from chaosrun.spec.steps.toxics import ToxiproxyStep

__all__ = [
    "BUILT_IN",
    "ClientDisconnectStep",
    "CommandStep",
    "ContainerKillStep",
    "ContainerNetworkStep",
    "ContainerPauseStep",
    "FaultStep",
    "HttpStep",
    "NetemStep",
    "NoopStep",
    "OtherFaultStep",
    "OutsideStep",
    "ParallelStep",
    "PauseStep",
    "ProcessKillStep",
    "ProcessPauseStep",
    "Restart",
    "Step",
    "ToxiproxyStep",
]

BUILT_IN = (
    "client_disconnect",
    "command",
    "container_kill",
    "container_network",
    "container_pause",
    "http",
    "netem",
    "noop",
    "outside",
    "process_kill",
    "process_pause",
    "toxiproxy",
)


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
        if isinstance(value, ParallelStep):
            return TAG + "parallel"
    return TAG + (kind if kind in BUILT_IN else "other")


class ParallelStep(Model):
    """Steps that begin together; it ends with the last of them to end."""

    parallel: Annotated[tuple[Step, ...], Strict(False), Field(min_length=1)]
    name: str | None = None
    at: At | None = None
    """Not before so long after the method began, or not before a time within a stage of the load."""


Step = Annotated[
    Annotated[PauseStep, Tag(TAG + "pause")]
    | Annotated[ClientDisconnectStep, Tag(TAG + "client_disconnect")]
    | Annotated[CommandStep, Tag(TAG + "command")]
    | Annotated[ContainerKillStep, Tag(TAG + "container_kill")]
    | Annotated[ContainerNetworkStep, Tag(TAG + "container_network")]
    | Annotated[ContainerPauseStep, Tag(TAG + "container_pause")]
    | Annotated[HttpStep, Tag(TAG + "http")]
    | Annotated[NetemStep, Tag(TAG + "netem")]
    | Annotated[NoopStep, Tag(TAG + "noop")]
    | Annotated[OutsideStep, Tag(TAG + "outside")]
    | Annotated[ProcessKillStep, Tag(TAG + "process_kill")]
    | Annotated[ProcessPauseStep, Tag(TAG + "process_pause")]
    | Annotated[ToxiproxyStep, Tag(TAG + "toxiproxy")]
    | Annotated[ParallelStep, Tag(TAG + "parallel")]
    | Annotated[OtherFaultStep, Tag(TAG + "other")],
    Discriminator(_step_kind),
]

ParallelStep.model_rebuild()
