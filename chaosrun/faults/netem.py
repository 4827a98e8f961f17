"""Delay, lose, double, damage, reorder or throttle the packets of one port, with the kernel's netem.

The device's root queue must be the kernel's own; ours is put in its place, and only what goes to or comes from the port
passes netem. TCP repairs what netem loses: loss shows as latency, not as lost messages.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import msgspec

from chaosrun.errors import Dirty, Unavailable
from chaosrun.faults._base import THIS_MACHINE, Confirmation, Fault, Ground, Role, World
from chaosrun.identity import boot_id
from chaosrun.records import Undo
from chaosrun.shaping import network, queues, tc
from chaosrun.shaping.network import Network
from chaosrun.shaping.place import Place, locate, refuse_unless_free
from chaosrun.shaping.queues import Direction, Shape
from chaosrun.shaping.witness import look
from chaosrun.spec.steps import NetemStep

_EMPTY_WITHIN_S: Final = 5.0
"""How much longer than its longest delay a queue may take to run empty before what is left in it is dropped."""
_LOOK_EVERY_S: Final = 0.05
_RATES: Final = {"gbit": 10**9, "mbit": 10**6, "kbit": 10**3, "bit": 1}


class UndoArgs(msgspec.Struct, frozen=True):
    """What `undo` needs: which device of which network, and how long packets may wait in our queue."""

    device: str
    namespace: int
    pid: int
    longest_ns: int
    limit: int

    @property
    def network(self) -> Network:
        return Network(self.namespace, self.pid)


class Netem(Fault):
    kind = "netem"
    sign = "the kernel counts what its queue holds up, and connections to the port take longer while others do not"

    def __init__(
        self,
        name: str,
        *,
        shape: Shape,
        direction: Direction = "both",
        device: str | None = None,
        role: str | None = None,
        port: int | None = None,
    ) -> None:
        super().__init__(name, role=role, sustained=True)
        self._shape = shape
        self._direction: Direction = direction
        self._device = device
        self._port = port
        self._planned: tuple[Place, Undo] | None = None
        """The role may be another process by the time of the injection, in another network than the record names."""

    def holds(self, ground: Ground) -> Sequence[str]:
        # Loopback for a target on loopback, else the only device that there is.
        unnamed = "lo" if ground.network == ground.target == THIS_MACHINE else "the only one"
        return [f"device {self._device or unnamed} of {ground.network}"]

    async def check(self, world: World) -> None:
        try:
            await asyncio.to_thread(refuse_unless_free, self._locate(world))
        except Unavailable as error:
            raise Unavailable(f"fault {self.name!r}: {error}") from error

    def plan(self, world: World, identifier: str) -> Undo:
        place = self._locate(world)
        args = UndoArgs(
            device=place.device,
            namespace=place.network.inode,
            pid=place.network.pid,
            longest_ns=self._shape.longest_ns,
            limit=self._shape.limit,
        )
        record = Undo(
            id=identifier,
            kind=self.kind,
            what=f"delete chaosrun's queue {queues.ROOT} from device {place.device}",
            identity={"device": place.device, "namespace": place.network.inode, "port": place.port},
            args=msgspec.Raw(msgspec.json.encode(args)),
            deadline_ns=60_000_000_000 + self._shape.longest_ns,
            boot_id=boot_id(),
        )
        self._planned = place, record
        return record

    def aim(self, world: World) -> Sequence[str]:
        assert self._planned is not None
        place, _ = self._planned
        port = f"port {self._port}" if self._port is not None else "the target's port"
        of = f" in the network of role {self.role!r}" if self.role is not None else ""
        return [f"device {place.device}{of}: TCP packets to and from {port}, nothing else"]

    async def inject(self, world: World) -> None:
        assert self._planned is not None
        place, _ = self._planned
        batch = queues.put(place.device, place.port, place.direction, self._shape)
        await asyncio.to_thread(tc.change, place.network, batch)

    async def confirm(self, world: World) -> Confirmation:
        """By the kernel's account of the queue, and by connections: those through the port take as much longer as they
        should, one to another port does not."""
        assert self._planned is not None
        place, _ = self._planned
        try:
            return Confirmation(*await asyncio.to_thread(look, place, self._shape))
        except Unavailable as error:
            return Confirmation(False, str(error))

    async def remove(self, world: World) -> int | None:
        """What is delayed already still has to arrive, and the queue to be deleted, when the effect is over."""
        assert self._planned is not None
        _, record = self._planned
        args = msgspec.json.decode(record.args, type=UndoArgs)
        over = world.now() if await asyncio.to_thread(_let_pass, args) else None
        await asyncio.to_thread(undo, record)
        return over

    def _locate(self, world: World) -> Place:
        where = network.own() if self.role is None else self._network_of(world.roles[self.role])
        return locate(world.url, where, self._device, self._port, self._direction)

    def _network_of(self, role: Role) -> Network:
        found = role.resolve()
        if not found:
            raise Unavailable(
                f"fault {self.name!r}: role {role.name!r} has no process on this machine to shape the way of"
            )
        return network.of(found[0])


def make(step: NetemStep) -> Fault:
    """The fault that a step of the method describes."""
    return Netem(
        step.name or (f"{step.fault} {step.role}" if step.role else step.fault),
        shape=Shape(
            delay_ns=step.delay or 0,
            jitter_ns=step.jitter or 0,
            loss=step.loss or 0.0,
            duplicate=step.duplicate or 0.0,
            corrupt=step.corrupt or 0.0,
            reorder=step.reorder or 0.0,
            rate=_bytes_per_s(step.rate) if step.rate is not None else None,
        ),
        direction=step.direction,
        device=step.device,
        role=step.role,
        port=step.port,
    )


def _bytes_per_s(rate: str) -> int:
    """`1.5mbit` as bytes a second; tc's prefixes are powers of 1000."""
    unit = next(unit for unit in _RATES if rate.endswith(unit))
    return max(1, round(Fraction(rate.removesuffix(unit)) * _RATES[unit] / 8))


