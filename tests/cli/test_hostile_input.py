"""What is no experiment at all, given to `chaosrun validate` as a user would: one look, one error, exit code 2."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chaosrun.cli import run_command_line
from chaosrun.errors import Exit

EXPERIMENT = """\
title: "\\e[31mred\\u202e\\nsecond line"
steady_state: {load: {a: {protocol: mt5, clients: 300, requests: 1/s}}}
target: {reference: mt5-bridge}
method: [{fault: noop, name: "\\e]0;owned\\a"}]
tags: ["\\e[2J"]
"""

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("well.yaml").write_text(EXPERIMENT)
    os.mkfifo("pipe.yaml")
    Path("zero.yaml").symlink_to("/dev/zero")
    Path("loop.yaml").symlink_to("loop.yaml")
    Path("latin.yaml").write_bytes("title: für\n".encode("latin-1"))
    Path("deep.yaml").write_text("[" * 100_000)
    Path("\x1b[31mred.yaml").write_text("\x1b[31m: 1\n")
    return tmp_path


def refused(captured: Captured, *args: str) -> str:
    """What is said of it: nothing but errors, which show as they are."""
    assert run_command_line(["validate", *args]) == Exit.USAGE
    said = captured.readouterr()
    assert said.out == ""
    assert said.err.replace("\n", "").isprintable()
    assert "Traceback" not in said.err
    assert "defect" not in said.err
    return said.err


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("pipe.yaml", "it is a pipe, not a file"),
        ("zero.yaml", "it is a device, not a file"),
        ("loop.yaml", "there is no such file"),
        ("latin.yaml", "latin.yaml:1:9: not valid YAML: invalid leading UTF-8 octet; save the file as UTF-8 text"),
        ("deep.yaml", "deep.yaml:1:65: nested deeper than 64 levels"),
        ("\x1b[31mred.yaml", "\\x1b[31mred.yaml:1:1: not valid YAML"),
        ("\x1b[31m\nwell.yaml: ok", "\\x1b[31m well.yaml: ok: there is no such file"),
        ("x" * 300 + ".yaml", "there is no such file"),
        ("\udcff.yaml", "\\udcff.yaml: there is no such file"),
    ],
)
def test_what_is_no_experiment_is_told_in_a_line(capsys: Captured, file: str, says: str) -> None:
    assert says in refused(capsys, file)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--profile", "\x1b[31m"), "--profile \\x1b[31m: well.yaml has no such profile"),
        (("--set", "title=\udcff"), "--set title=\\udcff: is not UTF-8 text"),
        (("--set", "\x1b[31m\n=1"), "--set \\x1b[31m\\n=1"),
        (("--target", "zero.yaml"), "--target zero.yaml: target: cannot read zero.yaml: it is a device"),
        (("--target", "pipe.yaml"), "it is a pipe, not a file"),
    ],
)
def test_a_hostile_option_is_told_in_a_line(capsys: Captured, args: tuple[str, ...], says: str) -> None:
    assert says in refused(capsys, "well.yaml", *args)


def test_no_escape_of_a_valid_file_reaches_the_terminal(capsys: Captured) -> None:
    assert run_command_line(["validate", "well.yaml"]) == Exit.PASSED
    assert run_command_line(["list", "."]) == Exit.USAGE, "of files that cannot be read"
    said = capsys.readouterr()
    assert "\\x1b[31mred\\u202e second line" in said.out
    assert (said.out + said.err).replace("\n", "").isprintable()


def test_a_command_that_is_too_long_for_a_name_is_no_defect(capsys: Captured) -> None:
    assert run_command_line(["x" * 300]) == Exit.USAGE
    assert "neither a command nor a file" in capsys.readouterr().err
