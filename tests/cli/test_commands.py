"""Each command by itself, as a process: what it prints, and its exit code."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from chaosrun.errors import Exit, UsageError
from chaosrun.spec.loader import load_experiment

EXPERIMENT = """\
title: all is well
tags: [control]
steady_state: {load: {users: {protocol: mt5, clients: 3, requests: 5/s, channels: {list: [EURUSD]}}}}
target: {reference: mt5-bridge}
method: [{fault: noop}]
"""


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    file = tmp_path / "well.yaml"
    file.write_text(EXPERIMENT)
    return file


# ---- run ------------------------------------------------------------------------------------------------------------


def test_a_file_that_is_not_there_is_compared_with_those_that_are(chaosrun: Any, experiment: Path) -> None:
    done = chaosrun("wel.yaml")
    assert done.returncode == Exit.USAGE
    assert "did you mean well.yaml?" in done.stderr


def test_a_folder_that_cannot_be_written_is_found_before_any_load(chaosrun: Any, experiment: Path) -> None:
    done = chaosrun(experiment, "--report-dir", "/proc/reports")
    assert done.returncode == Exit.UNWRITABLE
    assert "--report-dir" in done.stderr
    assert done.stdout == ""


def test_a_duration_needs_its_unit(chaosrun: Any, experiment: Path) -> None:
    done = chaosrun(experiment, "--max-duration", "60")
    assert done.returncode == Exit.USAGE
    assert "--max-duration" in done.stderr


# ---- validate -------------------------------------------------------------------------------------------------------


def test_the_experiments_and_steady_states_of_the_repository_are_valid(chaosrun: Any, repository: Path) -> None:
    files = sorted(file for folder in ("experiments", "steady_state") for file in (repository / folder).glob("*.yaml"))
    assert files
    done = chaosrun("validate", *files)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": ok\n") == len(files)


def test_validate_goes_on_after_a_bad_file(chaosrun: Any, experiment: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("title: 3\nfoo: 1\n")
    done = chaosrun("validate", "none.yaml", "bad.yaml", "well.yaml")
    assert done.returncode == Exit.USAGE
    assert "none.yaml: there is no such file" in done.stderr
    assert "bad.yaml:2:1" in done.stderr
    assert done.stdout == "well.yaml: ok\n"


def test_validate_shows_no_secret(chaosrun: Any, tmp_path: Path) -> None:
    text = EXPERIMENT.replace("clients: 3", 'clients: "${secret.token}"')
    (tmp_path / "secret.yaml").write_text(text + "secrets: {token: {env: TOKEN}}\n")
    done = chaosrun("validate", "secret.yaml", env={"TOKEN": "tok3n-secret"})
    assert done.returncode == Exit.USAGE
    assert "tok3n-secret" not in done.stdout + done.stderr


# ---- list -----------------------------------------------------------------------------------------------------------


def test_list_tells_what_an_experiment_is_and_whether_it_runs_here(chaosrun: Any, experiment: Path) -> None:
    done = chaosrun("list", ".")
    assert done.returncode == 0
    assert "well.yaml" in done.stdout
    assert "all is well" in done.stdout
    assert "tags control" in done.stdout
    assert "reference mt5-bridge" in done.stdout


def test_list_tells_what_is_lacking(chaosrun: Any, tmp_path: Path) -> None:
    target = "target: {url: ws://127.0.0.1:1, roles: {server: {process: no-such-program}}}"
    (tmp_path / "other.yaml").write_text(EXPERIMENT.replace("target: {reference: mt5-bridge}", target))
    done = chaosrun("list", ".")
    assert "lacks process no-such-program: 0 running, 1 expected" in done.stdout
    assert "no " in done.stdout


def test_list_names_files_that_are_not_valid_and_lists_the_others(
    chaosrun: Any, experiment: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.yaml").write_text("title: bad\ntarget: {}\n")
    (tmp_path / "target.yaml").write_text("url: ws://127.0.0.1:1/\n")
    done = chaosrun("list", ".")
    assert done.returncode == Exit.USAGE
    assert "not valid" in done.stdout
    assert "all is well" in done.stdout
    assert "target.yaml" not in done.stdout, "it is no experiment"


# ---- init -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("ws://127.0.0.1:8000/ws", []),
        ("ws://localhost", []),
        ("wss://staging.example.com/ws/market?token=tok3n-secret&1-x=%24%7Ba%7D", ["--process", "uvicorn"]),
        ('ws://[::1]:9/a"b#${x}', ["--process", 'od"d name: {']),
        ("https://staging.example.com/api/items?token=tok3n-secret&1-x=a", ["--process", "uvicorn"]),
        ("http://127.0.0.1:8000", []),
    ],
)
def test_what_init_writes_is_a_valid_experiment(chaosrun: Any, tmp_path: Path, url: str, options: list[str]) -> None:
    done = chaosrun("init", url, "sub/first.yaml", *options)
    assert done.returncode == 0, done.stderr
    file = tmp_path / "sub" / "first.yaml"
    load_experiment(file, env={"CHAOSRUN_TOKEN": "t", "CHAOSRUN_1_X": "x"})
    assert "tok3n-secret" not in file.read_text() + done.stdout


def test_init_names_a_host_that_is_not_this_machine(chaosrun: Any, tmp_path: Path) -> None:
    chaosrun("init", "ws://staging.example.com/", "a.yaml")
    assert load_experiment(tmp_path / "a.yaml").experiment.target.allow == ("staging.example.com",)
    chaosrun("init", "ws://127.0.0.1:1/", "b.yaml")
    assert load_experiment(tmp_path / "b.yaml").experiment.target.allow == ()


def test_init_leaves_a_file_that_exists_alone(chaosrun: Any, experiment: Path) -> None:
    done = chaosrun("init", "ws://127.0.0.1:8000/ws", experiment)
    assert done.returncode == Exit.USAGE
    assert "exists" in done.stderr
    assert experiment.read_text() == EXPERIMENT


def test_init_writes_pollers_for_a_page(chaosrun: Any, tmp_path: Path) -> None:
    chaosrun("init", "http://127.0.0.1:8000/items", "a.yaml")
    experiment = load_experiment(tmp_path / "a.yaml").experiment
    assert [each.called() for each in experiment.steady_state.load["users"].http or ()] == ["GET /items"]
    assert experiment.target.url == "ws://127.0.0.1:8000"


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "127.0.0.1:8000", "ws://", "ws://u:p4ssw0rd@h/", "ws://h:port/"])
def test_init_wants_the_url_of_a_service(chaosrun: Any, url: str) -> None:
    done = chaosrun("init", url, "a.yaml")
    assert done.returncode == Exit.USAGE
    assert "p4ssw0rd" not in done.stderr
    assert "Traceback" not in done.stderr


# ---- explain --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["fault"], "process_kill"),
        (["fault", "process_kill"], 'signal         default "SIGKILL"'),
        (["metric"], "requests.lost_connected"),
        (["metric", "usable"], "better     up"),
        (["protocol"], "mt5"),
        (["protocol", "mt5"], "requests  ping"),
        (["protocol", "yaml"], "subprotocols"),
    ],
)
def test_explain_tells_what_there_is(chaosrun: Any, args: list[str], expected: str) -> None:
    done = chaosrun("explain", *args)
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout


def test_explain_leaves_out_keys_that_would_be_refused(chaosrun: Any) -> None:
    shown = chaosrun("explain", "fault", "process_kill").stdout
    assert "probe" in shown
    assert "websocket" in shown
    assert "metric" not in shown, "of `probe`; still to come"


def test_everything_that_is_listed_can_be_explained() -> None:
    from click.testing import CliRunner

    from chaosrun import registry
    from chaosrun.cli import command_line
    from chaosrun.commands._session import Session

    families: tuple[tuple[str, registry.Family], ...] = (
        ("fault", "faults"),
        ("metric", "metrics"),
        ("protocol", "protocols"),
    )
    for what, family in families:
        for name in registry.kinds(family):
            done = CliRunner().invoke(command_line, ["explain", what, name], obj=Session())
            assert done.exception is None, (name, done.exception)
            assert name in done.output


def test_a_misspelt_name_is_corrected(chaosrun: Any) -> None:
    done = chaosrun("explain", "fault", "proces_kill")
    assert done.returncode == Exit.USAGE
    assert "did you mean 'process_kill'?" in done.stderr


# ---- doctor ---------------------------------------------------------------------------------------------------------


def test_doctor_looks_at_everything_and_exits_0(chaosrun: Any) -> None:
    done = chaosrun("doctor")
    assert done.returncode == 0, done.stderr
    for name in ("descriptors", "local ports", "netem", "docker", "toxiproxy", "processors", "clock", "pidfd", "python",
                 "process table", "report folder"):  # fmt: skip
        assert name in done.stdout


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root to become somebody else")
def test_doctor_works_for_an_ordinary_user(tmp_path: Path) -> None:
    """Another user, whose only right is to read files: the interpreter may lie in somebody's home."""
    nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"]
    reading = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    done = subprocess.run(
        ["setpriv", *nobody, *reading, sys.executable, "-m", "chaosrun", "doctor"],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "own may be signalled" in done.stdout, "where the line breaks before it depends on the widest finding"
    assert "not writable" in done.stdout


def test_doctor_tells_whether_an_experiment_can_run(chaosrun: Any, experiment: Path, tmp_path: Path) -> None:
    assert chaosrun("doctor", experiment).returncode == 0
    target = "target: {url: ws://127.0.0.1:1, roles: {server: {command: [no-such-program-anywhere]}}}"
    (tmp_path / "other.yaml").write_text(EXPERIMENT.replace("target: {reference: mt5-bridge}", target))
    done = chaosrun("doctor", "other.yaml")
    assert done.returncode == Exit.UNAVAILABLE
    assert "not found on PATH" in done.stdout


# ---- serve ----------------------------------------------------------------------------------------------------------


def test_serve_runs_a_reference_service_until_it_is_told_to_end(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "chaosrun", "serve", "mt5-bridge", "--option", "rate=1", "--log-dir", tmp_path / "logs"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    ) as serving:
        assert serving.stdout is not None
        line = next(line for line in serving.stdout if " serves " in line)
        url = line.split(" serves ")[1].split()[0]
        health = url.replace("ws://", "http://").removesuffix("/ws") + "/healthz"
        with urllib.request.urlopen(health, timeout=10) as answer:
            assert json.load(answer)["status"] == "ok"
        serving.send_signal(signal.SIGINT)
        assert serving.wait(20) == 0
    assert list((tmp_path / "logs").iterdir())


@pytest.mark.parametrize(
    "args", [["no-such-service"], ["mt5-bridge", "--option", "rate"], ["mt5-bridge", "--port", "0"]]
)
def test_serve_refuses_what_it_does_not_know(chaosrun: Any, args: list[str]) -> None:
    done = chaosrun("serve", *args)
    assert done.returncode == Exit.USAGE
    assert "Traceback" not in done.stderr


# ---- score ----------------------------------------------------------------------------------------------------------


def test_score_wants_the_folder_of_a_run(chaosrun: Any, tmp_path: Path) -> None:
    done = chaosrun("score", tmp_path)
    assert done.returncode == UsageError.exit
    assert "name the folder of a run" in done.stderr
