"""Ctrl-C and its like in every phase: undone, scored, kept, exit 4, and nothing left running."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from e2e_running import INCONCLUSIVE, TINY, chaosrun, come_to

from chaosrun.recorded import read_run
from chaosrun.records import RolledBack, Undone

SLOW = pytest.mark.slow
GUARDED = Path(__file__).with_name("guarded.yaml")
TAKE_IT = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
ON_A_TERMINAL = (sys.executable, "-c", TAKE_IT)
"""The leader of a session takes what it reads from for its terminal, and becomes the command that it is given."""


@pytest.mark.parametrize(
    ("phase", "number"),
    [
        pytest.param("start", signal.SIGINT, marks=SLOW),
        pytest.param("ramp", signal.SIGINT, marks=SLOW),
        pytest.param("warmup", signal.SIGTERM, marks=SLOW),
        pytest.param("baseline", signal.SIGINT),
        pytest.param("fault", signal.SIGTERM),
        pytest.param("recovery", signal.SIGINT, marks=SLOW),
        pytest.param("after", signal.SIGHUP, marks=SLOW),
        pytest.param("verify", signal.SIGINT, marks=SLOW),
        pytest.param("drain", signal.SIGTERM, marks=SLOW),
    ],
)
def test_a_signal_ends_the_run_in_order(tmp_path: Path, phase: str, number: signal.Signals) -> None:
    run = come_to({"type": "phase", "name": phase}, TINY, "--format", "json", reports=tmp_path)
    run.signal(number)
    run.signal(number)
    finished = run.finish()
    if phase == "drain" and finished.code in (0, INCONCLUSIVE):
        return  # the signal came when all was over: it changed nothing, and the result is whole
    assert finished.code == 4, finished.err
    assert finished.result["verdict"] == "aborted"
    assert number.name in finished.result["stopped_by"]
    assert finished.left_behind() == []
    assert finished.folder is not None
    recording = read_run(finished.folder)
    undone = {line.id for line in recording.lines.of(Undone) if line.done and line.verified}
    assert {intent.undo.id for intent in recording.history.intents} == undone
    assert recording.history.lost_records == 0, "what was measured so far is kept whole"


def test_a_fault_that_is_under_way_is_undone_before_the_end(tmp_path: Path) -> None:
    long = ("--set", "method.0.restart.after=30s")
    run = come_to({"type": "confirmed"}, TINY, "--format", "json", *long, reports=tmp_path)
    run.signal(signal.SIGINT)
    finished = run.finish()
    assert finished.code == 4, finished.err
    faults = finished.result["faults"]
    assert [fault["undone"] for fault in faults] == [True]
    assert finished.left_behind() == []


@pytest.mark.slow
def test_a_signal_in_the_rollbacks_lets_each_of_them_come_to_its_end(tmp_path: Path) -> None:
    slow = "{fault: command, run: [sleep, '0.5'], permanent: true}"
    rollbacks = ("--set", f"rollbacks=[{slow}, {slow}]")
    run = come_to({"type": "phase", "name": "rollback"}, TINY, "--format", "json", *rollbacks, reports=tmp_path)
    run.signal(signal.SIGTERM)
    run.signal(signal.SIGINT)
    finished = run.finish()
    assert finished.code == 4, finished.err
    assert finished.folder is not None
    assert [line.error for line in read_run(finished.folder).lines.of(RolledBack)] == ["", ""]
    assert finished.left_behind() == []


@pytest.mark.slow
def test_a_signal_while_the_run_is_scored_changes_nothing_of_its_result(tmp_path: Path) -> None:
    run = come_to({"type": "ended", "w": "engine"}, TINY, "--format", "json", reports=tmp_path)
    run.signal(signal.SIGINT)
    finished = run.finish()
    if finished.code == 4:
        assert "chaosrun score" in finished.err, "it came when the result was there, and before it was shown"
    else:
        assert finished.code == finished.result["exit_code"] != 4, finished.err
    assert finished.left_behind() == []


@pytest.mark.slow
def test_a_terminal_that_goes_away_is_a_hang_up(tmp_path: Path) -> None:
    """The kernel sends SIGHUP to the leader of the session whose terminal it was; to write to that is an error now."""
    person, terminal = os.openpty()
    run = chaosrun(GUARDED, "--format", "json", reports=tmp_path, around=ON_A_TERMINAL, terminal=terminal)
    os.close(terminal)
    run.wait_for(type="called")
    run.look()
    os.close(person)
    finished = run.finish()
    assert finished.code == 4
    assert finished.result["stopped_by"] == "stopped by SIGHUP"
    assert [fault["undone"] for fault in finished.result["faults"]] == [True]
    assert finished.left_behind() == []
