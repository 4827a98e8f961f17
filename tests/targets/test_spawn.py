"""The gate: nothing runs that is not written down, whatever becomes of chaosrun in between."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from role_processes import eventually, python

from chaosrun.errors import Unavailable
from chaosrun.identity import Identity, stat
from chaosrun.targets.spawn import spawn

MARK = "import pathlib, sys; pathlib.Path(sys.argv[1]).touch()"


def test_the_program_does_not_begin_before_it_is_written_down(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    seen: list[bytes] = []

    def on_spawn(identity: Identity) -> None:
        command = Path(f"/proc/{identity.pid}/cmdline")
        assert eventually(lambda: command.read_bytes() != b""), "in the middle of an exec there is none"
        seen.append(command.read_bytes())
        assert not mark.exists()

    spawned = spawn(python(MARK, str(mark)), cwd=None, env={}, on_spawn=on_spawn)
    assert seen[0].startswith(b"/bin/sh\0")
    assert spawned.popen.wait(20) == 0
    assert mark.exists()


def test_what_could_not_be_written_down_never_runs(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    pids: list[int] = []

    def full_disk(identity: Identity) -> None:
        pids.append(identity.pid)
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        spawn(python(MARK, str(mark)), cwd=None, env={}, on_spawn=full_disk)
    assert stat(pids[0]) is None
    assert not mark.exists()


def test_a_starter_that_is_killed_before_it_opens_the_gate_leaks_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    starter = f"""
import os, signal
from chaosrun.targets.spawn import spawn
def on_spawn(identity):
    print(identity.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
spawn({python(MARK, str(mark))!r}, cwd=None, env={{}}, on_spawn=on_spawn)
"""
    done = subprocess.run([sys.executable, "-c", starter], stdout=subprocess.PIPE, timeout=30, check=False)
    assert done.returncode == -9
    assert eventually(lambda: (seen := stat(int(done.stdout))) is None or not seen.runs)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("argv", "cwd", "says"),
    [
        (["no-such-program-here"], None, "no such program on PATH"),
        (["./missing"], None, "missing is not an executable file"),
        (["true"], Path("/no/such/dir"), "its directory /no/such/dir is not there"),
    ],
)
def test_a_missing_program_or_directory_is_told_before_anything_is_started(
    argv: list[str], cwd: Path | None, says: str
) -> None:
    with pytest.raises(Unavailable, match=says):
        spawn(argv, cwd=cwd, env={}, on_spawn=lambda _identity: pytest.fail("started"))
