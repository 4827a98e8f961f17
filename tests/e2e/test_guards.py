"""Guards of every kind on real runs: each stops the run, undoes what stands, and says what it read."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from e2e_running import TINY, Finished, chaosrun, come_to, conclusive, free_port

from chaosrun.recorded import read_run
from chaosrun.records import Burnt
from chaosrun.reports._terminal import render
from chaosrun.scoring.result import Result

SECRET = "hunter2-of-the-guards"


def stopped(finished: Finished) -> tuple[Burnt, dict[str, Any]]:
    """What a guard wrote down when it ended the run, and the result."""
    assert finished.code == 4, finished.err + finished.out
    assert finished.folder is not None
    (burnt,) = read_run(finished.folder).lines.of(Burnt)
    result = finished.kept
    assert result["verdict"] == "aborted"
    assert result["stopped_by"].startswith(f"stop_when: {burnt.guard}")
    assert f"stopped: {result['stopped_by']}" in result["reasons"]
    summary = render(msgspec.convert(result, Result), finished.folder, width=400)
    assert f"! stopped: {result['stopped_by']}" in summary
    assert finished.left_behind() == []
    return burnt, result


def phases(result: dict[str, Any]) -> list[str]:
    return [phase["name"] for phase in result["phases"]]


def guard(text: str, *more: str) -> list[str]:
    return [word for setting in (f"stop_when=[{text}]", *more) for word in ("--set", setting)]


class Health(BaseHTTPRequestHandler):
    """A health endpoint: what it answers is its server's to say."""

    server: HealthServer

    def do_GET(self) -> None:
        self.server.asked.append(dict(self.headers))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is said of a request."""


class HealthServer(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Health)
        self.status = 200
        self.asked: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/-/healthy"

    @contextlib.contextmanager
    def running(self) -> Iterator[HealthServer]:
        thread = threading.Thread(target=self.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            thread.join()
            self.server_close()


@pytest.mark.slow
def test_an_outside_address_ends_the_run_in_the_fault_which_is_undone(tmp_path: Path) -> None:
    """The fault freezes the server for longer than the test lasts; the guard sends it on its way."""
    with HealthServer().running() as health:
        entry = f'{{http: "{health.url}?a=b", failures: 3, every: 200ms, headers: {{X-Key: "${{secret.key}}"}}}}'
        frozen = "method=[{fault: process_pause, role: server, for: 5m, name: freeze}]"
        path = tmp_path / "guarded.yaml"
        path.write_text(TINY.read_text().replace("../../schema", "schema") + "secrets: {key: {env: GUARD_KEY}}\n")
        run = come_to(
            {"type": "confirmed", "verified": True},
            *(path, "--format", "json", *guard(entry, frozen, "timing.max_duration=20m")),
            reports=tmp_path / "reports",
            env={"GUARD_KEY": SECRET},
        )
        health.status = 503
        finished = run.finish()
    burnt, result = stopped(finished)
    assert (burnt.of, burnt.note, burnt.blind) == (health.url, "status 503", "")
    assert burnt.value is not None and burnt.value >= 3
    assert [fault["undone"] for fault in result["faults"]] == [True]
    assert {asked["X-Key"] for asked in health.asked} == {SECRET}
    assert finished.folder is not None
    for kept in finished.folder.rglob("*"):
        assert not kept.is_file() or SECRET.encode() not in kept.read_bytes(), kept
    assert SECRET not in finished.out + finished.err


@pytest.mark.slow
def test_a_service_that_falls_over_in_the_ramp_ends_the_run_before_any_fault(tmp_path: Path) -> None:
    """The bridge stops answering while most clients are still to come: they are not what the guard counts."""
    sets = (
        "steady_state.load.accounts.ramp={over: 60s, start: 5}",
        "target.options={stall_after_s: 6}",
        "timing.max_duration=20m",
    )
    entry = "{metric: usable, below: 50%, for: 2s}"
    finished = chaosrun(TINY, "--format", "json", *guard(entry, *sets), reports=tmp_path).finish()
    burnt, result = stopped(finished)
    assert burnt.of == "accounts"
    assert phases(result) == ["start", "ramp", "drain"]
    assert result["faults"][0]["call_s"] is None
    assert burnt.value is not None and burnt.value < 0.5
    assert burnt.t - burnt.since >= 2_000_000_000


@pytest.mark.slow
def test_a_share_of_the_requests_ends_the_run_in_the_outage(tmp_path: Path) -> None:
    """The server is down for a minute; a fifth of 10 s of requests is enough, and the kill is undone at once."""
    entry = "{metric: bad, burn: {share: 20%, long: 10s, short: 1s}}"
    sets = ("method.0.restart.after=60s", "timing.max_duration=20m")
    run = come_to({"type": "called"}, *(TINY, "--format", "json", *guard(entry, *sets)), reports=tmp_path)
    burnt, result = stopped(run.finish())
    assert burnt.shares is not None and min(burnt.shares) >= 0.2
    assert "20% of the requests of 10s and of 1s" in burnt.guard
    assert [fault["undone"] for fault in result["faults"]] == [True]


BUSY = """\
import time
held = bytearray(64 << 20)
print("up", flush=True)
while True:
    until = time.process_time() + 0.02
    while time.process_time() < until:
        pass
    time.sleep(0.02)
