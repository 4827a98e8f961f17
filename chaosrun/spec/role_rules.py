"""Whether a fault and the role that it acts on go together: a container or processes."""

from __future__ import annotations

from collections.abc import Iterator

from chaosrun.spec.doubt import Finding
from chaosrun.spec.nodes import Path
from chaosrun.spec.steps import (
    ContainerKillStep,
    ContainerNetworkStep,
    ContainerPauseStep,
    FaultStep,
    ProcessKillStep,
    ProcessPauseStep,
)
from chaosrun.spec.steps.processes import OfProcesses
from chaosrun.spec.target import Role

_OF_CONTAINERS = (ContainerKillStep, ContainerNetworkStep, ContainerPauseStep)
_IN_PLACE_OF = {ProcessKillStep: "container_kill", ProcessPauseStep: "container_pause"}


def misfits(path: Path, step: FaultStep, name: str, role: Role | None, needs: tuple[Path, ...]) -> Iterator[Finding]:
    """What keeps the fault at `path` from acting on the role `name`; `role` None: one of a reference service."""
    is_container = role is not None and role.is_container
    if isinstance(step, OfProcesses):
        yield from _too_many(path, step, name, role, needs)
    if isinstance(step, _OF_CONTAINERS) and not is_container:
        text = (
            f"role {name!r} is no container; {step.fault} needs one that the target gives as `container: NAME` or "
            "`compose: {service: NAME}`"
        )
        yield Finding((*path, "role"), text, needs)
    elif is_container and role is not None and role.process is None and type(step) in _IN_PLACE_OF:
        text = (
            f"role {name!r} is a whole container, and {step.fault} acts on processes; write `fault: "
            f"{_IN_PLACE_OF[type(step)]}`, or name a `process` inside the container"
        )
        yield Finding((*path, "role"), text, needs)


def _too_many(
    path: Path, step: OfProcesses, name: str, role: Role | None, needs: tuple[Path, ...]
) -> Iterator[Finding]:
    there = role.process.expect if role is not None and role.process is not None else 1
    if isinstance(step.processes, int) and step.processes > there:
        has = "1 process" if there == 1 else f"{there} processes (`expect`)"
        text = f"{step.processes} processes of role {name!r}, which has {has}; write {there} or less, or 100%"
        yield Finding((*path, "processes"), text, needs)
