"""Whole runs whose load is on the nodes of a Ray cluster: the same experiment, the same verdict, and the bad days."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray_stage
from e2e_running import INCONCLUSIVE, TINY, come_to, conclusive

from chaosrun.identity import Identity, identify, is_alive
from chaosrun.processes import RUN_TAG
from chaosrun.recorded import read_run
from chaosrun.records import NodeClock

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ON_RAY = ("--fleet", "ray", "--format", "json")


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    with ray_stage.cluster(nodes=2) as made:
        yield made


@pytest.fixture(autouse=True)
def address(nodes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", nodes.address)


def test_the_verdict_and_the_recovery_are_those_of_the_local_fleet(tmp_path: Path) -> None:
    here = conclusive(TINY, "--format", "json", reports=tmp_path / "here")
    there = conclusive(TINY, *ON_RAY, reports=tmp_path / "there")
    assert (here.code, there.code) == (0, 0), there.err
    one, other = here.result["recovery"], there.result["recovery"]
    # Half a second for the restart of each; clients come back up to 0.4 s later, each time as chance has it.
    apart = abs(one["ttr_s"] - other["ttr_s"])
    assert apart <= one["error_s"] + other["error_s"] + 0.4
    assert other["back_s"]["never"] == 0
    assert there.result["conditions"]["required"]["machine.fleet"] == "ray", "not compared with other fleets"
    assert there.folder is not None
    clocks = read_run(there.folder).lines.of(NodeClock)
    assert {(clock.worker, clock.exchanges >= 50) for clock in clocks} == {("load-0", True), ("load-1", True)}
    assert len(clocks) == 4, "before the load and after it"
    assert len({clock.node for clock in clocks}) == 2
    assert all(abs(clock.offset_ns) <= clock.bound_ns * 3 for clock in clocks), "it is one clock, after all"
    assert there.left_behind() == []


def test_a_worker_that_is_lost_makes_the_run_inconclusive_and_is_not_the_servers_loss(tmp_path: Path) -> None:
    run = come_to({"type": "phase", "name": "baseline"}, TINY, *ON_RAY, reports=tmp_path)
    time.sleep(1.5)
    os.kill(players(run.folder)[0].pid, signal.SIGKILL)
    finished = run.finish()
    assert finished.code == INCONCLUSIVE
    assert "5 of 10 clients are lost with it" in finished.err
    assert finished.kept["verdict"] == "inconclusive"
    assert "5 of 10 clients are lost with it" in json.dumps(finished.kept)
    assert finished.kept["messages"]["requests"]["lost_connected"] == 0
    assert finished.left_behind() == []


def test_a_worker_that_is_stopped_is_told_within_a_second_or_so(tmp_path: Path) -> None:
    run = come_to({"type": "phase", "name": "baseline"}, TINY, *ON_RAY, reports=tmp_path)
    player = players(run.folder)[0]
    os.kill(player.pid, signal.SIGSTOP)
    stopped = time.monotonic()
    try:
        said = "load worker 0 has said nothing for a second; what it measures meanwhile will not count"
        run.wait_for(type="note", text=said)
        assert time.monotonic() - stopped < 2.5
    finally:
        os.kill(player.pid, signal.SIGCONT)
    finished = run.finish()
    assert finished.code == INCONCLUSIVE
    assert finished.left_behind() == []


def test_a_coordinator_that_is_killed_leaves_no_load_and_no_fault(tmp_path: Path) -> None:
    run = come_to({"type": "called"}, TINY, *ON_RAY, reports=tmp_path)
    playing = players(run.folder)
    run.signal(signal.SIGKILL)
    ray_stage.until(lambda: not any(map(is_alive, playing)), within_s=2)
    finished = run.finish()
    assert finished.left_behind() == []
    ray_stage.until(lambda: any(line["type"] == "undone" for line in run.lines()), within_s=10)
    scored = subprocess.run(
        [sys.executable, "-m", "chaosrun", "score", str(run.folder)], capture_output=True, text=True, check=False
    )
    assert scored.returncode == INCONCLUSIVE, scored.stderr


def players(folder: Path | None) -> list[Identity]:
    """The actors of a run: their environment has its tag."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        with contextlib.suppress(psutil.Error):
            if process.environ().get(RUN_TAG) == str(folder) and " ".join(process.cmdline()).startswith("ray::Host"):
                identity = identify(process.pid)
                assert identity is not None
                found.append(identity)
    assert len(found) == 2
    return found
