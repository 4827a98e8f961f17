"""`chaosrun gameday` and `chaosrun schedule` as they are called; whole days are in `tests/e2e/test_gameday.py`."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from chaosrun.errors import Exit

EXPERIMENT = """\
title: Nothing happens
steady_state: {load: {users: {protocol: mt5, clients: 20, requests: 1/s}}}
target: {reference: mt5-bridge}
timing: {baseline: 5s}
"""
NEVER = "blackout: [2020-01-01..2099-12-31]\n"
"""A day that is refused whenever it is."""
TUESDAYS = 'window: {days: [tue], from: "10:00", to: "12:00"}\n'


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def day(more: str = "", experiment: str = EXPERIMENT) -> Path:
        (tmp_path / "e.yaml").write_text(experiment)
        (tmp_path / "day.yaml").write_text(f"title: A day\nexperiments: [{{file: e.yaml}}]\n{more}")
        return tmp_path / "day.yaml"

    return day


# ---- gameday --------------------------------------------------------------------------------------------------------


def test_a_day_that_may_not_run_now_ends_with_75_and_leaves_nothing(chaosrun: Any, write: Any, tmp_path: Path) -> None:
    write(NEVER)
    done = chaosrun("gameday", "day.yaml")
    assert (done.returncode, done.stdout) == (Exit.NOT_NOW, "")
    assert "is a blackout date (2020-01-01..2099-12-31); no window is left for it" in done.stderr
    assert sorted(each.name for each in tmp_path.iterdir()) == ["day.yaml", "e.yaml"]


def test_a_dry_run_tells_what_the_day_would_do_and_why_not_now(chaosrun: Any, write: Any) -> None:
    write(NEVER + TUESDAYS + "time_zone: Europe/Vienna\n")
    done = chaosrun("gameday", "day.yaml", "--dry-run")
    assert done.returncode == Exit.NOT_NOW
    assert "may run       tue 10:00 to 12:00, Europe/Vienna" in done.stdout
    assert "experiment 1  Nothing happens: up to 1m24s" in done.stdout
    assert "reference mt5-bridge, started and ended by the run" in done.stdout
    assert "no window is left for it" in done.stderr


def test_a_dry_run_as_json_holds_the_plan_of_every_experiment_and_no_address(chaosrun: Any, write: Any) -> None:
    hook = "https://hooks.example.com/services/very-secret-token"
    write('secrets: {hook: {env: HOOK}}\nnotify: [{webhook: "${secret.hook}", on: [failed]}]\n')
    done = chaosrun("gameday", "day.yaml", "--dry-run", "--format", "json", env={"HOOK": hook})
    assert done.returncode == Exit.PASSED
    told = json.loads(done.stdout)
    assert (told["title"], told["windows"], told["refused"], told["longest_s"]) == (
        "A day",
        "at any time",
        None,
        [84.0],
    )
    assert [each["title"] for each in told["experiments"]] == ["Nothing happens"]
    assert told["notify"] == [{"to": "webhook hooks.example.com", "on": ["failed"]}]
    assert "very-secret" not in done.stdout + done.stderr


def test_all_that_is_wrong_is_told_before_anything_is_started(chaosrun: Any, write: Any) -> None:
    write("time_zone: Mars\n", EXPERIMENT.replace("clients: 20", "clients: 0"))
    done = chaosrun("gameday", "day.yaml")
    assert done.returncode == Exit.USAGE
    assert [line.split(": ")[0] for line in done.stderr.splitlines()] == ["day.yaml:3:12", "e.yaml:2:55"]


def test_a_day_that_reaches_other_machines_wants_a_yes(chaosrun: Any, write: Any) -> None:
    elsewhere = '{url: "ws://192.0.2.1:80/ws", allow: [192.0.2.1]}'
    write("", EXPERIMENT.replace("{reference: mt5-bridge}", elsewhere))
    done = chaosrun("gameday", "day.yaml")
    assert done.returncode == Exit.USAGE
    assert "192.0.2.1, not only this machine, and there is no terminal to ask on; say --yes" in done.stderr
    done = chaosrun("schedule", "day.yaml")
    assert done.returncode == Exit.USAGE


def test_a_day_in_place_of_an_experiment_is_told_from_one(chaosrun: Any, write: Any) -> None:
    write()
    done = chaosrun("day.yaml")
    assert (done.returncode, done.stderr) == (
        Exit.USAGE,
        "day.yaml:2:1: this is a game day, not an experiment; chaosrun gameday day.yaml\n",
    )
    assert chaosrun("validate", "day.yaml").stdout == "day.yaml: ok\n"
    done = chaosrun("gameday", "e.yaml")
    assert (done.returncode, done.stderr) == (
        Exit.USAGE,
        "e.yaml:1:1: this is an experiment, not a game day; chaosrun e.yaml\n",
    )


def test_a_day_is_listed_with_its_experiments_and_windows(chaosrun: Any, write: Any, tmp_path: Path) -> None:
    write(TUESDAYS)
    (tmp_path / "e.yaml").rename(tmp_path / "other.yaml")
    (tmp_path / "day.yaml").write_text((tmp_path / "day.yaml").read_text().replace("e.yaml", "other.yaml"))
    done = chaosrun("list", ".")
    assert done.returncode == 0, done.stdout
    assert "game day: other.yaml" in done.stdout
    assert "may run tue 10:00 to 12:00, UTC" in done.stdout


def test_a_day_says_what_each_experiment_will_be_held_against(chaosrun: Any, write: Any) -> None:
    write("against: last-good\n")
    done = chaosrun("gameday", "day.yaml", "--dry-run")
    assert "Nothing happens: not held against last-good: there is no good run of it in reports yet" in done.stderr
    assert chaosrun("gameday", "day.yaml", "--dry-run", "--against", "reports/none").returncode == Exit.USAGE


# ---- schedule -------------------------------------------------------------------------------------------------------


def test_what_starts_a_day_is_printed_or_written_and_nothing_else_is_overwritten(
    chaosrun: Any, write: Any, tmp_path: Path
) -> None:
    write(TUESDAYS)
    printed = chaosrun("schedule", "day.yaml")
    assert printed.returncode == 0
    assert printed.stdout.startswith("# chaosrun-a-day.service\n[Unit]\n")
    done = chaosrun("schedule", "day.yaml", "--into", "units")
    assert done.stdout.splitlines() == ["units/chaosrun-a-day.service", "units/chaosrun-a-day.timer"]
    assert "systemctl enable --now chaosrun-a-day.timer" in done.stderr
    assert (tmp_path / "units" / "chaosrun-a-day.timer").read_text() in printed.stdout
    assert chaosrun("schedule", "day.yaml", "--into", "units").returncode == 0
    (tmp_path / "units" / "chaosrun-a-day.timer").write_text("mine")
    done = chaosrun("schedule", "day.yaml", "--into", "units")
    assert done.returncode == Exit.USAGE
    assert (tmp_path / "units" / "chaosrun-a-day.timer").read_text() == "mine"


def test_the_command_of_a_line_of_cron_runs_the_day(chaosrun: Any, write: Any, tmp_path: Path) -> None:
    write(TUESDAYS + NEVER)
    done = chaosrun("schedule", "day.yaml", "--for", "cron")
    line = done.stdout.splitlines()[-1]
    assert line.startswith("0 10 * * 2 ")
    command = line.removeprefix("0 10 * * 2 ").replace("\\%", "%")
    # cron's environment is as small as that.
    small = {key: os.environ[key] for key in ("HOME", "CHAOSRUN_STATE_DIR") if key in os.environ}
    ran = subprocess.run(
        ["/bin/sh", "-c", command], check=False, capture_output=True, text=True, timeout=60, cwd="/", env=small
    )
    assert ran.returncode == Exit.NOT_NOW
    assert f"{tmp_path}/day.yaml: it is " in ran.stderr


def test_a_variable_that_is_not_set_here_is_no_hindrance_and_its_value_is_nowhere(chaosrun: Any, write: Any) -> None:
    write(TUESDAYS + 'secrets: {hook: {env: HOOK}}\nnotify: [{webhook: "${secret.hook}"}]\n')
    done = chaosrun("schedule", "day.yaml", env={"HOOK": "https://127.0.0.1/very-secret-token"})
    assert done.returncode == 0
    assert "# It reads HOOK: NAME=VALUE" in done.stdout
    assert "very-secret" not in done.stdout + done.stderr
    again = chaosrun("schedule", "day.yaml")
    assert again.stdout == done.stdout
    assert "HOOK: not set here, so that the experiments were not checked" in again.stderr


def test_a_day_without_a_window_has_nothing_to_be_started_by(chaosrun: Any, write: Any) -> None:
    write()
    done = chaosrun("schedule", "day.yaml", "--for", "github")
    assert done.returncode == Exit.USAGE
    assert "give it a `window`" in done.stderr
