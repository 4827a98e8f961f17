"""Finding processes by what they look like, and telling chaosrun's own from all others.

Here rather than with the targets, because an undo must find a role's processes when nothing else of the run is alive.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import psutil

from chaosrun import systemd
from chaosrun.errors import Unavailable
from chaosrun.identity import Identity, identify, is_alive, stat

RUN_TAG = "CHAOSRUN_RUN"
"""Environment variable of every process that chaosrun starts and owes an end; its value is the folder of
the run: two runs of one second share their name, and each must end its own processes only."""

ROLE_TAG = "CHAOSRUN_ROLE"
"""Beside it in the processes of a role and their children: a part of the system under test, not of chaosrun."""


@dataclass(frozen=True)
class Selector:
    """What a process must look like. All that is given must hold."""

    name: str | None = None
    """As psutil tells it, or the last part of its first argument: under Wine, `terminal64.exe`. What ends in `.exe` is
    a name of Windows, which knows no case."""
    cmdline_contains: tuple[str, ...] = ()
    cmdline_excludes: tuple[str, ...] = ()
    wineprefix: str | None = None
    expect: int = 1
    container: str | None = None
    """The id of the container in which it is."""
    unit: str | None = None
    """The unit of systemd whose main process it is."""

    def __str__(self) -> str:
        parts = [
            f"name {self.name}" if self.name is not None else "",
            *(f"with {each!r}" for each in self.cmdline_contains),
            *(f"without {each!r}" for each in self.cmdline_excludes),
            f"WINEPREFIX={self.wineprefix}" if self.wineprefix is not None else "",
            f"in container {self.container[:12]}" if self.container is not None else "",
            f"main process of {self.unit}" if self.unit is not None else "",
        ]
        return ", ".join(filter(None, parts))

    def matches(self, process: psutil.Process) -> bool:
        """Whether this process is meant. Raises psutil's errors when it is gone or may not be looked at."""
        if self.container is not None and not is_in_container(process.pid, self.container):
            return False
        argv = [each for each in process.cmdline() if each]
        if not argv:
            return False
        if self.name is not None and not _is_named(self.name, process.name(), re.split(r"[/\\]", argv[0])[-1]):
            return False
        line = " ".join(argv)
        if not all(each in line for each in self.cmdline_contains) or any(
            each in line for each in self.cmdline_excludes
        ):
            return False
        if self.wineprefix is None:
            return True
        prefix = environment(process.pid).get("WINEPREFIX")
        return prefix is not None and PurePosixPath(prefix) == PurePosixPath(self.wineprefix)


def _is_named(wanted: str, *names: str) -> bool:
    if wanted.lower().endswith(".exe"):
        return wanted.lower() in (name.lower() for name in names)
    return wanted in names


def environment(pid: int) -> dict[str, str]:
    """What `pid` was started with; empty when it is gone or another user's."""
    try:
        raw = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    pairs = (entry.partition(b"=") for entry in raw.split(b"\0"))
    return {os.fsdecode(key): os.fsdecode(value) for key, _, value in pairs if key}


def is_in_container(pid: int, container: str) -> bool:
    """Whether the kernel counts a process to the control group of the container with this full id; by whatever driver
    that was made, its path holds the id."""
    try:
        return container in Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return False


def find(selector: Selector) -> list[Identity]:
    """The running processes that match, in order of pid; never chaosrun, a parent of it, or process 1.

    Processes that may not be looked at do not match.
    """
    if selector.unit is not None:
        return _main_of(selector.unit)
    excluded = {1, *_lineage()}
    found = []
    for process in psutil.process_iter():
        if process.pid in excluded:
            continue
        identity = identify(process.pid)
        try:
            if identity is not None and selector.matches(process) and not _is_ours(process.pid) and is_alive(identity):
                found.append(identity)
        except (psutil.Error, OSError):
            continue
    return found


def _main_of(unit: str) -> list[Identity]:
    try:
        main = systemd.look(unit).main
    except Unavailable:
        return []
    return [main] if main is not None else []


def _lineage() -> Iterator[int]:
    """This process and those above it."""
    pid = os.getpid()
    while (seen := stat(pid)) is not None:
        yield pid
        pid = seen.parent


def _is_ours(pid: int) -> bool:
    """A worker of chaosrun, of this run or another: it has a run's tag without a role's."""
    tags = environment(pid)
    return RUN_TAG in tags and ROLE_TAG not in tags
