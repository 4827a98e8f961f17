"""Ctrl-C and its like in every phase: undone, scored, kept, exit 4, and nothing left running."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from e2e_running import INCONCLUSIVE, TINY, come_to

from chaosrun.recorded import read_run
from chaosrun.records import Undone

SLOW = pytest.mark.slow


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
