"""What systemd says of a unit, asked through `systemctl`: which process is its main one, and how it is started."""

from __future__ import annotations

import subprocess
from typing import NamedTuple

from chaosrun.errors import Unavailable
from chaosrun.identity import Identity, identify

_ANSWER_WITHIN_S = 5.0


class Unit(NamedTuple):
    """The state of a unit, in systemd's own words."""

    load: str
    """`loaded`, `not-found`, `masked`, ..."""
    active: str
    """`active`, `inactive`, `failed`, `activating`, ..."""
    main: Identity | None
    """Its main process; None: it has none now."""

    def __str__(self) -> str:
        return self.active if self.load == "loaded" else self.load


def start_command(unit: str) -> tuple[str, ...]:
    return ("systemctl", "start", unit)


def look(unit: str) -> Unit:
    """How the unit is now. Blocks.

    Raises:
        Unavailable: there is nobody to ask.
    """
    command = ("systemctl", "show", "--property=LoadState,ActiveState,MainPID", "--", unit)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER_WITHIN_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(
            f"unit {unit}: systemctl cannot be asked ({error}); is this machine run by systemd?"
        ) from error
    said = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    if done.returncode != 0 or "LoadState" not in said:
        why = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise Unavailable(f"unit {unit}: systemctl says: {why}")
    pid = said.get("MainPID", "0")
    main = identify(int(pid)) if pid.isdigit() and pid != "0" else None
    return Unit(said["LoadState"], said.get("ActiveState", "unknown"), main)
