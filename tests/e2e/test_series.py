"""Several runs of one experiment, on real processes, through the command."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from e2e_running import PATIENCE_S, ROOT, TINY, Run, chaosrun, conclusive, free_port

from chaosrun.recorded import read_run
from chaosrun.records import Began, Undone
from chaosrun.series import Repetition, draw_offsets
from chaosrun.series_folder import SERIES, read_series, runs_of

pytestmark = pytest.mark.slow
MS = 1_000_000
SHORT = (
    *("--set", "timing={warmup: 300ms, baseline: 3s, recovery_timeout: 20s, after: 2500ms, verify: 500ms}"),
    *("--set", "steady_state.load.accounts.connect_within=1s"),
)


def score(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chaosrun", "score", str(folder), *options],
        check=False, capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE_S,
    )  # fmt: skip


def series_of(run: Run) -> Path | None:
    """Its folder, once its first line is written."""
    return run.folder if run.folder is not None and (run.folder / SERIES).exists() else None


def wait_for_run(run: Run, number: int, **wanted: object) -> None:
    """Wait until the journal of a run of the series has a line with these values."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        run.look()
        series = series_of(run)
        begun = read_series(series).begun if series is not None else ()
        if series is not None and len(begun) >= number:
            inner = Run(run.process, series, run.family)
            assert inner.folder is not None
            if any(all(line.get(key) == value for key, value in wanted.items()) for line in inner.lines()):
                return
        assert run.process.poll() is None, run.process.communicate()
        time.sleep(0.05)
    raise AssertionError(f"run {number} has no {wanted} within {PATIENCE_S} s")


