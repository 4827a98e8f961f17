"""`--dry-run` and `--yes`: what would be done is told and not done, and other machines are not reached unasked."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from chaosrun.errors import Exit

EXPERIMENT = """\
title: t
secrets: {token: {env: TOKEN}}
steady_state:
  load: {users: {protocol: mt5, clients: 30, requests: 5/s}}
target:
  url: "ws://%s/ws"
  allow: [%s]
  roles:
    server: {process: {name: no-such-process-anywhere, start: [x, "y"]}}
    mine: {command: [sh, -c, "${secret.token}"]}
method: [{fault: command, run: [sh, -c, "exit 0", "${secret.token}"], undo: [sh, -c, "exit 0"]}]
"""
SECRET = 'hunter"2 \\ secret'
ELSEWHERE = "192.0.2.77"


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    return written(tmp_path, "127.0.0.1:9")


def written(folder: Path, address: str, allow: str = "") -> Path:
    file = folder / "e.yaml"
    file.write_text(EXPERIMENT % (address, allow))
    return file


def test_a_plan_is_printed_and_nothing_is_kept_or_connected_to(chaosrun: Any, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as service:
        service.setblocking(False)
        file = tmp_path / "plan.yaml"
        file.write_text(
            "title: a plan\nsteady_state: {load: {users: {protocol: mt5, clients: 30, requests: 5/s}}}\n"
            f'target: {{url: "ws://127.0.0.1:{service.getsockname()[1]}/ws"}}\n'
            "method: [{fault: client_disconnect}]\n"
        )
        done = chaosrun(file, "--dry-run", env={"CHAOSRUN_STATE_DIR": str(tmp_path / "state")})
        with pytest.raises(BlockingIOError):
            service.accept()
    assert (done.returncode, done.stderr) == (Exit.PASSED, "")
    assert done.stdout.startswith("a plan\ndry run: nothing was started and nothing was touched\n")
    assert "connections of the load itself" in done.stdout
    assert done.stdout.endswith("so          it could run now\n")
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert [each.name for each in tmp_path.iterdir()] == ["plan.yaml"]


def test_its_json_is_alone_on_standard_output_and_holds_no_secret(chaosrun: Any, experiment: Path) -> None:
    done = chaosrun(experiment, "--dry-run", "--format", "json", "--repeat", "4", env={"TOKEN": SECRET})
    plan = json.loads(done.stdout)
    assert (plan["schema"], plan["dry_run"], plan["repeat"]) == (1, True, 4)
    assert plan["roles"][1]["what"] == "{command: [sh, -c, ***]}"
    assert "***" in plan["faults"][0]["hits"][0]
    assert plan["exit_code"] == done.returncode == Exit.UNAVAILABLE
    for text in (done.stdout, done.stderr):
        assert "hunter" not in text


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_would_refuse_the_run_refuses_in_the_same_words_with_the_same_code(
    chaosrun: Any, experiment: Path, tmp_path: Path
) -> None:
    told = chaosrun(experiment, "--dry-run", env={"TOKEN": SECRET})
    run = chaosrun(experiment, env={"TOKEN": SECRET, "CHAOSRUN_STATE_DIR": str(tmp_path / "state")})
    assert told.returncode == run.returncode == Exit.UNAVAILABLE
    (why,) = told.stderr.splitlines()
    assert why.startswith("chaosrun: role server: no process matches")
    assert why in run.stderr
    assert "could not run now" in told.stdout


def test_a_file_that_is_wrong_refuses_before_there_is_a_plan(chaosrun: Any, tmp_path: Path) -> None:
    file = written(tmp_path, f"{ELSEWHERE}:9")
    done = chaosrun(file, "--dry-run", env={"TOKEN": SECRET})
    assert done.returncode == Exit.USAGE
    assert done.stdout == ""
    assert f"target.url: {ELSEWHERE} is not loopback" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_engine_elsewhere_is_refused_before_it_is_asked(chaosrun: Any, tmp_path: Path) -> None:
    file = tmp_path / "e.yaml"
    file.write_text(
        "title: t\nsteady_state: {load: {a: {protocol: mt5, clients: 30, requests: 5/s}}}\n"
        'target: {url: "ws://127.0.0.1:9/", roles: {server: {container: bridge}}}\n'
    )
    for more in ((), ("--dry-run",), ("--yes",)):
        done = chaosrun(file, *more, env={"DOCKER_HOST": f"tcp://{ELSEWHERE}:2375"})
        assert done.returncode == Exit.USAGE
        assert f"target.roles.server: {ELSEWHERE} is not loopback" in done.stderr
        assert f"allow: [{ELSEWHERE}]" in done.stderr


# ---- the yes --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_without_a_terminal_another_machine_is_reached_only_with_yes(chaosrun: Any, tmp_path: Path) -> None:
    file = written(tmp_path, f"{ELSEWHERE}:9", allow=ELSEWHERE)
    refused = chaosrun(file, env={"TOKEN": SECRET})
    assert refused.returncode == Exit.USAGE
    assert f"this run reaches {ELSEWHERE}, not only this machine" in refused.stderr
    assert "say --yes" in refused.stderr
    assert not (tmp_path / "reports").exists()
    # Said, it comes as far as the role that is not there: before any load.
    yes = chaosrun(file, "--yes", env={"TOKEN": SECRET, "CHAOSRUN_STATE_DIR": str(tmp_path / "state")})
    assert yes.returncode == Exit.UNAVAILABLE
    assert "role server: no process matches" in yes.stderr
    dry = chaosrun(file, "--dry-run", env={"TOKEN": SECRET})
    assert f"{ELSEWHERE}: ANOTHER MACHINE, allowed by the target" in dry.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("answer", "code", "told"),
    [
        (b"n\n", Exit.USAGE, "the answer was no; nothing was started"),
        (b"\n", Exit.USAGE, "the answer was no; nothing was started"),
        (b"y\n", Exit.UNAVAILABLE, "role server: no process matches"),
    ],
)
def test_on_a_terminal_the_plan_is_shown_and_asked_about_once(
    tmp_path: Path, answer: bytes, code: Exit, told: str
) -> None:
    file = written(tmp_path, f"{ELSEWHERE}:9", allow=ELSEWHERE)
    ours, theirs = os.openpty()
    environment = os.environ | {"TOKEN": SECRET, "CHAOSRUN_STATE_DIR": str(tmp_path / "state"), "COLUMNS": "120"}
    with subprocess.Popen(
        [sys.executable, "-m", "chaosrun", str(file), "--repeat", "2", "--no-live"],
        stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, cwd=tmp_path, env=environment,
    ) as process:  # fmt: skip
        os.close(theirs)
        said = until(ours, b"[y/N]")
        assert f"this run reaches {ELSEWHERE}, not only this machine. Run it?" in said
        assert "dry run: nothing was started and nothing was touched" in said
        assert "hunter" not in said
        assert not (tmp_path / "reports").exists()
        os.write(ours, answer)
        said = until(ours, told.encode())
        assert process.wait(200) == code
        assert process.stdout is not None
        assert process.stdout.read() == b"", "standard output is for what comes of the run"
    assert told in said
    os.close(ours)


def until(terminal: int, wanted: bytes, within_s: float = 200.0) -> str:
    """What was written there, up to and with what is waited for."""
    seen, end = b"", time.monotonic() + within_s
    while wanted not in seen and time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                seen += os.read(terminal, 4096)
            except OSError:  # the other side is closed
                break
    return seen.decode(errors="replace").replace("\r\n", "\n")
