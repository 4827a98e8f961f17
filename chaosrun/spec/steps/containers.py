"""Faults of containers: ended, frozen, cut off from their network."""

from __future__ import annotations

from typing import Literal

from chaosrun.spec.base import Line
from chaosrun.spec.steps.base import EndingStep, RoleStep, SustainedStep


class ContainerKillStep(EndingStep):
    """Ends a container: `crash` kills its process as a crash would, `kill` and `stop` are an operator's doing."""

    fault: Literal["container_kill"]
    how: Literal["crash", "kill", "stop"] = "crash"


class ContainerPauseStep(RoleStep, SustainedStep):
    """Freezes all processes of a container."""

    fault: Literal["container_pause"]


class ContainerNetworkStep(RoleStep, SustainedStep):
    """Cuts a container off from a network."""

    fault: Literal["container_network"]
    network: Line | None = None
    """None: the only one that it is in."""
