"""Identity: the process that is meant, and no other one that came to have its pid."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from role_processes import SLEEPER, eventually, python

from chaosrun.identity import Identity, boot_id, identify, is_alive, send_signal, stat, wait_gone

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def sleeper(start: Start) -> Identity:
    identity = identify(start(*python(SLEEPER)).pid)
    assert identity is not None
    return identity


@pytest.mark.parametrize("change", [{"start_time": 1.25}, {"boot_id": "another-boot"}])
def test_a_process_that_only_shares_the_pid_is_neither_alive_nor_signalled(
    sleeper: Identity, change: dict[str, float]
) -> None:
    stranger = replace(sleeper, **change)
    assert not is_alive(stranger)
    assert not send_signal(stranger, signal.SIGKILL)
    assert wait_gone(stranger, 0)
    assert is_alive(sleeper)


def test_a_zombie_is_not_alive_and_its_end_is_not_waited_for(start: Start) -> None:
    process = start(*python("pass"))
    identity = Identity(process.pid, stat(process.pid).start_time, boot_id())
    assert wait_gone(identity, 20)
    assert stat(process.pid).state == "Z"
    assert not is_alive(identity)
    assert identify(process.pid) is None


def test_a_signal_reaches_the_process_and_its_end_is_seen(sleeper: Identity) -> None:
    assert not wait_gone(sleeper, 0.05)
    assert send_signal(sleeper, signal.SIGKILL)
    assert wait_gone(sleeper, 20)
    assert not is_alive(sleeper)


def test_a_process_that_never_was_is_gone(sleeper: Identity) -> None:
    nobody = replace(sleeper, pid=2**22 + 1)
    assert not is_alive(nobody)
    assert not send_signal(nobody, signal.SIGTERM)
    assert stat(nobody.pid) is None


def test_an_identity_survives_the_journal() -> None:
    own = identify(os.getpid())
    assert Identity(**own.as_data()) == own


def test_the_start_time_does_not_change_over_an_exec(start: Start) -> None:
    process = start("/bin/sh", "-c", 'sleep 0.1; exec "$0" -c "$1"', sys.executable, SLEEPER)
    first = stat(process.pid).start_time
    assert eventually(lambda: Path(f"/proc/{process.pid}/cmdline").read_bytes().startswith(sys.executable.encode()))
    assert stat(process.pid).start_time == first
