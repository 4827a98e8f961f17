"""The experiments that are shipped, each as its own file says it is used."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from e2e_running import ROOT, conclusive, missing_copies

from chaosrun.recorded import read_run
from chaosrun.spec.loader import load_experiment

IN_CONTAINERS = ("container-crash", "network-partition")
"""Run by test_containers.py, against containers that it makes."""
IN_A_MACHINE = ("latency-netem",)
"""Run by tests/live/vm, on a kernel that has netem."""
EXPERIMENTS = sorted(
    path for path in (ROOT / "experiments").glob("*.yaml") if path.stem not in (*IN_CONTAINERS, *IN_A_MACHINE)
)


@pytest.mark.parametrize("name", [*IN_CONTAINERS, *IN_A_MACHINE])
def test_what_is_not_tried_here_is_there_and_has_a_smoke_profile(name: str) -> None:
    env = {"DOCKER_HOST": "unix:///nowhere", **os.environ}
    loaded = load_experiment(ROOT / "experiments" / f"{name}.yaml", profile="smoke", env=env)
    assert loaded.experiment.method


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda path: path.stem)
def test_the_smoke_profile_passes(tmp_path: Path, experiment: Path) -> None:
    finished = conclusive(experiment, "--profile", "smoke", "--format", "json", reports=tmp_path)
    assert finished.code == 0, finished.err + "\n".join(finished.result["reasons"])
    assert finished.result["profile"] == "smoke"
    assert finished.left_behind() == []


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_the_main_job_with_300_clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures of the note and of the README come from runs like this one."""
    monkeypatch.setattr("e2e_running.PATIENCE_S", 150.0)  # it takes 90 s on a quiet machine
    finished = conclusive(ROOT / "experiments" / "server-restart.yaml", "--format", "json", reports=tmp_path)
    assert finished.code == 0, finished.err + "\n".join(finished.result["reasons"])
    result = finished.result
    assert result["clients"]["planned"] == 300
    assert result["clients"]["reconnects"] == 300
    ledger = result["messages"]["requests"]
    assert ledger["due"] == ledger["sent"] + ledger["skipped_disconnected"] + ledger["skipped_observer"]
    assert result["recovery"]["ttr_s"] <= 10
    assert finished.folder is not None
    history = read_run(finished.folder).history
    assert history.lost_records == 0
    push = result["messages"]["push"]
    assert push["lost_connected"] == 0
    assert push["missed_disconnected"] + push["tail"] == missing_copies(finished.folder, history)


@pytest.mark.slow
@pytest.mark.proof
@pytest.mark.timeout(1300)
def test_300_clients_are_held_for_five_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("e2e_running.PATIENCE_S", 400.0)
    finished = conclusive(ROOT / "experiments" / "steady-300.yaml", "--format", "json", reports=tmp_path)
    assert finished.code == 0, finished.err + "\n".join(finished.result["reasons"])
    starts = {phase["name"]: phase["start_s"] for phase in finished.result["phases"]}
    assert starts["drain"] - starts["warmup"] >= 300, "from the end of the ramp to the end of the load"
    assert finished.result["clients"]["unexpected_disconnects"] == 0
    assert finished.result["messages"]["requests"]["lost_connected"] == 0
    assert json.loads((finished.folder / "result.json").read_text()) == finished.result  # type: ignore[operator]
