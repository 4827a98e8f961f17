"""Which changes of an experiment make its runs incomparable, which are only told, and what never shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaosrun.conditions import Conditions, Difference, differences
from chaosrun.spec.conditions import conditions_of
from chaosrun.spec.loader import Loaded, load_experiment
from chaosrun.spec.plan import make_plan

MACHINE = {"host": "here", "cpus": "2", "kernel": "6.1", "version.chaosrun": "0.1.0"}
YAML = """
title: Crash
description: what for
tags: [a]
target:
  url: "ws://127.0.0.1:9/ws"
  allow: [example.com]
  roles:
    app: {command: [./serve, --port, 9], cwd: one, env: {WORKERS: 2, TOKEN: "${secret.token}"}}
steady_state:
  load:
    users:
      protocol: {request: {send: {id: "{id}"}, reply: {id: "{id}"}}}
      clients: 50
      requests: 1/s
      headers: {Authorization: "${secret.token}", X-Team: blue}
      channels: {list: [A, B]}
  hypothesis: [{metric: usable, min: 100%}]
method: [{fault: process_kill, role: app, name: crash, restart: {after: 1s}}]
recovery: {within: 10s}
expect: [{metric: requests.lost_connected, max: 0}]
stop_when: [{metric: usable, below: 50%}]
timing: {baseline: 10s}
profiles: {slow: {steady_state.load.users.reconnect.max: 9s}}
secrets: {token: {env: TOKEN}}
"""


def conditions(folder: Path, *sets: str, profile: str | None = None, **machine: str) -> Conditions:
    path = folder / "crash.yaml"
    path.write_text(YAML)
    (folder / "one").mkdir(exist_ok=True)
    loaded = load_experiment(path, sets=sets, profile=profile, env={"TOKEN": "hunter2"})
    return conditions_of(loaded, make_plan(loaded), MACHINE | machine)


REQUIRED = {
    "steady_state.load.users.clients=60": "steady_state.load.users.clients",
    "steady_state.load.users.requests=2/s": "steady_state.load.users.requests",
    "steady_state.load.users.latency_limit=200ms": "steady_state.load.users.latency_limit",
    "steady_state.load.users.reconnect.max=9s": "steady_state.load.users.reconnect.max",
    "steady_state.load.users.transport=websockets": "steady_state.load.users.transport",
    "steady_state.load.users.workers=2": "steady_state.load.users.workers",
    "steady_state.load.users.cookies={}": "steady_state.load.users.cookies",
    "steady_state.load.users.cookies={team: blue}": "steady_state.load.users.cookies",
    "steady_state.load.users.http_proxy='http://127.0.0.1:3128'": "steady_state.load.users.http_proxy",
    "steady_state.load.users.source_addresses=127.0.0.0/24": "steady_state.load.users.source_addresses",
    "steady_state.load.users.read=10/s": "steady_state.load.users.read",
    "steady_state.load.users.heartbeat=10s": "steady_state.load.users.heartbeat.every",
    "steady_state.load.users.channels.list=[A, C]": "steady_state.load.users.channels.list",
    "steady_state.load.users.protocol={request: {send: {n: '{id}'}, reply: {n: '{id}'}}}": (
        "steady_state.load.users.protocol"
    ),
    "method=[{fault: noop}]": "method.0.fault",
    "method=[{fault: process_kill, role: app, restart: {after: 2s}}]": "method.0.restart.after",
    "recovery.stable_for=7s": "recovery.stable_for",
    "recovery.tolerate.requests=9%": "recovery.tolerate.requests",
    "timing.baseline=11s": "timing.baseline",
    "target.prober={every: 20ms}": "target.prober.every",
    "fleet=ray": "machine.fleet",
    "fleet=in-process": "machine.fleet",
    "fleet={ray: {workers: 2}}": "fleet.ray.workers",
}


@pytest.mark.parametrize("change", REQUIRED)
def test_what_changes_the_numbers_changes_the_fingerprint_and_is_named(tmp_path: Path, change: str) -> None:
    before, after = conditions(tmp_path), conditions(tmp_path, change)
    assert before.fingerprint() != after.fingerprint()
    assert REQUIRED[change] in {found.name for found in differences(before.required, after.required)}


@pytest.mark.parametrize(
    "change",
    [
        "title=Another",
        "description=another",
        "tags=[b]",
        "steady_state.hypothesis=[]",
        "expect=[]",
        "stop_when=[]",
        "recovery.within=20s",
        "recovery.no_relapse=true",
        "timing.max_duration=5m",
        "target.allow=[]",
        "method=[{fault: process_kill, role: app, name: another, restart: {after: 1s}}]",
    ],
)
def test_words_for_people_and_limits_are_no_conditions(tmp_path: Path, change: str) -> None:
    assert conditions(tmp_path, change) == conditions(tmp_path)


UNDER_TEST = {
    "target.url=ws://127.0.0.1:8/ws": "target.url",
    "target.roles.app.command=[./serve-2]": "target.roles.app.command",
    "target.roles.app.cwd=two": "target.roles.app.cwd",
    "target.roles.app.env={OTHER: x}": "target.roles.app.env",
}


@pytest.mark.parametrize("change", UNDER_TEST)
def test_what_is_under_test_may_differ_and_is_told(tmp_path: Path, change: str) -> None:
    before, after = conditions(tmp_path), conditions(tmp_path, change)
    assert before.fingerprint() == after.fingerprint()
    assert [found.name for found in differences(before.under_test, after.under_test)] == [UNDER_TEST[change]]


def test_the_machine_has_to_be_the_same_and_its_kernel_is_told(tmp_path: Path) -> None:
    here = conditions(tmp_path)
    assert conditions(tmp_path, host="there").fingerprint() != here.fingerprint()
    assert conditions(tmp_path, cpus="4").fingerprint() != here.fingerprint()
    newer = conditions(tmp_path, kernel="6.2")
    assert newer.fingerprint() == here.fingerprint()
    assert differences(here.noted, newer.noted) == (Difference("machine.kernel", "6.1", "6.2"),)


def test_overrides_count_by_their_effect(tmp_path: Path) -> None:
    by_set = conditions(tmp_path, "steady_state.load.users.reconnect.max=9s")
    assert conditions(tmp_path, profile="slow") == by_set != conditions(tmp_path)
    assert conditions(tmp_path, "steady_state.load.users.reconnect.max=5s") == conditions(tmp_path)


def test_what_auto_became_is_the_same_as_that_value_written_out(tmp_path: Path) -> None:
    written = (
        "recovery.window=2s",
        "recovery.tolerate.requests=6%",
        "steady_state.load.users.reply_timeout=5s",
        "steady_state.load.users.ramp={over: 1s, start: 2}",
    )
    assert conditions(tmp_path, *written) == conditions(tmp_path)


def test_no_secret_and_nothing_that_may_be_one_is_in_them(tmp_path: Path) -> None:
    found = conditions(
        tmp_path,
        "target.url=ws://user:pass1@127.0.0.1:9/ws?token=pass2#pass3",
        "target.roles.app.command=[./serve, 'postgres://me:pass4@db/x', '--to=redis://:pass5@pass5@db?password=pass6']",
        "target.roles.app.env={KEY: pass7}",
        "steady_state.load.users.headers={Cookie: pass8}",
        "steady_state.load.users.protocol.request={send: {id: '{id}', password: pass9}, reply: {id: '{id}'}}",
    )
    text = repr(found) + repr(conditions(tmp_path))
    assert "pass" not in text
    assert "hunter2" not in text
    assert found.under_test["target.url"] == "ws://***@127.0.0.1:9/ws"
    assert found.under_test["target.roles.app.env"] == "KEY TOKEN WORKERS"
    assert found.required["steady_state.load.users.headers"] == "Authorization Cookie X-Team"


def test_a_long_text_is_told_by_its_hash(tmp_path: Path) -> None:
    many = [f"channel-{number}" for number in range(100)]
    change = "steady_state.load.users.channels.list=[{}]"
    one, two = (
        conditions(tmp_path, change.format(", ".join(names))).required["steady_state.load.users.channels.list"]
        for names in (many, [*many[:-1], "other"])
    )
    assert one != two
    assert len(one) < 150


def test_who_plays_the_load_is_required_to_be_the_same_by_whatever_it_was_said(tmp_path: Path) -> None:
    path = tmp_path / "crash.yaml"
    path.write_text(YAML)
    (tmp_path / "one").mkdir()
    loaded = load_experiment(path, env={"TOKEN": "hunter2"})

    def of(made: Loaded) -> Conditions:
        return conditions_of(made, make_plan(made), MACHINE)

    assert of(loaded.played_by("ray")) == conditions(tmp_path, "fleet=ray")
    assert "machine.fleet" not in of(loaded).required, "nor was it when there were no others"
    assert of(loaded.played_by(None)) == of(loaded.played_by("processes")) == of(loaded)
    options = load_experiment(path, env={"TOKEN": "hunter2"}, sets=["fleet={ray: {workers: 2}}"])
    assert options.played_by("ray") is options, "with the options that it has"
    assert of(options.played_by("processes")) == of(loaded)
