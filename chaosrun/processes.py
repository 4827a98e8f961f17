"""Finding processes by what they look like, and telling chaosrun's own from all others.

Here rather than with the targets, because an undo must find a role's processes when nothing else of the run is alive.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import psutil

from chaosrun import systemd
from chaosrun.errors import Unavailable
from chaosrun.identity import Identity, identify, is_alive, stat

RUN_TAG = "CHAOSRUN_RUN"
"""Environment variable of every process that chaosrun starts and owes an end; its value is the folder of
the run: two runs of one second share their name, and each must end its own processes only."""

ROLE_TAG = "CHAOSRUN_ROLE"
"""Beside it in the processes of a role and their children: a part of the system under test, not of chaosrun."""

GUARDIAN_TAG = "CHAOSRUN_GUARDIAN"
"""Of the guardian of a run, in place of the run's tag: the guardian ends what carries that. Its value is the same."""

_ESSENTIAL = re.compile(
    r"PATH|HOME|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|LD_LIBRARY_PATH|VIRTUAL_ENV|(PYTHON|XDG_|CHAOSRUN_)\w*"
)
"""Variables that find programs, libraries and folders, or that say how to read and write."""

_SHOWN = 160
"""Characters of a command line that are shown."""
_SERVICES = ("chaosrun.reference", "chaosrun.proxy")
_WITH_A_VALUE = ("-X", "-W")
"""Options of the interpreter that take the next word."""


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


def essentials(without: Collection[str] = ()) -> dict[str, str]:
    """Of this process's environment, what programs that belong to chaosrun cannot do without; no tag of a run.

    Args:
        without: variables that secrets were read from.
    """
    tags = {RUN_TAG, ROLE_TAG, GUARDIAN_TAG}
    return {
        name: text
        for name, text in os.environ.items()
        if _ESSENTIAL.fullmatch(name) and name not in tags and name not in without
    }


def process_told(identity: Identity) -> str:
    """A process in words: its pid and the beginning of its command line."""
    try:
        line = " ".join(filter(None, psutil.Process(identity.pid).cmdline()))[:_SHOWN]
    except (psutil.Error, OSError):
        line = "(gone)"
    return f"{identity.pid}: {line}"


def is_in_container(pid: int, container: str) -> bool:
    """Whether the kernel counts a process to the control group of the container with this full id; by whatever driver
    that was made, its path holds the id."""
    try:
        return container in Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return False


_also_above: set[Identity] = set()


class Spared(NamedTuple):
    """A process that matches, and that no fault may ever hit."""

    identity: Identity
    why: str


def find(selector: Selector) -> list[Identity]:
    """The running processes that match, in order of pid; none that is `spared`.

    Processes that may not be looked at do not match, and neither do threads of the kernel, which have no command line.
    """
    return [each for each, why in _matching(selector) if not why]


def spared(selector: Selector) -> list[Spared]:
    """The running processes that match and are left out: chaosrun at work, the processes above it, process 1."""
    return [Spared(each, why) for each, why in _matching(selector) if why]


def spare(above: Iterable[Identity]) -> None:
    """From now on no process of these is found by this one: those above a run, for whoever acts in its stead."""
    _also_above.update(above)


def _matching(selector: Selector) -> Iterator[tuple[Identity, str]]:
    """Each with why it is spared; empty: it is not."""
    above = {*lineage(), *(each.pid for each in _also_above if is_alive(each))}
    candidates = psutil.process_iter() if selector.unit is None else _main_of(selector.unit)
    for process in candidates:
        identity = identify(process.pid)
        try:
            if identity is None or (selector.unit is None and not selector.matches(process)):
                continue
            why = _why_spared(process, above)
            if is_alive(identity):
                yield identity, why
        except (psutil.Error, OSError):
            continue


def _why_spared(process: psutil.Process, above: Collection[int]) -> str:
    if process.pid == 1:
        return "process 1"
    if process.pid in above:
        return "chaosrun itself" if process.pid == os.getpid() else "above chaosrun"
    return "chaosrun at work" if _is_ours(process.pid) or runs_chaosrun(process.cmdline()) else ""


def _main_of(unit: str) -> list[psutil.Process]:
    try:
        main = systemd.look(unit).main
        return [psutil.Process(main.pid)] if main is not None else []
    except (Unavailable, psutil.Error):
        return []


def lineage() -> Iterator[int]:
    """This process and those above it: whatever started chaosrun, and would end or freeze it with itself."""
    pid = os.getpid()
    while (seen := stat(pid)) is not None:
        yield pid
        pid = seen.parent


def _is_ours(pid: int) -> bool:
    """A worker or guardian of chaosrun, of this run or another: it has a run's tag without a role's."""
    tags = environment(pid)
    return (RUN_TAG in tags and ROLE_TAG not in tags) or GUARDIAN_TAG in tags


def runs_chaosrun(argv: Sequence[str]) -> bool:
    """Whether a command line is that of chaosrun, of its guardian or of another part of it, by whomever it was started.

    What it offers to be tested, a reference service or the embedded proxy, is fair game.
    """
    words = list(argv)
    if words and PurePosixPath(words[0]).name.startswith(("python", "pypy")):
        del words[0]
        while words and words[0].startswith("-") and words[0] not in ("-m", "-c"):
            del words[: 2 if words[0] in _WITH_A_VALUE else 1]
        if words[:1] == ["-m"]:
            del words[0]
    if not words:
        return False
    program = PurePosixPath(words[0]).name
    if program.partition(".")[0] != "chaosrun" or program.startswith(_SERVICES):
        return False
    return next((word for word in words[1:] if not word.startswith("-")), "") != "serve"
