"""What every command has in common: the default command, the help, errors and their exit codes."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from chaosrun import cli
from chaosrun.cli import COMMANDS, command_line, run_command_line
from chaosrun.commands._session import Session
from chaosrun.errors import ChaosrunError, Dirty, Exit, SpecError, Unavailable, Unwritable, UsageError

HEAVY = ("asyncio", "docker", "msgspec", "psutil", "pydantic", "rich", "structlog", "uvloop", "yaml")


def test_the_help_names_every_command_and_exit_code(chaosrun: Any) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = chaosrun("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert used_s < 2, "documented as 150 ms on a quiet machine"
    assert done.returncode == 0
    for name in COMMANDS:
        assert f"  {name} " in done.stdout
    assert "Exit codes" in done.stdout


def test_the_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from chaosrun.cli import run_command_line; code = run_command_line(['--help'])\n"
        f"sys.stderr.write(' '.join(name for name in {HEAVY} if name in sys.modules)); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stderr == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(chaosrun: Any, name: str) -> None:
    done = chaosrun(name, "--help")
    assert done.returncode == 0
    assert f"chaosrun {name}" in done.stdout


def test_the_version_is_told(chaosrun: Any) -> None:
    assert chaosrun("--version").stdout.startswith("chaosrun ")


@pytest.mark.parametrize(
    "args",
    [
        ["some.yaml", "--profile", "smoke"],
        ["--profile", "smoke", "some.yaml"],
        ["--debug", "some.yaml", "--profile", "smoke"],
        ["run", "some.yaml", "--profile", "smoke"],
    ],
)
def test_run_need_not_be_named(args: list[str]) -> None:
    """The missing file is complained about by `run`, wherever the options stand."""
    with click.Context(command_line, info_name="chaosrun") as context:
        command_line.parse_args(context, args)
        words = [*context._protected_args, *context.args]
    assert words[0] == "run"
    assert "some.yaml" in words


def test_a_misspelt_command_is_no_missing_file(chaosrun: Any) -> None:
    done = chaosrun("validat", "x.yaml")
    assert done.returncode == Exit.USAGE
    assert "did you mean 'validate'?" in done.stderr


def test_a_fleet_that_there_is_not_is_refused_with_those_that_there_are(chaosrun: Any) -> None:
    done = chaosrun("some.yaml", "--fleet", "dask")
    assert done.returncode == Exit.USAGE
    assert "'dask' is not one of 'processes', 'in-process', 'ray'" in done.stderr


@pytest.mark.parametrize("args", [["--no-such-option"], ["run"], ["a.yaml", "--skip", "failed"], ["explain", "cat"]])
def test_wrong_usage_exits_2_and_never_1(chaosrun: Any, args: list[str]) -> None:
    done = chaosrun(*args)
    assert done.returncode == Exit.USAGE
    assert "--help" in done.stderr
    assert done.stdout == ""


def _raising(monkeypatch: pytest.MonkeyPatch, traces: Path, error: BaseException) -> None:
    """A command line whose only command raises: what `run_command_line` does with that is what is tested."""

    @click.command()
    @click.option("--debug", is_flag=True)
    @click.pass_obj
    def raising(session: Session, debug: bool) -> None:
        session.debug = debug
        session.secrets.add("s3cret-token")
        raise error

    monkeypatch.setattr(cli, "command_line", raising)
    monkeypatch.setattr("tempfile.tempdir", str(traces))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("wrong"), 2),
        (SpecError(["a.yaml:1:1: x: wrong"]), 2),
        (Unavailable("wrong"), 69),
        (Unwritable("wrong"), 74),
        (Dirty("wrong"), 5),
        (ChaosrunError("wrong"), 70),
        (OSError(28, "No space left on device: wrong"), 74),
        (KeyboardInterrupt(), 4),
        (RuntimeError("wrong"), 70),
    ],
)
def test_each_error_has_its_exit_code_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    error: BaseException,
    code: int,
) -> None:
    _raising(monkeypatch, tmp_path, error)
    assert run_command_line([]) == code
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    assert said.out == ""
    assert "wrong" in said.err or isinstance(error, KeyboardInterrupt)


def test_a_defect_leaves_its_traceback_in_a_file_without_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _raising(monkeypatch, tmp_path, RuntimeError("refused s3cret-token"))
    assert run_command_line([]) == Exit.DEFECT
    (trace,) = tmp_path.iterdir()
    assert str(trace) in capsys.readouterr().err
    text = trace.read_text()
    assert "RuntimeError" in text
    assert "s3cret-token" not in text
    assert trace.stat().st_mode & 0o077 == 0


def test_debug_shows_the_traceback_of_a_defect(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _raising(monkeypatch, tmp_path, RuntimeError("refused s3cret-token"))
    assert run_command_line(["--debug"]) == Exit.DEFECT
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "s3cret-token" not in said


def test_nothing_said_is_answered_with_the_help_and_nothing_else(chaosrun: Any) -> None:
    done = chaosrun()
    assert (done.returncode, done.stdout) == (Exit.USAGE, "")
    assert done.stderr == chaosrun("--help").stdout


@pytest.mark.parametrize("command", [(), ("plan",), ("doctor",)])
def test_a_steady_state_in_place_of_an_experiment_is_told_from_one(
    chaosrun: Any, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "steady.yaml").write_text("title: x\nload: {users: {protocol: mt5, clients: 3}}\n")
    done = chaosrun(*command, "steady.yaml")
    assert (done.returncode, done.stdout) == (Exit.USAGE, "")
    expected = (
        "steady.yaml:2:1: this is a steady state, not an experiment; write one that names it under `steady_state`\n"
    )
    assert done.stderr == expected
    assert chaosrun("validate", "steady.yaml").stdout == "steady.yaml: ok\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "url: ws://127.0.0.1:1/ws\n",
            "target, not an experiment; write one that names it under `target`, or say EXPER",
        ),
        ("title: x\nreference: agents\n", "target, not an experiment"),
        ("request: {send: {}, reply: {}}\n", "protocol, not an experiment; write one that names it under `protocol`\n"),
    ],
)
@pytest.mark.parametrize("command", [(), ("validate",)])
def test_a_part_of_experiments_is_told_from_one(
    chaosrun: Any, tmp_path: Path, command: tuple[str, ...], text: str, told: str
) -> None:
    (tmp_path / "part.yaml").write_text(text)
    done = chaosrun(*command, "part.yaml")
    assert (done.returncode, done.stdout) == (Exit.USAGE, "")
    assert done.stderr.startswith("part.yaml:1:1: this is a ")
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_error_from_a_server_cannot_control_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _raising(monkeypatch, tmp_path, Unavailable("the server said \x1b[2J"))
    run_command_line([])
    assert "\x1b" not in capsys.readouterr().err


def test_all_problems_of_a_file_are_lines_that_an_editor_can_jump_to(chaosrun: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("titel: x\nsteady_state: {load: {}}\ntarget: {reference: mt5-bridge}\n")
    done = chaosrun("bad.yaml")
    assert done.returncode == Exit.USAGE
    lines = done.stderr.splitlines()
    assert len(lines) > 1
    assert all(line.startswith("bad.yaml:") for line in lines)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("args", [["--help"], ["explain", "fault"]])
def test_a_full_disk_at_standard_output_exits_74(args: list[str], tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "chaosrun", *args],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=tmp_path,
        )
    assert done.returncode == Exit.UNWRITABLE
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_has_gone_is_no_failed_run(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "chaosrun", "explain", "metric"],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
        cwd=tmp_path,
    )
    os.close(writer)
    assert done.returncode == Exit.UNWRITABLE


def test_output_goes_through_a_stream_that_has_ascii_only(chaosrun: Any) -> None:
    done = chaosrun("doctor", env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert done.stdout.isascii()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_for_chaosrun(chaosrun: Any, shell: str) -> None:
    done = chaosrun("completion", shell)
    assert done.returncode == 0
    assert "_CHAOSRUN_COMPLETE" in done.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["va"], "plain,validate"),
        (["experiments/x"], "file,experiments/x"),
        (["x.yaml", "--pro"], "plain,--profile"),
        (["explain", "m"], "plain,metric"),
        (["validate", "x"], "file,x"),
    ],
)
def test_the_shell_is_told_what_could_come_next(chaosrun: Any, words: list[str], expected: str) -> None:
    env = {
        "_CHAOSRUN_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["chaosrun", *words]),
        "COMP_CWORD": str(len(words)),
    }
    assert expected in chaosrun(env=env).stdout.splitlines()
