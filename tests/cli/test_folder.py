"""`chaosrun FOLDER` up to where runs begin: which files it means, what is refused, and what it would do."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, get_args

import pytest

from chaosrun.commands._folder import STOPS
from chaosrun.errors import Exit
from chaosrun.spec.gameday import Stop

EXPERIMENT = """\
title: all is well
steady_state: {load: {users: {protocol: mt5, clients: 3, requests: 5/s, channels: {list: [EURUSD]}}}}
target: {reference: mt5-bridge}
method: [{fault: noop}]
"""
PROFILE = "profiles: {smoke: {timing.after: 12s}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two experiments, of which one has a profile, and three files that are none."""
    made = tmp_path / "experiments"
    (made / "deeper").mkdir(parents=True)
    (made / "b.yaml").write_text(EXPERIMENT + PROFILE)
    (made / "a.yml").write_text(EXPERIMENT.replace("all is well", "a is well"))
    (made / "steady.yaml").write_text("load: {users: {protocol: mt5, clients: 3}}\n")
    (made / "target.yaml").write_text("reference: mt5-bridge\n")
    (made / "compose.yml").write_text("services: {}\n")
    (made / "deeper" / "c.yaml").write_text(EXPERIMENT)
    return made


def planned(done: Any) -> list[str]:
    return [Path(plan["experiment"]).name for plan in json.loads(done.stdout)]


def test_a_folder_means_its_experiments_in_the_order_of_their_names(chaosrun: Any, folder: Path) -> None:
    done = chaosrun(folder, "--dry-run", "--format", "json")
    assert done.returncode == Exit.PASSED, done.stderr
    assert planned(done) == ["a.yml", "b.yaml"]
    assert "no experiments, and left aside: compose.yml, steady.yaml, target.yaml" in done.stderr


@pytest.mark.parametrize("kind", ["a link to nothing", "a link to itself", "a pipe"])
def test_what_cannot_be_read_is_an_error_and_not_left_aside(chaosrun: Any, folder: Path, kind: str) -> None:
    if kind == "a pipe":
        os.mkfifo(folder / "c.yaml")
    else:
        (folder / "c.yaml").symlink_to("gone.yaml" if kind == "a link to nothing" else "c.yaml")
    done = chaosrun(folder, "--dry-run")
    assert done.returncode == Exit.USAGE
    assert f"{folder}/c.yaml" in done.stderr
    assert done.stdout == ""


def test_what_editors_and_systems_hide_is_none_of_its_experiments(chaosrun: Any, folder: Path) -> None:
    (folder / ".#a.yml").symlink_to("somebody@somewhere.4711")
    (folder / "._a.yml").write_bytes(b"\x00\x05\x16\x07")
    (folder / "folder.yaml").mkdir()
    done = chaosrun(folder, "--dry-run", "--format", "json")
    assert done.returncode == Exit.PASSED, done.stderr
    assert planned(done) == ["a.yml", "b.yaml"]


def test_the_name_of_a_file_begins_no_line_and_moves_no_cursor(chaosrun: Any, folder: Path) -> None:
    for name in ("x\n::error::y.yaml", "\x1b]0;gone\x07.yaml"):
        (folder / name).write_text(EXPERIMENT)
    (folder / "z\n::error::z.yaml").write_text("services: {}\n")
    for more in ((), ("--profile", "smoke", "--skip", "no-profile")):
        done = chaosrun(folder, "--dry-run", *more)
        assert done.returncode == Exit.PASSED, done.stderr
        assert "\x1b" not in done.stdout + done.stderr
        assert not [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("::")]


def test_several_files_are_run_in_the_order_in_which_they_are_named(chaosrun: Any, folder: Path) -> None:
    done = chaosrun(folder / "b.yaml", folder / "deeper", folder / "a.yml", "--dry-run", "--format", "json")
    assert done.returncode == Exit.PASSED, done.stderr
    assert planned(done) == ["b.yaml", "c.yaml", "a.yml"]


def test_the_plans_are_told_one_after_the_other(chaosrun: Any, folder: Path) -> None:
    done = chaosrun(folder, "--dry-run")
    assert done.returncode == Exit.PASSED, done.stderr
    assert [line for line in done.stdout.splitlines() if " of 2: " in line] == [
        f"1 of 2: {folder / 'a.yml'}",
        f"2 of 2: {folder / 'b.yaml'}",
    ]
    assert done.stdout.index("a is well") < done.stdout.index("all is well")


def test_one_that_would_be_refused_gives_the_exit_code(chaosrun: Any, folder: Path) -> None:
    missing = "target: {url: ws://127.0.0.1:1, roles: {server: {command: [no-such-program-anywhere]}}}"
    (folder / "a.yml").write_text(EXPERIMENT.replace("target: {reference: mt5-bridge}", missing))
    done = chaosrun(folder, "--dry-run")
    assert done.returncode == Exit.UNAVAILABLE
    assert f"{folder / 'a.yml'}: " in done.stderr


