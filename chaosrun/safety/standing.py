"""The faults that stand right now, and their way out: each is written and synced before it is injected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from chaosrun.faults._base import Fault, World
from chaosrun.journal import Journal
from chaosrun.records import Called, Confirmed, Intent, Removed, Undo, Undone
from chaosrun.safety.undo import UndoOutcome, take_away

Tell = Callable[[str, str, str], None]
"""(fault, event, detail) for whoever draws the run."""


@dataclass
class _Standing:
    fault: Fault
    record: Undo
    closed: bool = False


class StandingFaults:
    """Last in, first out. Only this puts a fault into the world or takes it out again."""

    def __init__(self, world: World, journal: Journal, tell: Tell) -> None:
        self._world = world
        self._journal = journal
        self._tell = tell
        self._stack: list[_Standing] = []
        self._undoing = asyncio.Lock()
        self.left: list[str] = []
        """What is not as it was although its undo ran, and what became of that, in words."""
        self.any_called = False
        """A fault has been let into the world: from now on what happens may be its doing."""

    async def inject(self, fault: Fault, identifier: str) -> None:
        """Inject one fault, confirm its effect, and see an instant fault through to its end.

        Raises:
            Unavailable: what it would hit is not there; nothing was injected.
            Unwritable: its undo could not be written; nothing was injected.
        """
        record = fault.plan(self._world, identifier)
        standing = _Standing(fault, record)
        self._stack.append(standing)
        self._journal.append(Intent(t=self._world.now(), undo=record))
        # On the loop: in a thread it would write the buffer to which others append meanwhile.
        self._journal.sync()
        self.any_called = True
        self._journal.append(Called(t=self._world.now(), id=identifier))
        await fault.inject(self._world)
        self._tell(fault.name, "called", "")
        confirming = asyncio.create_task(self._confirm(fault, identifier))
        try:
            await fault.settle(self._world)
        finally:
            await asyncio.shield(confirming)
        if not fault.sustained:
            # A stop that comes now neither cuts this short nor begins a second undo beside it.
            await asyncio.shield(self._take_away(standing))

    async def remove_all(self, *, alive: bool) -> bool:
        """Take away what still stands, the last fault first; one that fails keeps none of the others.

        Args:
            alive: the run goes on, so that a role of ours must be up again and not only be allowed to be down.

        Returns:
            Whether everything is as it was.
        """
        for standing in reversed(self._stack):
            error = ""
            if alive and standing.fault.sustained and not standing.closed:
                try:
                    await standing.fault.remove(self._world)
                except Exception as failure:  # a defect of one fault must not leave the others standing
                    error = str(failure) or repr(failure)
            await self._take_away(standing, error)
        return not self.left

    async def _confirm(self, fault: Fault, identifier: str) -> None:
        verified, how = await fault.confirm(self._world)
        self._journal.append(Confirmed(t=self._world.now(), id=identifier, verified=verified, how=how))
        self._tell(fault.name, "confirmed" if verified else "unconfirmed", how)

    async def _take_away(self, standing: _Standing, error: str = "") -> None:
        """Undo one fault unless that was done; `error` is what kept it from being removed the regular way."""
        async with self._undoing:
            if standing.closed:
                return
            outcome = await asyncio.to_thread(take_away, standing.record)
            self._close(standing, UndoOutcome(False, outcome.verified, error) if error else outcome)

    def _close(self, standing: _Standing, outcome: UndoOutcome) -> None:
        standing.closed = True
        if not outcome.clean:
            self.left.append(f"{standing.record.what} ({outcome.error})")
        identifier = standing.record.id
        self._journal.append(Removed(t=self._world.now(), id=identifier))
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
