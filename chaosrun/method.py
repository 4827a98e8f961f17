"""The steps of a method, and how they are taken: in sequence, side by side, at their time, and each undone in its own.

What still stands when the method ends, or when anything ends it early, is not undone here: `safety.standing` does that,
the last fault first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from chaosrun.effect import Probe
from chaosrun.errors import Unavailable
from chaosrun.faults._base import Fault
from chaosrun.safety.standing import StandingFaults

ROLLBACK_ALLOWANCE_S = 60.0
"""What a rollback may take beyond what is planned for it; then it counts as failed."""


@dataclass(frozen=True)
class Pause:
    """Waits, with whatever faults are in effect."""

    length_ns: int


@dataclass(frozen=True)
class At:
    """A step is not taken before so long after the method began, or (`of_load`) after the ramp did."""

    ns: int
    of_load: bool = False


IN_TURN = At(0)


@dataclass(frozen=True)
class Inject:
    """Puts one fault into the world, and takes it away again where its time is limited."""

    fault: Fault
    identifier: str
    at: At = IN_TURN
    for_ns: int | None = None
    """Undone so long after its injection; None: it stands until the method ends."""
    planned_ns: int = 0
    """How long it takes when all goes well."""
    times: int = 1
    every_ns: int = 0
    """How often it is injected, and how long after one another."""
    probe: Probe | None = None
    """What confirms its effect; None: the fault itself."""


@dataclass(frozen=True)
class Parallel:
    """Steps that begin together; it ends with the last of them."""

    steps: tuple[Step, ...]
    at: At = IN_TURN


Step = Pause | Inject | Parallel


def faults_of(steps: Sequence[Step]) -> Iterator[Fault]:
    """Every fault among the steps and within them, in the order written."""
    for step in steps:
        if isinstance(step, Inject):
            yield step.fault
        elif isinstance(step, Parallel):
            yield from faults_of(step.steps)


class Method:
    """Takes steps, by the clock `now` (run time in ns); the ramp of the load began at `ramp`."""

    def __init__(self, faults: StandingFaults, now: Callable[[], int], ramp: int) -> None:
        self._faults = faults
        self._now = now
        self._ramp = ramp

    async def run(self, steps: Sequence[Step]) -> None:
        """Take the steps of a method in their order. May be cancelled at any time; what then stands is in `faults`.

        Raises:
            ChaosrunError: a step could not be taken; those beside it were cancelled.
        """
        began = self._now()
        for step in steps:
            await self._take(step, began)

    async def roll_back(self, steps: Sequence[Step]) -> None:
        """Take the steps of the rollbacks, every one whatever became of the others, each for a bounded time.

        A failure is a line of the journal, and makes the run dirty.
        """
        for step in steps:
            if isinstance(step, Inject):
                within_s = step.planned_ns / 1e9 + ROLLBACK_ALLOWANCE_S
                await self._faults.roll_back(step.fault, step.identifier, within_s)
            else:
                await self._take(step, self._now())

    async def _take(self, step: Step, began: int) -> None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.length_ns / 1e9)
            return
        since = self._ramp if step.at.of_load else began
        await asyncio.sleep(max(0, since + step.at.ns - self._now()) / 1e9)
        if isinstance(step, Parallel):
            await self._side_by_side(step.steps, began)
            return
        if self._faults.left:
            raise Unavailable(
                f"no other fault is injected, for one could not be undone: {'; '.join(self._faults.left)}"
            )
        first = self._now()
        for wave in range(step.times):
            await asyncio.sleep(max(0, first + wave * step.every_ns - self._now()) / 1e9)
            await self._faults.inject(step.fault, step.identifier, for_ns=step.for_ns, look=step.probe)

    async def _side_by_side(self, steps: Sequence[Step], began: int) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for step in steps:
                    group.create_task(self._take(step, began))
        except BaseExceptionGroup as errors:
            # The first one cancelled the others; what they said on their way out follows from it.
            raise errors.exceptions[0] from None
