"""Lets connection attempts start in bursts no larger than a server's listen backlog takes."""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol

from chaosrun.load.agenda import Agenda

WIDTH: Final = 100
"""Attempts in flight: more overflows a listen backlog of 128, whose dropped SYNs come again a second later."""
PATIENCE_NS: Final = 250_000_000
"""An attempt this old no longer counts: one that hangs is not part of a burst, and must not keep the others away."""


class Guest(Protocol):
    def connect(self) -> None:
        """Begin the attempt; `Gate.leave` when it has ended."""


class Gate:
    """First come, first served."""

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda
        self._queue: deque[Guest] = deque()
        self._inside: set[Guest] = set()

    def enter(self, guest: Guest) -> None:
        self._queue.append(guest)
        self._let_in()

    def leave(self, guest: Guest) -> None:
        """Its attempt has ended. Does no harm when its patience ran out before."""
        if guest in self._inside:
            self._inside.remove(guest)
            self._let_in()

    def clear(self) -> None:
        """Nobody connects any more."""
        self._queue.clear()

    def _let_in(self) -> None:
        while self._queue and len(self._inside) < WIDTH:
            guest = self._queue.popleft()
            self._inside.add(guest)
            self._agenda.at(self._agenda.now() + PATIENCE_NS, self.leave, guest)
            guest.connect()
