"""A whole game day: three experiments in a short window, started by the command of its generated unit; and outside."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from e2e_running import ROOT, TINY

from chaosrun.errors import Exit
from chaosrun.scoring.repeats import worst
from chaosrun.scoring.suite import decode

ZONES = ("Europe/Vienna", "Asia/Tokyo", "America/Los_Angeles")
WITHIN_S = 300


def window(begins_in: timedelta) -> tuple[str, str]:
    """Twenty minutes that begin so much later than now, in a zone where that is within one day; its name, and they."""
    now = datetime.now(UTC)
    for name in ZONES:
        begin = (now + begins_in).astimezone(ZoneInfo(name)).replace(second=0, microsecond=0)
        end = begin + timedelta(minutes=20)
        if 0 < begin.hour < 23:
            day = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[begin.weekday()]
            return name, f'{{days: [{day}], from: "{begin:%H:%M}", to: "{end:%H:%M}"}}'
    raise AssertionError("it is midnight everywhere")


@pytest.fixture
def told() -> Iterator[dict[str, Any]]:
    """A webhook, and what it was told."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    bodies: list[dict[str, Any]] = []
    with HTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield {"url": f"http://127.0.0.1:{httpd.server_port}/very-secret-token", "bodies": bodies}
        httpd.shutdown()


def write_day(path: Path, begins_in: timedelta) -> Path:
    zone, times = window(begins_in)
    quick = "timing.recovery_timeout: 13s, timing.after: 2500ms"
    freeze = "{fault: process_pause, role: server, for: 1s}"
    path.write_text(
        f"title: Three in a row\ntime_zone: {zone}\nwindow: {times}\ncool_down: 1s\nstop_on: [dirty]\n"
        "secrets: {hook: {env: HOOK}}\n"
        'notify: [{webhook: "${secret.hook}", on: [started, passed, failed]}]\n'
        "experiments:\n"
        f"  - {{file: {TINY}, set: {{{quick}}}}}\n"
        f"  - {{file: {TINY}, set: {{title: Nothing, method: [{{fault: noop}}], {quick}}}}}\n"
        f"  - {{file: {TINY}, set: {{title: Frozen, method: [{freeze}], {quick}}}}}\n"
    )
    return path