def test_a_file_that_is_no_yaml_is_an_error_and_nothing_is_begun(chaosrun: Any, folder: Path, tmp_path: Path) -> None:
    (folder / "broken.yaml").write_text("title: x\n  bad: [")
    (folder / "a.yml").write_text(EXPERIMENT.replace("clients", "client"))
    done = chaosrun(folder)
    assert done.returncode == Exit.USAGE
    assert "broken.yaml:" in done.stderr
    assert "a.yml:2:" in done.stderr
    assert not (tmp_path / "reports").exists()


def test_an_experiment_that_misspells_a_key_is_not_left_aside(chaosrun: Any, folder: Path) -> None:
    (folder / "a.yml").write_text(EXPERIMENT.replace("steady_state", "stedy_state"))
    done = chaosrun(folder)
    assert done.returncode == Exit.USAGE
    assert "a.yml:2:1: stedy_state" in done.stderr


def test_a_profile_that_one_does_not_have_is_an_error(chaosrun: Any, folder: Path) -> None:
    done = chaosrun(folder, "--profile", "smoke")
    assert done.returncode == Exit.USAGE
    assert "a.yml has no such profile" in done.stderr


def test_or_it_is_left_out_where_that_is_asked_for(chaosrun: Any, folder: Path) -> None:
    done = chaosrun(folder, "--profile", "smoke", "--skip", "no-profile", "--dry-run", "--format", "json")
    assert done.returncode == Exit.PASSED, done.stderr
    assert planned(done) == ["b.yaml"]
    assert "a.yml: skipped: it has no profile smoke" in done.stderr


def test_where_all_are_left_out_it_does_not_pass(chaosrun: Any, folder: Path) -> None:
    done = chaosrun(folder, "--profile", "soke", "--skip", "no-profile", "--format", "json")
    assert done.returncode == Exit.USAGE
    suite = json.loads(done.stdout)
    assert (suite["exit_code"], suite["skipped"], suite["verdict"]) == (2, 2, "inconclusive")
    assert suite["reasons"] == ["no experiment was run: all of them were skipped"]


def test_a_folder_without_experiments_says_where_there_are_some(chaosrun: Any, folder: Path, tmp_path: Path) -> None:
    done = chaosrun(tmp_path)
    assert done.returncode == Exit.USAGE
    assert f"no experiment lies directly in this folder; name one of its own folders, such as {folder}" in done.stderr


@pytest.mark.parametrize(("option", "value"), [("--skip", "unavailable"), ("--stop-on", "failed")])
def test_to_skip_and_to_stop_are_about_several(chaosrun: Any, folder: Path, option: str, value: str) -> None:
    done = chaosrun(folder / "a.yml", option, value)
    assert done.returncode == Exit.USAGE
    assert f"{option} is about several experiments" in done.stderr


def test_the_verdicts_that_end_it_are_those_that_end_a_game_day() -> None:
    assert get_args(Stop) == STOPS


def test_a_file_that_is_not_there_is_told_among_several(chaosrun: Any, folder: Path) -> None:
    done = chaosrun(folder / "b.yaml", folder / "aa.yaml")
    assert done.returncode == Exit.USAGE
    assert "aa.yaml: there is no such file" in done.stderr


def test_a_name_that_is_longer_than_a_name_can_be_is_no_file(chaosrun: Any, folder: Path) -> None:
    done = chaosrun(folder / "b.yaml", "x" * 300 + ".yaml")
    assert done.returncode == Exit.USAGE
    assert "there is no such file" in done.stderr


def test_other_machines_are_asked_about_once_for_all(chaosrun: Any, folder: Path) -> None:
    elsewhere = "target: {url: ws://192.0.2.7:9/ws, allow: [192.0.2.7]}"
    for name in ("a.yml", "b.yaml"):
        (folder / name).write_text(EXPERIMENT.replace("target: {reference: mt5-bridge}", elsewhere))
    done = chaosrun(folder)
    assert done.returncode == Exit.USAGE, done.stderr
    assert "2 of 2 experiments reach 192.0.2.7, not only this machine" in done.stderr


def test_what_a_plan_has_no_form_for_is_refused(chaosrun: Any, folder: Path) -> None:
    done = chaosrun(folder, "--dry-run", "--format", "junit")
    assert done.returncode == Exit.USAGE
    assert done.stdout == ""


def test_a_place_where_nothing_can_be_kept_is_found_before_any_load(chaosrun: Any, folder: Path) -> None:
    done = chaosrun(folder, "--report-dir", "/proc/reports")
    assert done.returncode == Exit.UNWRITABLE
    assert "--report-dir" in done.stderr


def test_other_commands_still_want_one_experiment(chaosrun: Any, folder: Path) -> None:
    done = chaosrun("doctor", folder)
    assert done.returncode == Exit.USAGE
    assert "is a folder, and one experiment is meant here" in done.stderr
