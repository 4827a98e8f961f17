"""Cut a container off from a network, and put it back as it was: with its aliases, links and fixed addresses.

The container runs on and does not know. An address that the network chose is the network's to choose again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from chaosrun.containers import Container, Docker, Gone
from chaosrun.errors import Dirty, Unavailable
from chaosrun.faults._base import Confirmation, Fault, World
from chaosrun.faults._containers import container_of, look_at_running, to_its_end
from chaosrun.inspected import Endpoint, Inspected
from chaosrun.records import Undo
from chaosrun.spec.steps.containers import ContainerNetworkStep

_NO_NETWORKS = ("host", "none")
"""Modes in which a container has no network of its own to be cut off from."""


NEEDED_BY_UNDO = ("docker", "docker.errors", "docker.utils")


class UndoArgs(msgspec.Struct, frozen=True):
    """What `undo` needs: which container, and how it was in which network."""

    container: Container
    network: str
    endpoint: Endpoint


class ContainerNetwork(Fault):
    kind = "container_network"
    sign = "the engine reports the container out of the network"

    def __init__(self, name: str, *, role: str, network: str | None = None) -> None:
        super().__init__(name, role=role, sustained=True)
        self._network = network
        self._planned: UndoArgs | None = None
        self._done_at: int | None = None

    def plan(self, world: World, identifier: str) -> Undo:
        assert self.role is not None
        container = container_of(world, self.role, self.name)
        with Docker(container.engine) as docker:
            seen = look_at_running(docker, container, self.name)
        network = self._choose(seen)
        args = UndoArgs(container, network, seen.networks[network])
        self._planned = args
        return Undo(
            id=identifier,
            kind=self.kind,
            what=f"connect container {container.name!r} to network {network!r} again if it is not in it",
            identity={
                "container": container.id,
                "name": container.name,
                "engine": container.engine.host,
                "network": args.endpoint.network_id,
            },
            args=msgspec.Raw(msgspec.json.encode(args)),
        )

    async def check(self, world: World) -> None:
        """Nothing is touched by a plan, so it tells before the load what could not be done in it."""
        await asyncio.to_thread(self.plan, world, "")

    def aim(self, world: World) -> Sequence[str]:
        args = self._args
        return [f"container {args.container} in network {args.network!r}, at {args.container.engine.host}"]

    async def inject(self, world: World) -> None:
        await to_its_end(self._disconnect)
        self._done_at = world.now()

    async def confirm(self, world: World) -> Confirmation:
        return await asyncio.to_thread(self._confirm)

    async def remove(self, world: World) -> None:
        await to_its_end(lambda: _connect(self._args))

    @property
    def _args(self) -> UndoArgs:
        assert self._planned is not None
        return self._planned

    def _choose(self, seen: Inspected) -> str:
        mode, names = seen.host_config.network_mode, sorted(seen.networks)
        of = f"fault {self.name!r}: container {seen.plain_name}"
        if mode in _NO_NETWORKS or mode.startswith("container:"):
            raise Unavailable(f"{of} has no network of its own (its mode is {mode}); `fault: netem` shapes a device")
        if self._network is not None:
            if self._network not in names:
                raise Unavailable(f"{of} is not in network {self._network}; it is in: {', '.join(names) or 'none'}")
            return self._network
        if len(names) != 1:
            raise Unavailable(f"{of} is in {len(names)} networks; say which with `network`: {', '.join(names)}")
        return names[0]

    def _disconnect(self) -> None:
        with Docker(self._args.container.engine) as docker:
            docker.disconnect(self._args.container, self._args.endpoint)

    def _confirm(self) -> Confirmation:
        """The engine answers the order when the container's end of the cable is gone, and then says so."""
        args = self._args
        try:
            with Docker(args.container.engine) as docker:
                there = _is_connected(docker.inspect(args.container.id), args)
        except Unavailable as error:
            return Confirmation(False, str(error))
        if there:
            return Confirmation(False, f"the engine reports that the container is still in network {args.network}")
        how = f"the engine reports that the container is no longer in network {args.network}"
        return Confirmation(True, how, self._done_at)


def make(step: ContainerNetworkStep) -> Fault:
    """The fault that a step of the method describes."""
    return ContainerNetwork(step.name or f"{step.fault} {step.role}", role=step.role, network=step.network)


def undo(record: Undo) -> None:
    """Connect the container again if it is not in the network.

    Raises:
        Dirty: there is no such container any more.
        Unavailable: the engine does not answer, or cannot connect it: the network is gone, or a fixed address taken.
    """
    _connect(msgspec.json.decode(record.args, type=UndoArgs))


def verify(record: Undo) -> bool:
    """The container is in the network, under every name that it had there, and at its fixed addresses."""
    args = msgspec.json.decode(record.args, type=UndoArgs)
    with Docker(args.container.engine) as docker:
        seen = docker.inspect(args.container.id)
    now = _endpoint(seen, args)
    if now is None:
        return False
    return set(args.endpoint.aliases or ()) <= set(now.aliases or ()) and now.fixed == args.endpoint.fixed


def _connect(args: UndoArgs) -> None:
    with Docker(args.container.engine) as docker:
        try:
            seen = docker.inspect(args.container.id)
        except Gone as error:
            raise Dirty(f"container {args.container} was removed; make it again by hand") from error
        if not _is_connected(seen, args):
            docker.connect(args.container, args.endpoint)


def _is_connected(seen: Inspected, args: UndoArgs) -> bool:
    return _endpoint(seen, args) is not None


def _endpoint(seen: Inspected, args: UndoArgs) -> Endpoint | None:
    """By the network's id: its name may have been given to another, under which the container is in none of ours."""
    return next((each for each in seen.networks.values() if each.network_id == args.endpoint.network_id), None)