def call(*args: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chaosrun", *map(str, args)]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=cwd, timeout=60)


def started_by_its_unit(path: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What systemd would do with the service that `chaosrun schedule` writes."""
    scheduled = call("schedule", path, "--into", "units", cwd=path.parent)
    assert scheduled.returncode == 0, scheduled.stderr
    (service,) = (path.parent / "units").glob("*.service")
    keys = [line.partition("=") for line in service.read_text().splitlines() if "=" in line and line[0] != "#"]
    unit = {key: value for key, _, value in keys}
    assert unit["EnvironmentFile"].endswith(".env")
    # Nothing in these paths is quoted or doubled in another way than a shell's.
    return subprocess.run(
        shlex.split(unit["ExecStart"].replace("%%", "%")),
        check=False,
        capture_output=True,
        text=True,
        cwd=unit["WorkingDirectory"],
        env={**os.environ, **env},
        timeout=WITHIN_S,
    )


@pytest.mark.slow
@pytest.mark.timeout(WITHIN_S)
def test_a_day_of_three_runs_within_its_window_from_its_unit_and_leaves_nothing(
    tmp_path: Path, told: dict[str, Any]
) -> None:
    path = write_day(tmp_path / "day.yaml", timedelta())
    done = started_by_its_unit(path, {"HOOK": told["url"]})
    assert done.returncode not in (Exit.USAGE, Exit.NOT_NOW), done.stderr
    (folder,) = (tmp_path / "reports").iterdir()
    assert folder.name.endswith("-three-in-a-row-day"), done.stderr
    suite = decode((folder / "suite.json").read_bytes())
    assert [run.state for run in suite.runs] == ["ran"] * 3, done.stderr
    results = [json.loads((folder / (run.folder or "") / "result.json").read_bytes()) for run in suite.runs]
    # Whether a busy machine lets them pass is not the claim; that the day says what they said is.
    assert done.returncode == suite.exit_code == worst([Exit(each["exit_code"]) for each in results])
    assert suite.exit_code in (Exit.PASSED, Exit.INCONCLUSIVE, Exit.FAILED)
    assert [each["title"] for each in results] == ["A small bridge comes back", "Nothing", "Frozen"]
    begun = [datetime.fromisoformat(each["started_at"]) for each in results]
    lasted = [timedelta(seconds=each["duration_s"]) for each in results]
    for earlier, length, later in zip(begun, lasted, begun[1:], strict=False):
        assert later >= earlier + length + timedelta(seconds=1)
    assert all(fault["undone"] in (True, None) for each in results for fault in each["faults"])
    for name in ("suite.html", "summary.md", "junit.xml"):
        assert (folder / name).stat().st_size > 0
    assert suite.day is not None
    assert [notice.delivered for notice in suite.day.notices] == [True, True]
    assert [each["chaosrun"]["event"] for each in told["bodies"]] == [
        "started",
        "passed" if done.returncode == 0 else "failed",
    ]
    assert json.loads(call("recover", "--format", "json", cwd=tmp_path).stdout)["runs"] == []
    for file in folder.rglob("*"):
        assert not file.is_file() or b"very-secret" not in file.read_bytes(), file


@pytest.mark.slow
def test_a_day_that_is_told_to_stop_undoes_its_run_and_begins_no_other(tmp_path: Path, told: dict[str, Any]) -> None:
    path = write_day(tmp_path / "day.yaml", timedelta())
    command = [sys.executable, "-m", "chaosrun", "gameday", str(path), "--format", "json"]
    with subprocess.Popen(
        command, cwd=tmp_path, env={**os.environ, "HOOK": told["url"]}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as day:
        journal = wait_for_line(tmp_path / "reports", b'"type":"confirmed"', day)
        day.terminate()
        out, _ = day.communicate(timeout=60)
    suite = decode(out)
    assert day.returncode == suite.exit_code == Exit.ABORTED
    assert [(run.state, run.verdict) for run in suite.runs] == [
        ("ran", "aborted"),
        ("not_run", None),
        ("not_run", None),
    ]
    (fault,) = json.loads((journal.parent / "result.json").read_bytes())["faults"]
    assert (fault["undone"], fault["verified"]) == (True, True)
    assert json.loads(call("recover", "--format", "json", cwd=tmp_path).stdout)["runs"] == []
    assert [each["chaosrun"]["event"] for each in told["bodies"]] == ["started", "failed"]


def wait_for_line(reports: Path, text: bytes, process: subprocess.Popen[bytes]) -> Path:
    """The journal of a run of the day, as soon as this is in it."""
    end = time.monotonic() + WITHIN_S
    while time.monotonic() < end and process.poll() is None:
        for journal in reports.glob("*/*/journal.jsonl"):
            if text in journal.read_bytes():
                return journal
        time.sleep(0.05)
    raise AssertionError(f"no {text!r} in any journal")


def test_outside_its_window_its_unit_is_refused_and_nothing_is_made(tmp_path: Path, told: dict[str, Any]) -> None:
    done = started_by_its_unit(write_day(tmp_path / "day.yaml", timedelta(hours=2)), {"HOOK": told["url"]})
    assert done.returncode == Exit.NOT_NOW, done.stderr
    assert "it may run next from" in done.stderr
    assert told["bodies"] == []
    assert not (tmp_path / "reports").exists()


def test_the_day_that_is_shipped_is_valid_as_it_is() -> None:
    path = ROOT / "experiments" / "gamedays" / "weekly.yaml"
    done = call("validate", path, cwd=ROOT)
    assert done.stdout == f"{path}: ok\n"