def wait_for_result(run: Run) -> None:
    """Wait until a run of the series is scored."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        run.look()
        if run.folder is not None and list(run.folder.glob("*/result.json")):
            return
        assert run.process.poll() is None, run.process.communicate()
        time.sleep(0.05)
    raise AssertionError(f"no run was scored within {PATIENCE_S} s")


@pytest.mark.timeout(240)
def test_three_runs_are_each_scored_and_scored_together_the_same_each_time(tmp_path: Path) -> None:
    options = ("--repeat", "3", "--seed", "7", "--cool-down", "200ms", "--format", "json")
    run = chaosrun(TINY, *SHORT, *options, reports=tmp_path)
    wait_for_run(run, 2, type="phase", name="ramp")  # a run fits into the patience, three may not
    finished = run.finish()
    folder = finished.folder
    assert folder is not None
    assert folder.name.endswith("-a-small-bridge-comes-back-series")
    assert folder.stat().st_mode & 0o777 == 0o700
    whole = finished.result
    assert finished.out == (folder / "result.json").read_text()
    assert finished.code == whole["exit_code"]

    runs = runs_of(folder)
    kept = [json.loads((each / "result.json").read_bytes()) for each in runs]
    repeats: dict[str, Any] = whole["repeats"]
    assert [each.name for each in runs] == [entry["folder"] for entry in repeats["runs"]]
    assert [each["recovery"]["ttr_s"] for each in kept] == [entry["ttr_s"] for entry in repeats["runs"]]
    assert [each["repeats"] for each in kept] == [None] * 3
    assert (repeats["n"], repeats["asked"], repeats["seed"], repeats["cool_down_s"]) == (3, 3, 7, 0.2)
    conclusive = repeats["passed"] + repeats["failed"]
    assert conclusive + repeats["inconclusive"] == 3
    if repeats["passed"] == 3:
        assert repeats["failure_probability_below"] == round(1 - 0.05 ** (1 / 3), 9)

    injected = 0
    for each, entry in zip(runs, repeats["runs"], strict=True):
        recording = read_run(each)
        began = recording.lines.of(Began)[0]
        assert began.offset_ns == round(entry["offset_s"] * 1e9)
        starts = {phase.name: phase.t for phase in recording.history.phases}
        for call in recording.history.called:
            injected += 1
            assert call.t - starts["baseline"] >= 3000 * MS + began.offset_ns
    assert injected, "at least one of three baselines is steady, on a busy machine too"
    plan = read_run(runs[0]).began.plan
    assert [each.offset_ns for each in read_series(folder).begun] == draw_offsets(plan, Repetition(3, 7, 0))
    assert finished.left_behind() == []

    before = {path: path.read_bytes() for path in folder.glob("**/result.json")}
    assert len(before) == 4
    again = score(folder, "--format", "json")
    assert again.stdout == finished.out
    assert again.returncode == finished.code
    assert {path: path.read_bytes() for path in folder.glob("**/result.json")} == before
    assert "3 of 3 runs" in score(folder).stdout


def test_a_signal_in_the_cool_down_ends_the_series_with_what_there_is(tmp_path: Path) -> None:
    options = ("--repeat", "3", "--cool-down", "10m", "--format", "json")
    run = chaosrun(TINY, *SHORT, "--set", "method=[{fault: noop}]", *options, reports=tmp_path)
    wait_for_result(run)
    run.signal(signal.SIGINT)
    finished = run.finish()
    assert finished.code == 4, finished.err
    assert finished.result["verdict"] == "aborted"
    assert finished.result["reasons"][:2] == ["stopped: stopped by SIGINT", "only 1 of 3 runs were made"]
    assert finished.folder is not None
    (only,) = runs_of(finished.folder)
    assert json.loads((only / "result.json").read_bytes())["verdict"] != "aborted", "the run itself had ended"
    assert finished.left_behind() == []
    assert score(finished.folder, "--format", "json").stdout == finished.out


def test_a_signal_in_a_runs_fault_undoes_it_and_begins_no_other_run(tmp_path: Path) -> None:
    options = ("--repeat", "3", "--cool-down", "0s", "--format", "json")
    run = chaosrun(TINY, "--set", "method.0.restart.after=30s", *options, reports=tmp_path)
    wait_for_run(run, 1, type="confirmed")
    run.signal(signal.SIGTERM)
    run.signal(signal.SIGINT)
    finished = run.finish()
    assert finished.code == 4, finished.err
    assert finished.result["stopped_by"] == "stopped by SIGTERM"
    assert [fault["undone"] for fault in finished.result["faults"]] == [True]
    assert finished.folder is not None
    *_, last = runs_of(finished.folder)  # a run whose baseline a busy machine spoilt has no fault, and one follows it
    recording = read_run(last)
    undone = {line.id for line in recording.lines.of(Undone) if line.done and line.verified}
    assert {intent.undo.id for intent in recording.history.intents} == undone
    assert finished.result["repeats"]["ttr_s"]["runs"] == 0, "what was cut short tells no time to recover"
    assert finished.left_behind() == []
    assert score(finished.folder, "--format", "json").stdout == finished.out


def test_a_run_that_fails_is_followed_by_the_next_and_one_that_cannot_start_ends_the_series(tmp_path: Path) -> None:
    """The service of this experiment starts only once: the first run sees it never return, the second finds none."""
    flag = tmp_path / "flag"
    env = {
        "CHAOSRUN_TEST_PYTHON": sys.executable,
        "CHAOSRUN_TEST_PORT": str(free_port()),
        "CHAOSRUN_TEST_FLAG": str(flag),
    }
    file = TINY.with_name("never_again.yaml")
    options = ("--repeat", "4", "--cool-down", "100ms", "--set", "target.roles.bridge.ready.within=5s")
    afresh = partial(flag.unlink, missing_ok=True)
    finished = conclusive(file, *options, reports=tmp_path / "reports", env=env, before_each=afresh)
    assert finished.code == 1, finished.err
    assert "not ready within 5 s" in finished.err
    repeats = finished.kept["repeats"]
    assert [(run["verdict"], run["exit_code"]) for run in repeats["runs"]] == [("failed", 1), (None, 69)]
    assert repeats["ttr_s"]["median"] is None
    first = repeats["runs"][0]
    assert first["censored_above_s"] >= 7
    # A run can fail with an observer that was not sound: then its time says nothing.
    assert repeats["ttr_s"]["median_above"] == (None if first["left_out"] else first["censored_above_s"])
    assert repeats["failure_probability_below"] == 1
    assert "2 of 4 runs: 1 failed, 1 without a result" in finished.out
    assert finished.left_behind() == []
    assert finished.folder is not None
    assert score(finished.folder).stdout == finished.out


def test_a_series_that_is_killed_is_scored_over_what_there_is_and_never_passes(tmp_path: Path) -> None:
    options = ("--repeat", "3", "--cool-down", "10m")
    run = chaosrun(TINY, *SHORT, "--set", "method=[{fault: noop}]", *options, reports=tmp_path)
    wait_for_result(run)
    run.signal(signal.SIGKILL)
    finished = run.finish()
    assert finished.left_behind() == []
    assert finished.folder is not None
    again = score(finished.folder, "--format", "json")
    assert again.returncode == 3, again.stderr
    assert "only 1 of 3 runs were made, and nothing tells why" in json.loads(again.stdout)["reasons"]


def test_no_secret_is_in_what_a_series_leaves_behind(tmp_path: Path) -> None:
    """Nor in why it broke off."""
    env = {
        "CHAOSRUN_TEST_PYTHON": "/nonexistent/python",
        "CHAOSRUN_TEST_PORT": str(free_port()),
        "CHAOSRUN_TEST_TOKEN": "S3cr3t-of-a-series",
    }
    file = TINY.with_name("wrong_token.yaml")
    finished = chaosrun(file, "--repeat", "2", "--cool-down", "0s", reports=tmp_path, env=env).finish()
    assert finished.code == 69, finished.err
    assert finished.out == ""
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert SERIES in {path.name for path in files}
    assert not [path for path in files if b"S3cr3t" in path.read_bytes()]
    assert "S3cr3t" not in finished.err
