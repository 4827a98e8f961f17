"""The other ways a run can end, each on real processes."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest
from e2e_running import TINY, chaosrun, conclusive, free_port

from chaosrun.recorded import read_run


def test_a_server_that_never_recovers_fails_with_a_censored_time(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    env = {
        "CHAOSRUN_TEST_PYTHON": sys.executable,
        "CHAOSRUN_TEST_PORT": str(free_port()),
        "CHAOSRUN_TEST_FLAG": str(flag),
    }
    file = TINY.with_name("never_again.yaml")
    afresh = partial(flag.unlink, missing_ok=True)
    finished = conclusive(file, "--format", "json", reports=tmp_path / "reports", env=env, before_each=afresh)
    assert finished.code == 1, finished.err
    recovery = finished.result["recovery"]
    assert recovery["ttr_s"] is None
    assert recovery["ttr_censored_above_s"] >= 7
    assert recovery["back_s"]["never"] == 10
    assert recovery["back_s"]["all"] is None
    assert recovery["server_ready_s"] is None
    assert finished.left_behind() == []


def test_an_unsteady_server_is_left_alone(tmp_path: Path) -> None:
    """The bridge stops answering in the baseline: no fault is injected, and the run is inconclusive and says why."""
    stalling = "target.options={stall_after_s: 4}"
    finished = chaosrun(TINY, "--format", "json", "--set", stalling, reports=tmp_path).finish()
    assert finished.code == 3, finished.err
    assert finished.folder is not None
    history = read_run(finished.folder).history
    assert not history.called
    assert not history.intents
    assert finished.result["verdict"] == "inconclusive"
    assert any("crash the bridge, for the baseline was not steady" in reason for reason in finished.result["reasons"])
    assert finished.left_behind() == []


def test_the_control_experiment_reports_no_impact(tmp_path: Path) -> None:
    finished = conclusive(TINY, "--format", "json", "--set", "method=[{fault: noop, name: nothing}]", reports=tmp_path)
    assert finished.code == 0, finished.err + finished.out
    recovery = finished.result["recovery"]
    assert recovery["absorbed"] is True
    assert recovery["ttr_s"] == 0
    assert recovery["impact_s"] is None
    assert recovery["affected_clients"] == 0
    assert finished.result["clients"]["unexpected_disconnects"] == 0


def test_a_load_test_has_no_fault_and_fails_on_a_limit_that_does_not_hold(tmp_path: Path) -> None:
    overrides = ("--set", "method=[]", "--set", "timing.baseline=3s")
    impossible = "steady_state.hypothesis.usable={metric: response_p50, min: null, max: 1us}"
    finished = conclusive(TINY, "--format", "json", *overrides, "--set", impossible, reports=tmp_path)
    assert finished.code == 1, finished.err + finished.out
    assert finished.result["faults"] == []
    assert finished.result["verdict"] == "failed"


@pytest.mark.slow
def test_two_workers_give_the_same_ledger_as_the_plan_asks_for(tmp_path: Path) -> None:
    finished = conclusive(TINY, "--format", "json", "--set", "steady_state.load.accounts.workers=2", reports=tmp_path)
    assert finished.code == 0, finished.err + finished.out
    assert finished.folder is not None
    assert {path.name for path in (finished.folder / "samples").glob("*.slots")} == {"load-0.slots", "load-1.slots"}
    assert finished.result["clients"]["planned"] == 10
    assert finished.result["clients"]["reconnects"] == 10


@pytest.mark.slow
def test_a_guard_that_burns_through_stops_the_run(tmp_path: Path) -> None:
    guard = "stop_when=[{metric: usable, below: 50%, for: 1s}]"
    finished = conclusive(
        TINY, "--format", "json", "--set", guard, "--set", "method.0.restart.after=20s", reports=tmp_path
    )
    assert finished.code == 4, finished.err
    assert finished.result["verdict"] == "aborted"
    assert "usable" in finished.result["stopped_by"]
    assert finished.left_behind() == []


@pytest.mark.slow
def test_websockets_as_transport_reports_the_same_kind_of_outage(tmp_path: Path) -> None:
    finished = conclusive(
        TINY, "--format", "json", "--set", "steady_state.load.accounts.transport=websockets", reports=tmp_path
    )
    assert finished.code == 0, finished.err + finished.out
    assert finished.result["clients"]["unexpected_disconnects"] == 10
