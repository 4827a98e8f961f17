"""Faults of containers: ended, frozen, cut off from their network."""

from __future__ import annotations

from typing import Literal

from chaosrun.spec.steps.base import FaultStep, Restart, SustainedStep


class ContainerKillStep(FaultStep):
    """Ends a container: `crash` kills its process as a crash would, `kill` and `stop` are an operator's doing."""

    fault: Literal["container_kill"]
    role: str
    how: Literal["crash", "kill", "stop"] = "crash"
    restart: Restart | None = None
    """None: the container stays down until the fault is undone."""

    def target_role(self) -> str | None:
        return self.role

    def is_sustained(self) -> bool:
        return self.restart is None

    def lasts_ns(self) -> int:
        return 0 if self.restart is None else self.restart.lasts_ns()


class ContainerPauseStep(SustainedStep):
    """Freezes all processes of a container."""

    fault: Literal["container_pause"]
    role: str

    def target_role(self) -> str | None:
        return self.role


class ContainerNetworkStep(SustainedStep):
    """Cuts a container off from a network."""

    fault: Literal["container_network"]
    role: str
    network: str | None = None
    """None: the only one that it is in."""

    def target_role(self) -> str | None:
        return self.role
