"""The control experiment: a fault that does nothing, so that a run shows what it reports when nothing happens."""

from __future__ import annotations

from collections.abc import Sequence

from chaosrun.faults._base import Confirmation, Fault, World
from chaosrun.records import Undo
from chaosrun.spec.model import NoopStep


class Noop(Fault):
    """Confirms itself; there is nothing to undo."""

    kind = "noop"
    sign = "nothing was done, so nothing is looked for"

    def plan(self, world: World, identifier: str) -> Undo:
        return Undo(id=identifier, kind=self.kind, what="nothing was done, nothing is to be undone", identity={})

    def aim(self, world: World) -> Sequence[str]:
        return ["nothing"]

    async def inject(self, world: World) -> None:
        pass

    async def confirm(self, world: World) -> Confirmation:
        return Confirmation(True, "nothing was done")


def make(step: NoopStep) -> Fault:
    return Noop(step.name or step.fault, sustained=step.is_sustained())


def undo(record: Undo) -> None:
    pass


def verify(record: Undo) -> bool:
    return True
