"""A project of Chaos Toolkit with its own service and processes: the real `chaos run`, chaosrun's load around it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from chaosrun.identity import all_stats
from chaosrun.targets.ports import free_port

PROJECT = Path(__file__).with_name("chaostoolkit_project")
BIN = Path(sys.executable).parent
TRIES = 3
"""A run of which the observer itself says that the machine was too busy proves nothing, and is made again."""
PATIENCE_S = 60.0

pytestmark = [pytest.mark.live, pytest.mark.timeout(TRIES * 90)]


@dataclass
class Project:
    """A copy of the project, with its service up."""

    folder: Path
    env: dict[str, str]

    def manage(self, what: str) -> None:
        subprocess.run([sys.executable, "manage.py", what, self.env["GREETER_PORT"]], cwd=self.folder, check=True)

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [BIN / "chaos", "run", "experiment.json"],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self) -> tuple[int, str, dict[str, Any]]:
        """To its end, again where it proved nothing: exit code, what it said, its journal."""
        for _ in range(TRIES):
            self.manage("start")
            said, _ = (process := self.start()).communicate(timeout=PATIENCE_S)
            journal = json.loads((self.folder / "journal.json").read_bytes())
            if journal.get("chaosrun", {}).get("verdict") != "inconclusive":
                break
        return process.returncode, said, journal

    def change(self, **parts: object) -> None:
        """Other parts of the experiment; None: without it."""
        file = self.folder / "experiment.json"
        experiment = json.loads(file.read_bytes())
        experiment.update(parts)
        experiment = {key: part for key, part in experiment.items() if part is not None}
        file.write_text(json.dumps(experiment))

    def lines(self) -> Iterator[dict[str, Any]]:
        """Of the journals of chaosrun's runs."""
        for journal in self.folder.glob("reports/*/journal.jsonl"):
            for line in journal.read_bytes().splitlines():
                try:
                    yield json.loads(line)
                except ValueError:
                    continue

    def wait_for(self, kind: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while not any(line.get("type") == kind for line in self.lines()):
            assert time.monotonic() < end, f"no {kind} within {PATIENCE_S} s"
            time.sleep(0.05)

    def left_of_the_load(self) -> list[str]:
        """After some patience: processes of chaosrun that know this folder, by their command lines."""
        end = time.monotonic() + PATIENCE_S
        while (left := list(self._of_the_load())) and time.monotonic() < end:
            time.sleep(0.1)
        return left

    def _of_the_load(self) -> Iterator[str]:
        for pid in all_stats():
            try:
                line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                here = Path(f"/proc/{pid}/cwd").resolve()
            except OSError:
                continue
            if "-m chaosrun" in line and (str(self.folder) in line or here == self.folder):
                yield line


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    folder = Path(shutil.copytree(PROJECT, tmp_path / "greeter"))
    # Outside the ephemeral range, where clients that retry might connect to themselves.
    env = os.environ | {"GREETER_PORT": str(free_port()), "PATH": f"{BIN}:{os.environ['PATH']}"}
    made = Project(folder, env)
    made.manage("start")
    try:
        yield made
    finally:
        for pid in (folder / "pids").read_text().split():
            line = Path(f"/proc/{pid}/cmdline")
            if line.exists() and str(folder).encode() in line.read_bytes():
                os.kill(int(pid), signal.SIGKILL)


@pytest.mark.whole_run
def test_what_chaos_toolkit_breaks_is_measured_under_the_load_of_chaosrun(project: Project) -> None:
    code, said, journal = project.run()
    assert (code, journal["status"], journal["deviated"]) == (0, "completed", False), said
    result = journal["chaosrun"]
    assert result["verdict"] == "passed"
    assert Path(result["report"]).name == "report.html" and Path(result["report"]).is_file()
    assert result["clients"]["reconnects"] == 10

    # The marks lie at the activities themselves, and not at their pauses.
    [fault] = result["faults"]
    began = datetime.fromisoformat(result["started_at"]).timestamp()
    kill, start = ([datetime.fromisoformat(run[key]).timestamp() for key in ("start", "end")] for run in journal["run"])
    assert kill[0] - 0.01 <= began + fault["call_s"] <= kill[1]
    assert fault["call_s"] <= fault["confirmed_s"] <= kill[1] - began + 0.2
    assert start[0] - 0.01 <= began + fault["removed_s"] <= start[1]
    assert fault["detail"] == "kill-the-service: succeeded"

    # Before the method the probes spoke of a steady load, after it of what was measured.
    before, after = (
        {probe["activity"]["name"]: probe["output"] for probe in journal["steady_states"][when]["probes"]}
        for when in ("before", "after")
    )
    told = ("chaosrun-says-so", "back-within-5-s", "no-reply-lost", "criterion-nothing-lost")
    assert [before[name] for name in told] == ["steady", 0.0, 0, True]
    assert [after[name] for name in told] == ["passed", result["recovery"]["ttr_s"], 0, True]
    assert 0 < result["recovery"]["ttr_s"] < 5
    assert project.left_of_the_load() == []


@pytest.mark.whole_run
def test_a_criterion_that_does_not_hold_makes_the_experiment_deviate_without_any_probe(project: Project) -> None:
    [control] = json.loads((project.folder / "experiment.json").read_bytes())["controls"]
    hasty = [{"metric": "ttr", "max": "1ms"}]
    control["provider"]["arguments"]["sets"]["expect"] = hasty
    project.change(controls=[control], **{"steady-state-hypothesis": None})
    code, said, journal = project.run()
    assert (code, journal["deviated"], journal["chaosrun"]["verdict"]) == (1, True, "failed"), said
    assert "failed: ttr in whole" in said and "at most 1 ms is asked" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_a_chaos_toolkit_that_is_interrupted_or_killed_leaves_no_load(project: Project, number: signal.Signals) -> None:
    process = project.start()
    try:
        project.wait_for("confirmed")
        process.send_signal(number)
        said, _ = process.communicate(timeout=PATIENCE_S)
        assert project.left_of_the_load() == []
        [result] = [json.loads(path.read_bytes()) for path in project.folder.glob("reports/*/result.json")]
        assert (result["verdict"], result["stopped_by"]) == ("aborted", "stopped by SIGTERM")
        assert result["faults"][0]["removed_s"] is None, "nobody said that it was over"
        if number is signal.SIGINT:
            journal = json.loads((project.folder / "journal.json").read_bytes())
            assert (journal["status"], journal["chaosrun"]["verdict"]) == ("interrupted", "aborted"), said
    finally:
        process.kill()
        process.wait()


def test_without_a_load_nothing_is_broken(project: Project) -> None:
    (project.folder / "load.yaml").write_text("title: 7\n")
    process = project.start()
    said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert "load.yaml:1:8: title: must be text" in said
    journal = json.loads((project.folder / "journal.json").read_bytes())
    assert journal["status"] == "interrupted" and not journal["run"]
    assert len((project.folder / "pids").read_text().split()) == 1, "the service is the same as before"
