"""Bad days: each ends with one clear message, the right exit code, and nothing left running."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from e2e_running import TINY, chaosrun, come_to, free_port

OWN = """
title: A service of my own
target:
  url: ws://127.0.0.1:{port}/ws
  roles:
    app: {{command: [{python}, -c, "{code}"], ready: {{tcp: "127.0.0.1:{port}", within: {within}}}}}
steady_state:
  load:
    users: {{protocol: mt5, clients: 5, requests: 10/s, channels: {{list: [EURUSD]}}}}
method: [{{fault: process_kill, role: app, restart: {{by: chaosrun, after: 1s}}}}]
timing: {{warmup: 1s, baseline: 5s, recovery_timeout: 20s}}
"""


def own(folder: Path, code: str, *, within: str = "2s") -> Path:
    path = folder / "own.yaml"
    path.write_text(OWN.format(port=free_port(), python=sys.executable, code=code, within=within))
    return path


def test_a_server_that_never_gets_ready_is_unavailable_with_its_last_words(tmp_path: Path) -> None:
    file = own(tmp_path, "import time; print('warming up', flush=True); time.sleep(60)")
    finished = chaosrun(file, reports=tmp_path / "reports").finish()
    assert finished.code == 69, finished.err
    assert "not ready within 2 s" in finished.err
    assert "warming up" in finished.err
    assert "Traceback" not in finished.err
    assert finished.left_behind() == []


def test_a_server_that_dies_at_once_is_unavailable_with_its_last_words(tmp_path: Path) -> None:
    file = own(tmp_path, "raise SystemExit('no licence found')")
    finished = chaosrun(file, reports=tmp_path / "reports").finish()
    assert finished.code == 69, finished.err
    assert "no licence found" in finished.err
    assert finished.left_behind() == []


def test_a_server_that_dies_during_the_ramp_ends_the_run_inconclusive_without_a_fault(tmp_path: Path) -> None:
    run = chaosrun(
        TINY, "--format", "json", "--set", "steady_state.load.accounts.ramp.over=5s", reports=tmp_path / "reports"
    )
    started = [run.wait_for(type="started", role="server"), run.wait_for(type="phase", name="ramp")][0]
    os.kill(int(started["pid"]), 9)
    finished = run.finish()
    assert finished.code == 3, finished.err
    assert "ended by itself, by SIGKILL" in " ".join(finished.result["reasons"])
    assert finished.result["faults"][0]["call_s"] is None
    assert finished.left_behind() == []


def test_refused_authentication_is_told_and_no_fault_is_injected(tmp_path: Path) -> None:
    env = {"CHAOSRUN_TEST_PYTHON": sys.executable, "CHAOSRUN_TEST_PORT": str(free_port())}
    file = Path(__file__).with_name("wrong_token.yaml")
    finished = chaosrun(file, "--format", "json", reports=tmp_path / "reports", env=env).finish()
    assert finished.code == 3, finished.err
    assert finished.result["clients"]["refused"] > 0
    assert finished.result["faults"][0]["call_s"] is None
    assert finished.result["clients"]["refused_by"] == {"conversation": finished.result["clients"]["refused"]}
    [finding] = [each for each in finished.result["findings"] if "turned away" in each["title"]]
    assert "auth refused" in finding["evidence"]
    assert "token" in finding["action"]


def test_a_host_that_is_neither_loopback_nor_allowed_is_refused(tmp_path: Path) -> None:
    file = own(tmp_path, "pass")
    file.write_text(file.read_text().replace("ws://127.0.0.1", "ws://192.0.2.1"))
    finished = chaosrun(file, reports=tmp_path / "reports").finish()
    assert finished.code == 2, finished.err
    assert "allow: [192.0.2.1]" in finished.err
    assert finished.folder is None, "nothing was started, so nothing is left"


def test_too_few_descriptors_are_said_before_any_load(tmp_path: Path) -> None:
    command = f"ulimit -n 64; exec {sys.executable} -m chaosrun {TINY} --report-dir {tmp_path / 'reports'}"
    arguments = " --set steady_state.load.accounts.clients=200"
    done = subprocess.run(["bash", "-c", command + arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 69, done.stderr
    assert "file descriptors" in done.stderr
    assert "ulimit" in done.stderr


def test_an_unwritable_report_directory_is_said_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    finished = chaosrun(TINY, reports=tmp_path / "file" / "reports").finish()
    assert finished.code == 74, finished.err
    assert "--report-dir" in finished.err


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small tmpfs needs root")
def test_a_full_disk_ends_the_run_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """A real small disk, filled up in the baseline and in the fault."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=True)
    try:
        run = come_to({"type": "confirmed"}, TINY, "--set", "method.0.restart.after=3s", reports=disk / "reports")
        with (disk / "filler").open("wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(b"x" * 4096)
            except OSError:
                pass
        finished = run.finish()
        assert finished.code == 74, finished.err
        assert "No space left" in finished.err
        assert "Traceback" not in finished.err
        assert finished.left_behind() == []
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_busy_port_of_an_own_service_is_seen_by_its_last_words(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        file = tmp_path / "busy.yaml"
        code = f"import socket; socket.socket().bind(('127.0.0.1', {port}))"
        text = OWN.format(port=port, python=sys.executable, code=code, within="2s")
        # Whoever has the port accepts connections, which is all that `tcp` asks for.
        file.write_text(text.replace('tcp: "', 'http: "http://'))
        finished = chaosrun(file, reports=tmp_path / "reports").finish()
    assert finished.code == 69, finished.err
    assert finished.left_behind() == []
