"""Annotations of GitHub Actions: at the line of the experiment, escaped as its runner takes them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hand_built import ABORTED, FAILED, INCONCLUSIVE, NEVER_RECOVERED, PASSED, UNSOUND
from hostile import EVIL, hostile
from msgspec.structs import replace

from chaosrun.errors import SpecError, Unavailable
from chaosrun.reports._github import command, commands, complaints, held_back

RUNNER = re.compile(r"::(error|warning|notice) ([^:]*)::(.*)")
"""As the runner reads a command: no bare colon in its properties, everything on one line."""


def levels(lines: list[str]) -> list[str]:
    return [line[2:].split(" ")[0] for line in lines]


def test_a_broken_criterion_is_an_error_at_its_line() -> None:
    broken = replace(FAILED.criteria[-1], where="experiments/crash.yaml:12")
    [error, notice] = commands(replace(FAILED, criteria=[broken], reasons=[]))
    assert error == (
        "::error file=experiments/crash.yaml,line=12,title=recovery within in whole%3A broken"
        "::12.4 s; at most 10 s is asked"
    )
    assert notice.startswith("::notice title=chaosrun%3A failed::300 users")


def test_what_is_unknown_is_a_warning_and_what_held_is_not_told() -> None:
    assert levels(commands(INCONCLUSIVE)) == ["warning", "error", "warning", "notice"]
    assert levels(commands(PASSED)) == ["notice"]
    assert levels(commands(UNSOUND)) == ["warning", "notice"]


def test_a_run_that_was_stopped_is_an_error_of_its_own() -> None:
    first = commands(ABORTED)[0]
    assert first == "::error title=chaosrun%3A aborted::stopped: stopped by SIGINT"


def test_what_is_broken_comes_before_what_is_unknown() -> None:
    unknown = replace(FAILED.criteria[0], outcome=None)
    assert levels(commands(replace(FAILED, criteria=[unknown, *FAILED.criteria]))) == [
        "error", "error", "warning", "notice",
    ]  # fmt: skip


def test_a_file_is_named_from_the_workspace(tmp_path: Path) -> None:
    broken = replace(FAILED.criteria[-1], where=f"{tmp_path}/sub/crash.yaml:3")
    [line, _] = commands(replace(FAILED, criteria=[broken], reasons=[]), tmp_path)
    assert line.startswith("::error file=sub/crash.yaml,line=3,")
    elsewhere = commands(replace(FAILED, criteria=[broken], reasons=[]), tmp_path / "other")[0]
    assert f"file={tmp_path}/sub/crash.yaml" in elsewhere


@pytest.mark.parametrize(
    ("text", "told"),
    [("50% of a,b: c", "50%25 of a,b: c"), ("a\nb", "a%0Ab"), ("%0A", "%250A"), ("\x1b[2J", r"\x1b[2J")],
)
def test_a_message_is_escaped_as_data(text: str, told: str) -> None:
    assert command("error", text, title="t") == f"::error title=t::{told}"


def test_a_property_is_escaped_more() -> None:
    line = command("error", "m", file="a:b,c%.yaml", line="1", title="x: y, z")
    assert line == "::error file=a%3Ab%2Cc%25.yaml,line=1,title=x%3A y%2C z::m"


def test_no_name_makes_a_command_of_its_own() -> None:
    for line in commands(hostile()):
        assert RUNNER.fullmatch(line), line
        assert "\x1b" not in line


def test_within_a_summary_no_command_is_heard() -> None:
    lines = held_back(f"{EVIL}\n::error::x\n", "token").splitlines()
    assert lines[0] == "::stop-commands::token"
    assert lines[-1] == "::token::"
    assert "::token::" not in lines[:-1]


def test_every_problem_of_a_file_is_at_its_place() -> None:
    error = SpecError(["a.yaml:2:5: load.clients: is 0; at least 1", "include: b.yaml is missing"])
    assert complaints(error) == [
        "::error file=a.yaml,line=2,col=5,title=chaosrun::load.clients: is 0; at least 1",
        "::error title=chaosrun::include: b.yaml is missing",
    ]


def test_what_is_not_here_is_told_too() -> None:
    assert complaints(Unavailable("no Docker\nstart it")) == ["::error title=chaosrun::no Docker%0Astart it"]


def test_a_run_that_never_recovered_is_told_once() -> None:
    assert levels(commands(NEVER_RECOVERED)) == ["error", "notice"]
