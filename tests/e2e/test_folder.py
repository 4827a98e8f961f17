"""Several experiments in one go, as a user runs them: `chaosrun FOLDER`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

import psutil
import pytest
from e2e_running import PATIENCE_S, ROOT, TINY, chaosrun

from chaosrun import engine
from chaosrun.entries import Entry, Ready, load_entries
from chaosrun.errors import Exit
from chaosrun.reports._suite_files import SuiteReports
from chaosrun.reports._view import View
from chaosrun.scoring.repeats import worst
from chaosrun.sequence import Course, run_sequence

NOTHING = "method: [{fault: noop}]\n"
SHORT = "timing: {warmup: 300ms, baseline: 2s, recovery_timeout: 13s, after: 2500ms, verify: 500ms}\n"
RUNS = int(os.environ.get("CHAOSRUN_TEST_RUNS", "4"))
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


@pytest.mark.slow
def test_none_is_begun_after_a_verdict_that_ends_it_and_the_rest_is_told_as_not_run(
    folder: Path, tmp_path: Path
) -> None:
    never_steady = (folder / "a.yaml").read_text().replace("{metric: usable, min: 100%}", "{metric: bad, min: 99%}")
    (folder / "a.yaml").write_text(never_steady)
    stopping = ("--stop-on", "inconclusive", "--stop-on", "failed")
    finished = chaosrun(folder, *stopping, "--format", "json", reports=tmp_path / "reports").finish()
    assert finished.folder is not None, finished.err
    suite = json.loads(finished.out)
    why = "after experiment 1, which was inconclusive"
    assert (finished.code, suite["verdict"], suite["stopped_by"], suite["not_run"]) == (3, "inconclusive", why, 2)
    assert [(run["state"], run["why"]) for run in suite["runs"]] == [("ran", ""), *[("not_run", why)] * 2]
    errors = [error.attrib["message"] for error in ET.parse(finished.folder / "junit.xml").getroot().iter("error")]
    assert errors.count(f"not run: {why}") == 2
    assert finished.left_behind() == []


@pytest.mark.slow
def test_many_runs_in_one_process_leave_no_descriptor_thread_or_child_behind(folder: Path, tmp_path: Path) -> None:
    """Between two, when each has been scored and all of its reports are drawn."""
    seen: list[Held] = []

    async def look(_ready: Ready) -> None:
        seen.append(held())

    @contextlib.contextmanager
    def quietly(_heading: str) -> Iterator[View]:
        yield View()

    reports = SuiteReports()
    items = load_entries([Entry(folder / "a.yaml")] * RUNS)
    options = engine.Options(report_dir=tmp_path / "reports", draw=reports.draw_run)
    course = Course("all", "suite", cool_down_ns=0)
    finished = asyncio.run(run_sequence(items, course, options, quietly, may_begin=look, draw=reports.draw_suite))
    assert [run.state for run in finished.outcome.suite.runs] == ["ran"] * RUNS
    print(*seen, sep="\n")
    # The first run imports what stays, and the loop's pool of threads grows to at most its size.
    assert {(each.descriptors, each.children) for each in seen[1:]} == {(seen[1].descriptors, 0)}
    assert seen[-1].threads <= 1 + min(32, (os.cpu_count() or 1) + 4)
    assert seen[-1].rss < 1.5 * seen[1].rss


class Held(NamedTuple):
    """What this process holds."""

    descriptors: int
    threads: int
    children: int
    rss: int


def held() -> Held:
    process = psutil.Process()
    return Held(process.num_fds(), threading.active_count(), len(process.children()), process.memory_info().rss)


def journals(reports: Path) -> list[str]:
    return [file.read_text(errors="replace") for file in reports.glob("*/*/journal.jsonl")]
