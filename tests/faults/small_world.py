"""A world of one role, over real processes, for the tests of faults and of their undoing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from chaosrun.identity import send_signal
from chaosrun.processes import Selector, find
from chaosrun.targets.command import CommandRole
from chaosrun.targets.output import Output
from chaosrun.targets.process import ProcessRole

SLEEPER = "import time; time.sleep(600)"
Role = CommandRole | ProcessRole


class World:
    """Implements `chaosrun.faults._base.World`."""

    def __init__(self, role: Role) -> None:
        self._origin_ns = time.monotonic_ns()
        self.roles: Mapping[str, Role] = {role.name: role}
        self.url = "ws://127.0.0.1:9/"

    def now(self) -> int:
        return time.monotonic_ns() - self._origin_ns


def sleeper(word: str) -> list[str]:
    """A process that no other selector matches."""
    return [sys.executable, "-c", SLEEPER, word]


def owned_role(folder: Path) -> CommandRole:
    """A role that the run itself starts."""
    argv = sleeper(uuid.uuid4().hex)
    return CommandRole("server", argv, run=str(folder), output=Output(folder / "server.log"))


def found_role(folder: Path, word: str, *, start: bool = True, expect: int = 1) -> ProcessRole:
    """A role that was there before."""
    selector = Selector(cmdline_contains=(word,), expect=expect)
    return ProcessRole("server", selector, output=Output(folder / "server.log"), start=sleeper(word) if start else None)


@contextmanager
def somebody_elses(word: str, count: int = 1) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that chaosrun did not start; whatever carries `word` afterwards is ended."""
    processes = [subprocess.Popen(sleeper(word)) for _ in range(count)]
    try:
        while len(find(Selector(cmdline_contains=(word,)))) < count:
            time.sleep(0.01)
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()
        for left in find(Selector(cmdline_contains=(word,))):
            send_signal(left, signal.SIGKILL)
