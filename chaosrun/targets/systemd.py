"""A role that is a unit of systemd: `systemd: mt5-bridge.service`. Its process is the unit's main one.

It is somebody else's, as processes that were found are: chaosrun never ends it except by a fault, and starts it again
through systemd, so that it is the unit as before.
"""

from __future__ import annotations

import time

from chaosrun import systemd
from chaosrun.errors import Unavailable
from chaosrun.identity import Identity, is_alive
from chaosrun.processes import Selector
from chaosrun.targets._base import OnExit, OnSpawn
from chaosrun.targets.output import Output
from chaosrun.targets.process import ProcessRole
from chaosrun.targets.readiness import Ready

_ASK_EVERY_S = 0.1
"""A unit without a process is asked about no more often: each question is a program that is started."""


class SystemdRole(ProcessRole):
    """Implements `Role` over whatever process is the unit's main one at the time of asking."""

    def __init__(
        self,
        name: str,
        unit: str,
        *,
        output: Output,
        ready: Ready | None = None,
        on_spawn: OnSpawn = lambda _identity: None,
        on_exit: OnExit = lambda _identity, _code, _expected: None,
    ) -> None:
        super().__init__(
            name,
            Selector(unit=unit),
            output=output,
            start=systemd.start_command(unit),
            ready=ready,
            on_spawn=on_spawn,
            on_exit=on_exit,
        )
        self._unit = unit
        self._asked_at = float("-inf")

    def pids(self) -> list[Identity]:
        """Asks only where the process that was found last has ended."""
        if self._last_found and all(map(is_alive, self._last_found)):
            return self._last_found
        if time.monotonic() - self._asked_at < _ASK_EVERY_S:
            return []
        self._asked_at = time.monotonic()
        return super().pids()

    def resolve(self) -> list[Identity]:
        """The main process; `Unavailable`, with what systemd says, where there is none."""
        refuse_unless_up(self.name, self._unit)
        self._asked_at = float("-inf")
        return super().resolve()


def refuse_unless_up(role: str, unit: str) -> None:
    """
    Raises:
        Unavailable: the unit has no main process.
    """
    seen = systemd.look(unit)
    if seen.main is None:
        raise Unavailable(f"role {role}: unit {unit} is {seen}, without a main process; start it before the experiment")
