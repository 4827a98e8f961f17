"""Processes of a run that are killed or frozen from outside, and what is left of the run then."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from e2e_running import TINY, Run, chaosrun, come_to, command_line, descendants, free_port, skip_where_stolen_from

from chaosrun.identity import Identity, is_alive, send_signal
from chaosrun.recorded import read_run
from chaosrun.records import Called

SLOW = pytest.mark.slow
OWN = Path(__file__).with_name("wrong_token.yaml")


def hit(run: Run, module: str, number: signal.Signals) -> Identity:
    """Signal the process of the run that is this module, or one of them."""
    run.look()
    process = next(each for each in descendants(run.process.pid) if f" -m {module} " in command_line(each.pid))
    assert send_signal(process, number)
    return process


@pytest.mark.parametrize(
    "phase",
    [
        pytest.param("start", marks=SLOW),
        pytest.param("ramp", marks=SLOW),
        pytest.param("baseline"),
        pytest.param("fault", marks=SLOW),
        pytest.param("recovery", marks=SLOW),
        pytest.param("verify", marks=SLOW),
    ],
)
def test_a_killed_chaosrun_takes_its_processes_with_it_and_is_never_scored_as_a_whole_run(
    tmp_path: Path, phase: str
) -> None:
    run = come_to({"type": "phase", "name": phase}, TINY, reports=tmp_path)
    run.look()
    run.process.kill()
    finished = run.finish()
    assert finished.left_behind() == []
    assert finished.folder is not None
    scored = subprocess.run([sys.executable, "-m", "chaosrun", "score", finished.folder], check=False, timeout=60)
    assert scored.returncode in (3, 5), "what a dead chaosrun did not see is not the service's failure"


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="the kernel's help is asked for through setpriv")
def test_a_service_of_ones_own_dies_with_a_killed_chaosrun_too(tmp_path: Path) -> None:
    run = chaosrun(
        OWN, reports=tmp_path, env={"CHAOSRUN_TEST_PYTHON": sys.executable, "CHAOSRUN_TEST_PORT": str(free_port())}
    )
    run.wait_for(type="phase", name="ramp")
    run.look()
    run.process.kill()
    assert run.finish().left_behind() == []


@SLOW
def test_without_its_prober_a_run_goes_on_to_an_inconclusive_end(tmp_path: Path) -> None:
    run = chaosrun(TINY, "--format", "json", reports=tmp_path)
    run.wait_for(type="phase", name="baseline")
    hit(run, "chaosrun.load.prober", signal.SIGKILL)
    finished = run.finish()
    assert finished.code == 3, finished.err
    assert "the prober ended by itself" in finished.err
    assert finished.folder is not None
    called = read_run(finished.folder).lines.of(Called)
    if not called:
        skip_where_stolen_from(finished.out + finished.err)
    assert len(called) == 1
    assert finished.left_behind() == []


@SLOW
@pytest.mark.parametrize("module", ["chaosrun.load.worker", "chaosrun.load.prober"])
def test_a_process_that_is_frozen_is_waited_for_no_longer_than_was_said_and_ended(tmp_path: Path, module: str) -> None:
    run = chaosrun(TINY, "--format", "json", reports=tmp_path)
    run.wait_for(type="phase", name="baseline")
    frozen = hit(run, module, signal.SIGSTOP)
    finished = run.finish()
    assert finished.code == 3, finished.err
    assert re.search("has fallen silent|did not answer", finished.result["stopped_by"])
    assert finished.result["faults"][0]["call_s"] is None
    assert not is_alive(frozen)
    assert finished.left_behind() == []


@SLOW
def test_one_of_two_workers_that_is_killed_leaves_the_others_rows_whole(tmp_path: Path) -> None:
    two = ("--set", "steady_state.load.accounts.workers=2")
    run = come_to({"type": "phase", "name": "recovery"}, TINY, "--format", "json", *two, reports=tmp_path)
    hit(run, "chaosrun.load.worker", signal.SIGKILL)
    finished = run.finish()
    assert finished.code == 3, finished.err
    assert finished.folder is not None
    recording = read_run(finished.folder)
    assert recording.history.load_stopped < recording.history.end, "its end was told to the one that is left"
    assert recording.history.lost_records == 1
    assert finished.left_behind() == []


@SLOW
def test_a_folder_that_is_taken_away_is_told_before_any_fault(tmp_path: Path) -> None:
    run = chaosrun(TINY, reports=tmp_path)
    run.wait_for(type="phase", name="baseline")
    assert run.folder is not None
    shutil.rmtree(run.folder)
    finished = run.finish()
    assert finished.code == 74, finished.err
    assert "called" not in finished.err
    assert finished.left_behind() == []
