"""The faults that stand right now, and their way out: each is written and synced before it is injected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from chaosrun.faults._base import Confirmation, Fault, Removal, World
from chaosrun.journal import Journal
from chaosrun.records import Called, Confirmed, Intent, Removed, RolledBack, Undo, Undone
from chaosrun.safety.undo import S, UndoOutcome, take_away

T = TypeVar("T")

Tell = Callable[[str, str, str], None]
"""(fault, event, detail) for whoever draws the run."""

_LAST_LOOK_S = 1.0
"""A run that is stopped waits no longer than this for the confirmation of a fault's effect, and then undoes it."""


class Look(Protocol):
    """Sees the effect of a fault in place of the fault itself."""

    async def prepare(self) -> None:
        """Look at what the effect will have to be told from."""

    async def confirm(self) -> Confirmation: ...


@dataclass
class _Standing:
    fault: Fault
    record: Undo
    closed: bool = False
    removing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """A stop that comes while it is being taken away begins no second undo."""


class StandingFaults:
    """Last in, first out. Only this puts a fault into the world or takes it out again."""

    def __init__(self, world: World, journal: Journal, tell: Tell) -> None:
        self._world = world
        self._journal = journal
        self._tell = tell
        self._stack: list[_Standing] = []
        self.left: list[str] = []
        """What is not as it was although its undo ran, and what became of that, in words."""
        self.any_called = False
        """A fault has been let into the world: from now on what happens may be its doing."""

    async def inject(
        self, fault: Fault, identifier: str, *, for_ns: int | None = None, look: Look | None = None
    ) -> Confirmation:
        """Inject one fault, confirm its effect, and see it through to its end where it has one.

        Args:
            for_ns: take a sustained fault away so long after its injection, seen or not; None: it stands.
            look: what confirms its effect; None: the fault itself.

        Raises:
            Unavailable: what it would hit is not there; nothing was injected.
            Unwritable: its undo could not be written; nothing was injected.
        """
        # In a thread: it may go through the process table, or ask an engine.
        standing = _Standing(fault, await asyncio.to_thread(fault.plan, self._world, identifier))
        await fault.prepare(self._world)
        if look is not None:
            await look.prepare()
        self._stack.append(standing)
        self._journal.append(Intent(t=self._world.now(), undo=standing.record))
        # On the loop: in a thread it would write the buffer to which others append meanwhile.
        self._journal.sync()
        self.any_called = True
        self._journal.append(Called(t=self._world.now(), id=identifier))
        self._journal.flush()  # whatever kills the run from here on, the fault is known to have been called
        await fault.inject(self._world)
        injected = self._world.now()
        self._tell(fault.name, "called", "")
        looking = asyncio.create_task(self._look(fault, identifier, look))
        patience_s = _LAST_LOOK_S
        try:
            await fault.settle(self._world)
            if for_ns is None:
                await asyncio.wait((looking,))
            else:
                await asyncio.sleep(max(0, injected + for_ns - self._world.now()) / 1e9)
            patience_s = 0.0
        finally:
            seen = await _conclude(looking, patience_s)
            if seen is None:
                seen = Confirmation(False, "its effect was not seen before it was taken away")
                self._write(fault, identifier, seen)
        if not fault.sustained or for_ns is not None:
            # A stop that comes now neither cuts this short nor begins a second undo beside it.
            await asyncio.shield(self._remove(standing, alive=True))
        return seen

    async def remove_all(self, *, alive: bool) -> bool:
        """Take away what still stands, the last fault first; one that fails keeps none of the others.

        Args:
            alive: the run goes on, so that a role of ours must be up again and not only be allowed to be down.

        Returns:
            Whether everything is as it was.
        """
        for standing in reversed(self._stack):
            await self._remove(standing, alive=alive)
        return not self.left

    async def roll_back(self, fault: Fault, identifier: str, within_s: float) -> None:
        """Inject a fault that is a rollback: what it does stays done, and if it cannot be done, that is left."""
        try:
            seen = await asyncio.wait_for(self.inject(fault, identifier), within_s)
            error = "" if seen.verified else seen.how
        except TimeoutError:
            error = f"not done within {within_s:g} s"
        except Exception as failure:  # the rollbacks after it are owed all the same
            error = str(failure) or repr(failure)
        await self.remove_all(alive=False)
        self._journal.append(RolledBack(t=self._world.now(), id=identifier, name=fault.name, error=error))
        if error:
            self.left.append(f"rollback {fault.name!r} ({error})")
            self._tell(fault.name, "failed", error)

    async def _look(self, fault: Fault, identifier: str, look: Look | None) -> Confirmation:
        try:
            seen = await (look.confirm() if look is not None else fault.confirm(self._world))
        except Exception as failure:  # who cannot look has not seen it
            seen = Confirmation(False, f"its effect could not be looked for: {failure!r}")
        self._write(fault, identifier, seen)
        return seen

    def _write(self, fault: Fault, identifier: str, seen: Confirmation) -> None:
        at = self._world.now() if seen.at is None else seen.at
        self._journal.append(Confirmed(t=at, id=identifier, verified=seen.verified, how=seen.how))
        self._tell(fault.name, "confirmed" if seen.verified else "unconfirmed", seen.how)

    async def _remove(self, standing: _Standing, *, alive: bool) -> None:
        """Take one fault away unless that was done: in the regular way while the run goes on, then by its record."""
        async with standing.removing:
            if standing.closed:
                return
            error = ""
            at: int | Removal | None = None
            if (alive or not standing.fault.is_ours) and standing.fault.sustained:
                try:
                    at = await _bounded(standing.fault.remove(self._world), standing.record)
                except Exception as failure:  # a defect of one fault must not leave the others standing
                    error = str(failure) or repr(failure)
                else:
                    # The effect ends here, not when that has been read back. Who has no way but the record ends later.
                    if at is None and type(standing.fault).remove is not Fault.remove:
                        at = self._world.now()
            outcome = await asyncio.to_thread(take_away, standing.record)
            outcome = UndoOutcome(False, outcome.verified, error) if error else outcome
            at = self._world.now() if at is None else at
            self._close(standing, outcome, at if isinstance(at, Removal) else Removal(at))

    def _close(self, standing: _Standing, outcome: UndoOutcome, removal: Removal) -> None:
        standing.closed = True
        if not outcome.clean:
            self.left.append(f"{standing.record.what} ({outcome.error})")
        identifier = standing.record.id
        if removal.at is not None:
            self._journal.append(Removed(t=removal.at, id=identifier, until=removal.until))
        self._journal.append(
            Undone(
                t=self._world.now(),
                id=identifier,
                done=outcome.done,
                verified=outcome.verified,
                error=outcome.error,
            )
        )
        self._tell(standing.fault.name, "undone" if outcome.clean else "failed", outcome.error)


async def _bounded(removal: Coroutine[Any, Any, T], record: Undo) -> T:
    """Wait for a removal, for as long as its record allows; one that takes longer is left to itself, and the record
    undone."""
    task = asyncio.create_task(removal)
    try:
        done, _ = await asyncio.wait((task,), timeout=record.deadline_ns / S)
    finally:
        task.cancel()
    if not done:
        raise TimeoutError(f"not taken away within {record.deadline_ns / S:g} s")
    return task.result()


async def _conclude(looking: asyncio.Task[Confirmation], patience_s: float) -> Confirmation | None:
    """What was seen, or is within `patience_s`; None: nothing yet, and nobody looks any more."""
    try:
        await asyncio.wait((looking,), timeout=patience_s)
    finally:
        looking.cancel()
    return looking.result() if looking.done() and not looking.cancelled() else None
