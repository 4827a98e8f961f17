"""A process that chaosrun may not signal is refused by its faults, with the remedy, before anything is done to it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_world import World, found_role, sleeper

from chaosrun.errors import Unavailable
from chaosrun.faults._base import Fault
from chaosrun.faults.process_kill import ProcessKill
from chaosrun.faults.process_pause import ProcessPause
from chaosrun.identity import identify, may_signal
from chaosrun.processes import Selector, find

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="processes of two users need root")

DAEMON, NOBODY = 1, 65534
FAULTS = [
    ProcessKill("kill it", role="server", number=signal.SIGKILL, restart_after_s=0),
    ProcessPause("freeze it", role="server"),
]


@pytest.fixture
def word() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def world(tmp_path: Path, word: str) -> World:
    return World(found_role(tmp_path, word))


@pytest.fixture
def daemons(world: World, word: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the user daemon, with this test as the user nobody."""
    # `sh` for whoever may not read the tests' own interpreter.
    process = subprocess.Popen(["sh", "-c", "while :; do sleep 1; done", word], user=DAEMON, cwd="/")
    while not find(Selector(cmdline_contains=(word,))):
        time.sleep(0.01)
    os.seteuid(NOBODY)
    try:
        yield process
    finally:
        os.seteuid(0)
        process.kill()
        process.wait()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.kind)
def test_a_process_of_another_user_is_refused_by_name_of_its_owner(
    world: World, daemons: subprocess.Popen[bytes], fault: Fault
) -> None:
    identity = identify(daemons.pid)
    assert identity is not None
    assert not may_signal(identity)
    with pytest.raises(Unavailable, match=f"process {daemons.pid} of role 'server' belongs to daemon.*as daemon or"):
        fault.plan(world, "f1")
    assert daemons.poll() is None


def test_one_of_our_own_may_be_signalled_and_so_may_one_that_is_gone(word: str) -> None:
    process = subprocess.Popen(sleeper(word))
    identity = identify(process.pid)
    assert identity is not None
    assert may_signal(identity)
    process.kill()
    process.wait()
    assert may_signal(identity)
