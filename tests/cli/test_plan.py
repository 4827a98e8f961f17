"""`chaosrun plan`: how many processes a load needs, in words and as JSON; nothing is started."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chaosrun.errors import Exit

TEXT = """\
title: many
steady_state: {load: {users: {protocol: mt5, clients: 100000, requests: 1/s, ramp: {over: 60s}, WHATEVER}}}
target: {reference: mt5-bridge}
"""


@pytest.fixture
def many(tmp_path: Path) -> Path:
    file = tmp_path / "many.yaml"
    file.write_text(TEXT.replace("WHATEVER", "channels: {list: [EURUSD]}"))
    return file


def test_a_load_that_this_machine_cannot_play_is_told_so_with_the_bottleneck(chaosrun: Any, many: Path) -> None:
    done = chaosrun("plan", many, "--pushes", "5/s")
    assert done.returncode == Exit.UNAVAILABLE, done.stderr
    assert "users: 100,000 clients, 100,000 requests/s, 500,000 pushes/s" in done.stdout
    assert "this machine is too small" in done.stdout
    assert "nodes like this of a Ray cluster" in " ".join(done.stdout.split())
    assert "100,000 requests/s of 130 us" in " ".join(done.stdout.split())
    assert [each.name for each in many.parent.iterdir()] == ["many.yaml"], "nothing is started or kept"


def test_what_is_not_known_is_said_and_how_to_say_it(chaosrun: Any, many: Path) -> None:
    done = chaosrun("plan", many, "--set", "steady_state.load.users.clients=10")
    assert done.returncode == 0, done.stderr
    assert "how much the service pushes; counted as nothing: say --pushes RATE" in " ".join(done.stdout.split())
    assert "1 load process on one machine like this" in done.stdout


def test_too_few_workers_are_told_with_the_number_that_is_enough(chaosrun: Any, many: Path) -> None:
    args = ("--set", "steady_state.load.users.clients=5000", "--set", "steady_state.load.users.requests=1/2s")
    done = chaosrun("plan", many, *args, "--pushes", "none")
    assert done.returncode == 0, done.stderr
    assert "the experiment has `workers: 1`, which is too few; write `workers: 2`" in done.stdout


def test_as_json_every_number_is_there_and_no_secret(chaosrun: Any, tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    own = "http_proxy: 'http://me:${secret.p}@127.0.0.1:1'"
    file.write_text(TEXT.replace("WHATEVER", own) + "secrets: {p: {env: PASSWORD_OF_PROXY}}\n")
    done = chaosrun("plan", file, "--format", "json", env={"PASSWORD_OF_PROXY": "tok3n-secret"})
    assert "tok3n-secret" not in done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["schema"], found["fits"], found["demand"]["groups"][0]["clients"]) == (1, False, 100_000)
    assert found["unknown"] == ["users: how much the service pushes"]
    assert {bound["per"] for bound in found["bounds"]} == {"process", "machine", "address"}
    assert found["processes"] == max(bound["wanted"] for bound in found["bounds"] if bound["per"] == "process")


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["--pushes", "many"], "'many' is no rate; write for example 10/s, or none"),
        (["--pushes", "traders=1/s"], "there is no group 'traders' in the load; groups: users"),
        (["--pushes", "1/s", "--pushes", "2/s"], "the second for every group"),
        (["--like", "nowhere"], "name the folder of a run"),
    ],
)
def test_what_makes_no_sense_is_refused(chaosrun: Any, many: Path, args: list[str], complaint: str) -> None:
    done = chaosrun("plan", many, *args)
    assert done.returncode == Exit.USAGE
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
