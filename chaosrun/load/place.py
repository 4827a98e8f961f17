"""Where the workers of a fleet run."""

from __future__ import annotations

from abc import ABC, abstractmethod

from chaosrun.load.handle import Worker
from chaosrun.load.wire import Setup


class Place(ABC):
    """One place for all workers of a fleet: opened before the first is made, closed after the last has ended."""

    async def open(self, workers: int) -> int:
        """Make ready for so many workers; how many there will be, which is as many unless the place knows better.

        Raises:
            Unavailable: it cannot, with the remedy.
        """
        return workers

    @abstractmethod
    def worker(self, setup: Setup) -> Worker:
        """A worker, not begun yet."""

    async def close(self) -> None:
        """All workers have ended, or were given up. Safe to call twice, and unopened."""
        return
