"""`chaosrun FILE` from end to end, on the reference service."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chaosrun.errors import Exit
from chaosrun.scoring.result import Result

EXPERIMENT = """\
title: nothing happens
steady_state:
  load:
    users: {protocol: mt5, clients: 5, requests: 10/s, channels: {list: [EURUSD]}, ramp: {over: 200ms}}
  hypothesis: [{metric: usable, min: 50%}]
target: {reference: mt5-bridge}
method: [{fault: noop}]
recovery: {stable_for: 2s}
timing: {warmup: 500ms, baseline: 2s, recovery_timeout: 4s, after: 2500ms, verify: 500ms}
"""


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    file = tmp_path / "nothing.yaml"
    file.write_text(EXPERIMENT)
    return file


@pytest.mark.slow
def test_json_is_alone_on_standard_output_and_score_repeats_it(chaosrun: Any, experiment: Path, tmp_path: Path) -> None:
    done = chaosrun(experiment, "--format", "json")
    result = msgspec.json.decode(done.stdout, type=Result)
    assert result.exit_code == done.returncode
    assert result.title == "nothing happens"
    assert "phase" in done.stderr
    (folder,) = (tmp_path / "reports").iterdir()
    assert (folder / "result.json").read_text() == done.stdout
    assert folder.stat().st_mode & 0o077 == 0

    again = chaosrun("score", folder, "--format", "json")
    assert again.stdout == done.stdout
    assert again.returncode == done.returncode
    assert again.stderr == ""

    summary = chaosrun("score", folder)
    assert result.verdict.upper() in summary.stdout
    assert f"reports/{folder.name}" in summary.stdout.replace("\n", "").replace(" ", "")


@pytest.mark.slow
def test_ctrl_c_ends_a_run_with_its_report_and_exit_code_4(experiment: Path, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "chaosrun", experiment, "--format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as running:
        assert running.stderr is not None
        while "baseline" not in (line := running.stderr.readline()):
            assert line, "the run ended before its baseline"
        time.sleep(0.3)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == Exit.ABORTED, err
    assert json.loads(out)["verdict"] == "aborted"
    assert "Traceback" not in err