def undo(record: Undo) -> None:
    """Let new packets pass at once, wait for those that are delayed, then delete our queue and nobody else's.

    Nothing where the machine was started again, or network or device are gone: the queue went with them.

    Raises:
        Dirty: our queue is there and cannot be taken away.
    """
    if record.boot_id != boot_id():
        return
    args = msgspec.json.decode(record.args, type=UndoArgs)
    try:
        _take_away(args)
    except Unavailable as error:
        raise Dirty(f"{error}; by hand: tc qdisc del dev {args.device} root handle {queues.ROOT}") from error


def _take_away(args: UndoArgs) -> None:
    if _let_pass(args):
        _wait_empty(args)
    found = tc.show(args.network, args.device)
    if found is not None and found.is_ours:
        tc.change(args.network, queues.take(args.device))


def _let_pass(args: UndoArgs) -> bool:
    """Packets that come from now on are not held up by our queue; false: it is not there, or shapes nothing."""
    found = tc.show(args.network, args.device)
    if found is None or not found.is_ours or found.leaf is None:
        return False
    tc.change(args.network, queues.calm(args.device, args.limit))
    return True


def _wait_empty(args: UndoArgs) -> None:
    """A queue that is deleted drops what waits in it."""
    end = time.monotonic() + args.longest_ns / 1e9 + _EMPTY_WITHIN_S
    while time.monotonic() < end:
        found = tc.show(args.network, args.device)
        if found is None or found.leaf is None or found.leaf.waiting == 0:
            return
        time.sleep(_LOOK_EVERY_S)


def verify(record: Undo) -> bool:
    """The device's root queue is not ours; or device, network or that boot of the machine are gone."""
    if record.boot_id != boot_id():
        return True
    args = msgspec.json.decode(record.args, type=UndoArgs)
    found = tc.show(args.network, args.device)
    return found is None or not found.is_ours
