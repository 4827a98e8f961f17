"""CPU and memory by role: with children, without strangers, and chaosrun's own apart."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from role_processes import SLEEPER, eventually, python

from chaosrun.identity import Identity, all_stats, identify, stat
from chaosrun.records import Resource
from chaosrun.targets.resources import OWN, Sampler

Start = Callable[..., subprocess.Popen[bytes]]

SECOND = 1_000_000_000
TICK_S = 0.011
"""The kernel counts CPU in ticks of 10 ms."""

BUSY_CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"


def looks(sampler: Sampler, seconds: float) -> dict[str, Resource]:
    """Told that a second has passed, so that the CPU of each is in seconds, however long a busy machine took."""
    assert sampler.look(0) == []
    time.sleep(seconds)
    return {each.role: each for each in sampler.look(SECOND)}


def used_s(*pids: int) -> float:
    return sum(stat(pid).cpu_s for pid in pids)


def identities(*pids: int) -> list[Identity]:
    found = [identify(pid) for pid in pids]
    assert None not in found
    return found  # type: ignore[return-value]


def test_a_busy_child_counts_for_its_role_and_not_for_chaosrun(start: Start, tmp_path: Path) -> None:
    parent = start(sys.executable, "-c", f"import os; os.setsid(); {BUSY_CHILD}")
    mark = tmp_path / "begun"
    idle = start(*python("import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)", str(mark)))

    def children() -> list[int]:
        return [each.pid for each in all_stats().values() if each.parent == parent.pid]

    try:
        assert eventually(lambda: mark.exists() and len(children()) == 1)
        both = (parent.pid, *children())
        before = used_s(*both)
        seen = looks(Sampler({"server": lambda: identities(parent.pid), "idle": lambda: identities(idle.pid)}), 1.0)
        assert seen["server"].processes == 2
        assert 0 < seen["server"].cpu <= used_s(*both) - before + TICK_S
        assert seen["idle"].cpu <= TICK_S
        assert seen["idle"].memory > 1_000_000
    finally:
        os.killpg(parent.pid, 9)


def test_a_process_that_only_has_the_pid_of_a_role_is_not_measured(start: Start) -> None:
    stranger = start(*python(SLEEPER))
    gone = [replace(identities(stranger.pid)[0], start_time=1.25)]
    assert "server" not in looks(Sampler({"server": lambda: gone}), 0.1)


def test_a_role_that_is_down_gives_no_sample_rather_than_a_zero() -> None:
    assert set(looks(Sampler({"server": list}), 0.1)) == {OWN}


def test_a_process_that_joins_a_role_late_brings_only_what_it_used_since(start: Start) -> None:
    busy = start(sys.executable, "-c", "while True: pass")
    assert eventually(lambda: stat(busy.pid).cpu_s > 0.5)
    members: list[Identity] = []
    sampler = Sampler({"server": lambda: members})
    before = used_s(busy.pid)
    sampler.look(0)
    members += identities(busy.pid)
    time.sleep(0.3)
    (server,) = [each for each in sampler.look(SECOND) if each.role == "server"]
    assert server.cpu <= used_s(busy.pid) - before + TICK_S
