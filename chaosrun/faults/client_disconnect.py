"""Cut clients of the load off: by a reset, by an end of stream, by a close frame, or by a silence.

`rst`, `fin` and `{close: CODE}` end connections and are over at once; clients come back by their own `reconnect`.
`silent` and `vanished` leave connections half-open until the fault is removed: nothing passes, neither side is told.
`over` spreads the cuts, `every` with `times` repeats them: a reconnect storm.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Mapping, Sequence

import msgspec

from chaosrun import sockets
from chaosrun.cutting import LASTING, CutOff, CutOrder, How
from chaosrun.faults._base import Confirmation, Fault, World
from chaosrun.identity import Identity, boot_id, identify, is_alive, send_signal, wait_gone
from chaosrun.records import Undo
from chaosrun.scoring.words import show
from chaosrun.spec.steps.clients import ClientDisconnectStep, CloseWith

_EFFECT_WITHIN_S = 10.0
_LOOK_EVERY_S = 0.02
_QUIET_FOR_S = 0.2
"""How long a silence is looked at before it is believed."""

_DONE: Mapping[How, str] = {
    "rst": "reset",
    "fin": "ended without a close frame",
    "silent": "silenced",
    "vanished": "silenced, with nothing acknowledged",
}


class UndoArgs(msgspec.Struct, frozen=True):
    """What is silent lives no longer than the load's processes, and those no longer than the run that started them."""

    run: Identity | None
    load: tuple[Identity, ...]

    def is_over(self) -> bool:
        """The load is gone; or its run goes on, and sees to it itself."""
        return (self.run is not None and is_alive(self.run)) or not any(map(is_alive, self.load))


class ClientDisconnect(Fault):
    kind = "client_disconnect"
    sign = "the kernel's own table of connections, or its count of bytes where they are silenced"

    def __init__(self, name: str, order: CutOrder) -> None:
        super().__init__(name, sustained=order.how in LASTING)
        self._order = order
        self._waves = 0
        self._call = ""
        self._began = 0
        self._meant = 0

    def plan(self, world: World, identifier: str) -> Undo:
        self._call = f"{identifier}/{self._waves}"
        if self.sustained:
            what = "let the silent connections speak again; they are gone when the load is"
            args = UndoArgs(identify(os.getpid()), tuple(world.clients.processes))
        else:
            what = "nothing is to be undone: who was cut off comes back by itself"
            args = UndoArgs(None, ())
        return Undo(
            id=identifier,
            kind=self.kind,
            what=what,
            identity={"group": self._order.group},
            args=msgspec.Raw(msgspec.json.encode(args)),
            boot_id=boot_id(),
        )

    def aim(self, world: World) -> Sequence[str]:
        some = self._order.clients
        told = str(some) if isinstance(some, int) else show(some, "ratio")
        group = "the first group" if self._order.group is None else f"group {self._order.group!r}"
        return [f"{told} of the clients of {group}, chosen by seed {self._order.seed}: connections of the load itself"]

    async def inject(self, world: World) -> None:
        wave, self._waves = self._waves, self._waves + 1
        self._began = world.now()
        try:
            self._meant = await world.clients.cut(self._call, self._order, wave)
        except asyncio.CancelledError:
            await asyncio.shield(world.clients.mend(self._call))
            raise

    async def confirm(self, world: World) -> Confirmation:
        """The kernel's own table has no more of what was to end, and not a byte has passed through what is silent."""
        if self.sustained:
            await asyncio.sleep(_QUIET_FOR_S)
            cuts = await world.clients.cuts(self._call)
            return self._told(cuts, [cut for cut in cuts if not cut.quiet])
        end = time.monotonic() + _EFFECT_WITHIN_S
        while True:
            cuts = await world.clients.cuts(self._call)
            table = await asyncio.to_thread(sockets.table)
            left = [cut for cut in cuts if cut.at is None or _is_left(cut, table, self._order.how)]
            if not left or time.monotonic() > end:
                return self._told(cuts, left)
            await asyncio.sleep(_LOOK_EVERY_S)

    async def remove(self, world: World) -> None:
        await world.clients.mend(self._call)

    def _told(self, cuts: Sequence[CutOff], left: Sequence[CutOff]) -> Confirmation:
        if not cuts:
            return Confirmation(False, f"none of the {self._meant} clients that were meant had an open connection")
        if left:
            why = "bytes passed, or it ended" if self.sustained else "the kernel has it open still"
            return Confirmation(False, f"{len(left)} of {len(cuts)} connections were not {self._done}: {why}")
        done = [(cut.at, cut.at - cut.due) for cut in cuts if cut.at is not None]
        took = max(done)[0] - min(done)[0]
        return Confirmation(
            True,
            f"{len(cuts)} of {self._meant} connections {self._done}, within {show(took / 1e9, 's')}",
            at=self._began + max(late for _, late in done),
        )

    @property
    def _done(self) -> str:
        return f"closed with {self._order.code}" if self._order.how == "close" else _DONE[self._order.how]


def _is_left(cut: CutOff, table: Mapping[sockets.Ends, sockets.Entry], how: How) -> bool:
    """Whether the kernel still has what was cut off. A reset leaves nothing; any other end, a farewell under way."""
    entry = table.get((cut.socket.local, cut.socket.remote))
    if entry is None:
        return False
    if how == "rst":
        return entry.inode in (0, cut.socket.inode)  # 0: it said goodbye, and waits for the answer
    return entry.inode == cut.socket.inode and entry.state == sockets.ESTABLISHED


def make(step: ClientDisconnectStep) -> Fault:
    """The fault that a step of the method describes."""
    order = CutOrder(
        group=step.group,
        clients=step.clients,
        how="close" if isinstance(step.how, CloseWith) else step.how,
        code=step.how.close if isinstance(step.how, CloseWith) else None,
        over_ns=step.over,
        seed=step.seed,
    )
    return ClientDisconnect(step.name or step.fault, order)


def undo(record: Undo) -> None:
    """End the load, and with it what is silent, where nobody is left to let it speak."""
    args = msgspec.json.decode(record.args, type=UndoArgs)
    if not args.is_over():
        for process in args.load:
            send_signal(process, signal.SIGKILL)
        for process in args.load:
            wait_gone(process, _EFFECT_WITHIN_S)


def verify(record: Undo) -> bool:
    """Nothing is silent any more, or the run goes on and sees to it."""
    return msgspec.json.decode(record.args, type=UndoArgs).is_over()
