"""Freeze all processes of a container, until it is unpaused.

Its connections stay open and nothing answers on them: to a client this is a server that hangs, not one that is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from chaosrun.containers import Container, Docker, Gone
from chaosrun.errors import Unavailable
from chaosrun.faults._base import Confirmation, Fault, World
from chaosrun.faults._containers import container_of, look_at_running, to_its_end
from chaosrun.records import Undo
from chaosrun.spec.steps.containers import ContainerPauseStep

NEEDED_BY_UNDO = ("docker", "docker.errors", "docker.utils")


class UndoArgs(msgspec.Struct, frozen=True):
    """What `undo` needs: which container."""

    container: Container


class ContainerPause(Fault):
    kind = "container_pause"
    sign = "the engine reports the container paused"

    def __init__(self, name: str, *, role: str) -> None:
        super().__init__(name, role=role, sustained=True)
        self._container: Container | None = None
        self._done_at: int | None = None

    def plan(self, world: World, identifier: str) -> Undo:
        assert self.role is not None
        container = container_of(world, self.role, self.name)
        with Docker(container.engine) as docker:
            look_at_running(docker, container, self.name)
        self._container = container
        return Undo(
            id=identifier,
            kind=self.kind,
            what=f"unpause container {container.name!r} if it is paused",
            identity={"container": container.id, "name": container.name, "engine": container.engine.host},
            args=msgspec.Raw(msgspec.json.encode(UndoArgs(container))),
        )

    async def check(self, world: World) -> None:
        """Nothing is touched by a plan, so it tells before the load what could not be done in it."""
        await asyncio.to_thread(self.plan, world, "")

    def aim(self, world: World) -> Sequence[str]:
        return [f"container {self._found} at {self._found.engine.host}"]

    async def inject(self, world: World) -> None:
        await to_its_end(self._pause)
        self._done_at = world.now()

    async def confirm(self, world: World) -> Confirmation:
        return await asyncio.to_thread(self._confirm)

    async def remove(self, world: World) -> None:
        assert self._container is not None
        await to_its_end(lambda: _unpause(self._found))

    @property
    def _found(self) -> Container:
        assert self._container is not None
        return self._container

    def _pause(self) -> None:
        with Docker(self._found.engine) as docker:
            docker.pause(self._found)

    def _confirm(self) -> Confirmation:
        """The engine answers the order when the kernel has frozen the control group, and then says so."""
        try:
            with Docker(self._found.engine) as docker:
                status = docker.inspect(self._found.id).state.status
        except Unavailable as error:
            return Confirmation(False, str(error))
        if status == "paused":
            return Confirmation(True, "the engine reports that the container is paused", self._done_at)
        return Confirmation(False, f"the engine reports that the container is {status}")


def make(step: ContainerPauseStep) -> Fault:
    """The fault that a step of the method describes."""
    return ContainerPause(step.name or f"{step.fault} {step.role}", role=step.role)


def undo(record: Undo) -> None:
    """Unpause the container if it is paused; one that was removed or made anew is not frozen any more.

    Raises:
        Unavailable: the engine does not answer, or cannot unpause it.
    """
    _unpause(msgspec.json.decode(record.args, type=UndoArgs).container)


def verify(record: Undo) -> bool:
    """The container is not paused."""
    container = msgspec.json.decode(record.args, type=UndoArgs).container
    with Docker(container.engine) as docker:
        try:
            return not docker.inspect(container.id).is_paused
        except Gone:
            return True


def _unpause(container: Container) -> None:
    with Docker(container.engine) as docker:
        try:
            if docker.inspect(container.id).is_paused:
                docker.unpause(container)
        except Gone:
            return