"""


def busy(tmp_path: Path, role: dict[str, Any]) -> Path:
    """An experiment without a service, whose one role is given."""
    path = tmp_path / "busy.yaml"
    target = {"url": f"ws://127.0.0.1:{free_port()}/ws", "roles": {"app": role}}
    path.write_text(TINY.read_text().replace("target:\n  reference: mt5-bridge\n", f"target: {json.dumps(target)}\n"))
    return path


def used(path: Path, entry: str) -> Burnt:
    """What a guard on the role read. The load would go on for an hour."""
    sets = ("method=[]", "timing.warmup=1h", "timing.max_duration=2h")
    run = chaosrun(path, "--format", "json", *guard(entry, *sets), reports=path.parent / "reports")
    burnt, _ = stopped(run.finish())
    assert burnt.of == "app"
    return burnt


@pytest.mark.slow
def test_the_memory_of_a_role_ends_the_run(tmp_path: Path) -> None:
    """A process of chaosrun's own that holds 64 MiB."""
    program = tmp_path / "busy.py"
    program.write_text(BUSY)
    role = {"command": [sys.executable, str(program)], "ready": {"log": "up"}}
    burnt = used(busy(tmp_path, role), "{metric: memory, role: app, above: 50MB, burn: {share: 30%, long: 10s}}")
    assert burnt.value is not None and burnt.value > 50e6
    assert burnt.shares is not None and min(burnt.shares) >= 0.3


@pytest.mark.slow
def test_the_cpu_of_a_process_that_was_found_ends_the_run_and_not_the_process(tmp_path: Path) -> None:
    """It takes half a core, where the machine has that much to give."""
    program = tmp_path / "busy.py"
    program.write_text(BUSY)
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == b"up\n"
            role = {"process": {"name": psutil.Process(process.pid).name(), "cmdline_contains": [str(program)]}}
            burnt = used(busy(tmp_path, role), "{metric: cpu, role: app, above: 3%, for: 3s}")
            assert burnt.value is not None and burnt.value > 0.03
            assert process.poll() is None
        finally:
            process.kill()


@pytest.mark.slow
def test_a_guard_that_cannot_be_read_ends_the_run_as_blind(tmp_path: Path) -> None:
    """Nobody can look the address up (RFC 6761 reserves .invalid): that is no word of its owner's."""
    entry = '{http: "http://alerts.localhost.invalid/", for: 1s, every: 200ms, timeout: 500ms}'
    sets = ("target.allow=[alerts.localhost.invalid]", "timing.warmup=1h", "timing.max_duration=2h")
    finished = chaosrun(TINY, "--yes", "--format", "json", *guard(entry, *sets), reports=tmp_path).finish()
    burnt, result = stopped(finished)
    assert burnt.blind
    assert "the guard is blind" in result["stopped_by"]
    assert burnt.t - burnt.since >= 10_000_000_000


@pytest.mark.slow
def test_a_run_with_its_undo_and_its_drain_is_over_within_max_duration(tmp_path: Path) -> None:
    """A frozen server answers nobody, so the drain waits as long as it may once the server goes on."""
    frozen = "method=[{fault: process_pause, role: server, for: 5m, name: freeze}]"
    run = come_to(
        {"type": "confirmed", "verified": True},
        *(TINY, "--format", "json", "--set", frozen, "--max-duration", "60s"),
        reports=tmp_path,
    )
    finished = run.finish()
    assert finished.code == 4, finished.err
    assert finished.result["stopped_by"] == "max_duration: with its undo and its drain the run has to be over within 1m"
    assert [fault["undone"] for fault in finished.result["faults"]] == [True]
    assert phases(finished.result)[-1] == "drain"
    assert 50 <= finished.result["duration_s"] <= 60
    assert finished.left_behind() == []


@pytest.mark.slow
def test_a_guard_that_is_not_beyond_its_limit_leaves_a_run_alone(tmp_path: Path) -> None:
    """Of every kind at once, over a whole run with its drain; the smallest margins that a healthy run keeps."""
    with HealthServer().running() as health:
        entries = (
            "{metric: usable, below: 1%, for: 8s}",
            "{metric: bad, burn: {share: 100%, long: 1m}}",
            "{metric: throughput, below: 1/s, for: 8s}",
            "{metric: memory, role: server, above: 12GB, for: 1s}",
            f'{{http: "{health.url}", failures: 5}}',
        )
        finished = conclusive(TINY, "--format", "json", *guard(", ".join(entries)), reports=tmp_path)
        assert finished.result["stopped_by"] is None, finished.out
        assert phases(finished.result)[-2:] == ["verify", "drain"]
        assert health.asked
