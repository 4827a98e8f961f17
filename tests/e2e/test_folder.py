"""Several experiments in one go, as a user runs them: `chaosrun FOLDER`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from e2e_running import PATIENCE_S, ROOT, TINY, chaosrun

from chaosrun.errors import Exit
from chaosrun.scoring.repeats import worst

NOTHING = "method: [{fault: noop}]\n"
SHORT = "timing: {warmup: 300ms, baseline: 2s, recovery_timeout: 13s, after: 2500ms, verify: 500ms}\n"
KEPT = ("junit.xml", "suite.html", "suite.json", "summary.md")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two experiments that do nothing, shorter than any other, and one that needs what is not here."""
    made = tmp_path / "experiments"
    made.mkdir()
    text = TINY.read_text()
    head = text[: text.index("method:")] + "recovery: {within: 10s, stable_for: 2s}\n" + SHORT
    (made / "a.yaml").write_text(head + NOTHING)
    (made / "c.yaml").write_text(head.replace("A small bridge comes back", "Another one") + NOTHING)
    missing = "target: {url: 'ws://127.0.0.1:9/ws', roles: {server: {command: [no-such-program-anywhere]}}}\n"
    (made / "b.yaml").write_text(head.replace("target:\n  reference: mt5-bridge\n", missing) + NOTHING)
    return made


def on_folder(command: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chaosrun", command, str(folder), *options],
        check=False, capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE_S,
    )  # fmt: skip


@pytest.mark.slow
def test_a_folder_is_run_in_order_and_kept_as_one_and_scored_the_same_again(folder: Path, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    arguments = (folder, "--skip", "unavailable", "--cool-down", "500ms", "--format", "json")
    finished = chaosrun(*arguments, reports=reports).finish()
    assert finished.folder is not None, finished.err
    suite = json.loads(finished.out)
    assert [Path(run["experiment"]).name for run in suite["runs"]] == ["a.yaml", "b.yaml", "c.yaml"]
    assert [run["state"] for run in suite["runs"]] == ["ran", "skipped", "ran"]
    assert "no-such-program-anywhere" in suite["runs"][1]["why"]
    # A machine that is busy makes a run inconclusive; whatever came of each, the exit code is that of the worse.
    codes = [run["exit_code"] for run in suite["runs"] if run["state"] == "ran"]
    assert finished.code == suite["exit_code"] == worst(map(Exit, codes))
    assert finished.left_behind() == []

    root = ET.parse(finished.folder / "junit.xml").getroot()
    assert len(root.findall("testsuite")) == 4
    for run in suite["runs"]:
        assert run["state"] == "skipped" or (finished.folder / run["folder"] / "report.html").is_file()
    before = {name: (finished.folder / name).read_bytes() for name in KEPT}
    again = on_folder("score", finished.folder, "--format", "json")
    assert json.loads(again.stdout) == suite
    assert again.returncode == finished.code
    drawn = on_folder("report", finished.folder)
    assert drawn.returncode == 0, drawn.stderr
    assert {name: (finished.folder / name).read_bytes() for name in KEPT} == before


@pytest.mark.slow
def test_ctrl_c_undoes_the_run_under_way_and_begins_no_other(folder: Path, tmp_path: Path) -> None:
    run = chaosrun(folder / "a.yaml", folder / "c.yaml", "--format", "json", reports=tmp_path / "reports")
    end = time.monotonic() + PATIENCE_S
    while not any('"name":"baseline"' in text for text in journals(run.reports)):
        assert run.process.poll() is None, run.finish().err
        assert time.monotonic() < end
        time.sleep(0.05)
    run.signal(signal.SIGINT)
    finished = run.finish()
    suite = json.loads(finished.out)
    assert (finished.code, suite["verdict"], suite["stopped_by"]) == (4, "aborted", "stopped by SIGINT")
    assert [each["state"] for each in suite["runs"]] == ["ran", "not_run"]
    assert suite["runs"][0]["verdict"] == "aborted"
    assert finished.left_behind() == []


def journals(reports: Path) -> list[str]:
    return [file.read_text(errors="replace") for file in reports.glob("*/*/journal.jsonl")]
