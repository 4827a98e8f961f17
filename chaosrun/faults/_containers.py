"""What the faults of containers share: which container is meant, and whether it is as they need it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from chaosrun.containers import Container, Docker
from chaosrun.errors import Unavailable
from chaosrun.faults._base import World
from chaosrun.inspected import Inspected


@runtime_checkable
class InContainer(Protocol):
    """A role that is a container, or a process inside one."""

    @property
    def container(self) -> Container: ...


def container_of(world: World, role: str, fault: str) -> Container:
    """The container of a role.

    Raises:
        Unavailable: the role is none, or was not found.
    """
    found = world.roles[role]
    if not isinstance(found, InContainer):
        raise Unavailable(
            f"fault {fault!r}: role {role!r} is no container; give it as `{{container: NAME}}` or `{{compose: ...}}`"
        )
    return found.container


def look_at_running(docker: Docker, container: Container, fault: str) -> Inspected:
    """How the container is, which must run, and not be frozen already: what is undone is what was done.

    Raises:
        Unavailable: it is down or paused.
    """
    seen = docker.inspect(container.id)
    if seen.state.status != "running":
        remedy = f"docker unpause {container.name}" if seen.is_paused else f"docker start {container.name}"
        raise Unavailable(f"fault {fault!r}: container {container} is {seen.state.status}; first: {remedy}")
    return seen


async def to_its_end(change: Callable[[], None]) -> None:
    """Make a change in a thread, and when cancelled meanwhile, wait for it all the same: a request that was sent cannot
    be taken back, and an undo that came before it would find nothing to undo."""
    changing = asyncio.create_task(asyncio.to_thread(change))
    try:
        await asyncio.shield(changing)
    except asyncio.CancelledError:
        await asyncio.wait([changing])
        raise
