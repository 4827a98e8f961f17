"""Starting a process without ever losing it: it waits behind a gate until its pid and start time are written down.

Between a plain start and the record of it, a chaosrun that is killed leaks the process. Here the process reads a line
from its standard input before it becomes the program: no line, no program.
"""

from __future__ import annotations

import asyncio
import functools
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaosrun.errors import Unavailable
from chaosrun.identity import Identity, identify
from chaosrun.targets._base import OnSpawn

_GATE = 'read -r opened || exit 99; exec "$@"'
_GATE_AND_DETACH = 'read -r opened || exit 99; exec "$@" </dev/null'


@dataclass(eq=False)
class Spawned:
    """A process that runs, and what we hold of it."""

    identity: Identity
    popen: subprocess.Popen[bytes]
    output: int | None
    """Read end of its standard output and error; None when they go to a file."""


def spawn(
    argv: Sequence[str],
    *,
    cwd: Path | None,
    env: Mapping[str, str],
    on_spawn: OnSpawn,
    into: Path | None = None,
    inherits: Mapping[str, str] | None = None,
) -> Spawned:
    """Starts `argv` in a session and process group of its own, with `env` added to what it `inherits`: chaosrun's
    environment, where nothing else is given.

    Its standard input is a pipe that ends when chaosrun does, and its output another; where the machine has a way to
    ask for it, the kernel ends the process itself (not its children) with the thread that called this. But with
    `into`, for a process that is to outlive chaosrun, its input is /dev/null and its output is appended to that file.
    Raises `Unavailable` when there is no such program or directory; whatever `on_spawn` raises ends the process first.
    """
    environment = {**(os.environ if inherits is None else inherits), **env}
    _refuse_missing(argv, cwd, environment)
    read_end, write_end = (
        os.pipe() if into is None else (None, os.open(into, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644))
    )
    try:
        popen = subprocess.Popen(
            ["/bin/sh", "-c", *((_GATE, "sh", *_die_with_us()) if into is None else (_GATE_AND_DETACH, "sh")), *argv],
            cwd=cwd,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=write_end,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    finally:
        os.close(write_end)
    assert popen.stdin is not None
    try:
        identity = identify(popen.pid)
        if identity is None:
            raise Unavailable(f"{argv[0]} ended before it began; is /bin/sh in order?")
        on_spawn(identity)
        popen.stdin.write(b"\n")
        popen.stdin.flush()
    except BaseException:
        popen.stdin.close()
        popen.wait()
        if read_end is not None:
            os.close(read_end)
        raise
    if into is not None:
        popen.stdin.close()
    return Spawned(identity, popen, read_end)


@functools.cache
def _die_with_us() -> tuple[str, ...]:
    """What goes before a command for the kernel to kill it when chaosrun dies; nothing where that cannot be had."""
    words = ("setpriv", "--pdeathsig", "KILL", "--")
    try:
        known = subprocess.run([*words, "true"], capture_output=True, timeout=5, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        known = False
    return words if known else ()


async def exit_of(process: Spawned) -> None:
    """Waits for the end of a process of ours and reaps it; its code is then in `popen.returncode`."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    # Our own child is not reaped yet, so its pid cannot be anybody else's.
    pidfd = os.pidfd_open(process.popen.pid)
    loop.add_reader(pidfd, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)
    process.popen.wait()
    if process.popen.stdin is not None:
        process.popen.stdin.close()


def _refuse_missing(argv: Sequence[str], cwd: Path | None, environment: Mapping[str, str]) -> None:
    if cwd is not None and not cwd.is_dir():
        raise Unavailable(f"cannot start {argv[0]}: its directory {cwd} is not there")
    if "/" in argv[0]:
        at = (cwd or Path()) / argv[0]
        if not (at.is_file() and os.access(at, os.X_OK)):
            raise Unavailable(f"cannot start {argv[0]}: {at} is not an executable file")
    elif shutil.which(argv[0], path=environment.get("PATH")) is None:
        raise Unavailable(f"cannot start {argv[0]}: no such program on PATH")
