"""Takes the messages of one connection at a rate, and reads the kernel no further while there is one left to take.

So the peer's data waits where that of a slow program waits: in this machine's receive buffer until it is full, then in
the peer's send buffer, then in the peer's own memory, or wherever it has it wait. What one read has brought is held
here; nothing is read meanwhile, so that it is never more than that.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable


class SlowReading:
    """Hands messages to `take`, at most one every `every_s`."""

    __slots__ = ("_due", "_every_s", "_held", "_is_paused", "_loop", "_read_on", "_take", "_timer")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        every_s: float,
        take: Callable[[memoryview | bytes, bool], None],
        read_on: Callable[[bool], None],
    ) -> None:
        """
        Args:
            take: must not raise.
            read_on: whether the connection is to be read; called when that changes. It is to be read again when all
                that was held is taken.
        """
        self._loop = loop
        self._every_s = every_s
        self._take = take
        self._read_on = read_on
        self._held: deque[tuple[bytes, bool]] = deque()
        self._is_paused = False
        self._due = 0.0
        """When the next one may be taken, on the loop's clock."""
        self._timer: asyncio.TimerHandle | None = None
        """Fires then; None: that is over, or it is paused."""

    @property
    def holds(self) -> bool:
        """A message waits to be taken."""
        return bool(self._held)

    def hear(self, data: memoryview | bytes, binary: bool) -> None:
        """A message was read."""
        if self._timer is not None or self._is_paused or self._held:
            self._held.append((bytes(data), binary))
            return
        self._wait_until(self._loop.time() + self._every_s)
        self._read_on(False)
        self._take(data, binary)

    def pause(self) -> None:
        """Take nothing, until `go_on`."""
        self._is_paused = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def go_on(self) -> None:
        self._is_paused = False
        if self._timer is None:
            self._wait_until(max(self._due, self._loop.time()))

    def take_all(self) -> None:
        """Take what is held, at once."""
        self.pause()
        while self._held:
            self._take(*self._held.popleft())

    def drop(self) -> None:
        """Nobody takes anything any more."""
        self.pause()
        self._held.clear()

    def _wait_until(self, due: float) -> None:
        self._due = due
        self._timer = self._loop.call_at(due, self._next)

    def _next(self) -> None:
        self._timer = None
        if self._held:
            # By when it was due, not by when the loop came round to it; but what a stalled loop missed is not made up.
            self._wait_until(max(self._due + self._every_s, self._loop.time()))
            self._take(*self._held.popleft())
        else:
            self._read_on(True)
