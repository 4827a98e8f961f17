"""Kills while netem's queue stands, in a virtual machine whose kernel has netem: one boot for all of them."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from instants import Instant
from lanes import Done
from shots import Shot
from watched_run import ROOT

sys.path.insert(0, str(Path(__file__).parents[1] / "live" / "vm"))

from linux_vm import machine
from vm_parts import CannotBeHad

__all__ = ["CannotBeHad", "KillsInAMachine"]

STORY = Path(__file__).with_name("in_machine.py")
_BOOT_S = 480
_KILL_S = 60
"""The processor is emulated: a second of work takes some ten."""


@dataclass(frozen=True)
class KillsInAMachine:
    """Of a process that injects the fault as a run does, with its undo on disk first, and has no load."""

    kills: int
    seed: int
    folder: Path
    fault: str = "netem"

    def check(self) -> None:
        """Raises:
        CannotBeHad: there can be no such machine here.
        """
        machine()

    def run(self, done: Done) -> None:
        done.hit[self.fault] = "the loopback device of a virtual machine; by a process with the fault and no load"
        command = [sys.executable, str(STORY), str(self.kills), str(self.seed)]
        code = machine().run(
            command, self.folder, within_s=_BOOT_S + _KILL_S * self.kills, env={"PYTHONPATH": str(ROOT)}
        )
        if code:
            raise RuntimeError((self.folder / "output").read_text()[-4000:])
        for told in json.loads((self.folder / "facts.json").read_text()):
            told["instant"] = Instant(*told["instant"])
            told["left"] = tuple(told["left"])
            done.shots.append(Shot(**told))
