"""From an experiment to the parts of its run: what each part is told, and what is refused before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaosrun.assembly import Assembly, beginning
from chaosrun.errors import UsageError
from chaosrun.identity import Identity
from chaosrun.journal import Journal
from chaosrun.method import Inject, Parallel, Pause
from chaosrun.spec.loader import load_experiment

SECOND = 1_000_000_000

YAML = """
title: Parts
target: {url: "ws://127.0.0.1:9/ws", roles: {app: {process: nobody-is-called-this}}}
steady_state:
  load:
    users:
      protocol: mt5
      clients: 4
      requests: 10/s
      channels: {list: [A, B, C]}
      heartbeat: 30s
      reconnect: {first: 50ms, max: 400ms, jitter: none, seed: 7}
      headers: {X-Team: blue}
METHOD
timing: {baseline: 10s}
"""


class Nobody:
    """Nothing is started here, so nothing is told."""

    def spawned(self, role: str, identity: Identity) -> None:
        raise AssertionError

    def exited(self, role: str, identity: Identity, code: int | None, expected: bool) -> None:
        raise AssertionError


def assemble(folder: Path, *sets: str, method: str = "method: []") -> Assembly:
    path = folder / "parts.yaml"
    path.write_text(YAML.replace("METHOD", method))
    loaded = load_experiment(path, sets=sets)
    return Assembly(loaded, beginning(loaded, folder, None), folder, Journal(folder, "engine"), Nobody())


METHOD = """method:
  - {pause: 2s}
  - {fault: noop, name: nothing, at: 3s}
  - parallel: [{fault: noop, name: one, for: 2s}, {pause: 1s}, {parallel: [{fault: noop, name: two}]}]
    at: 5s
  - {fault: noop, name: last, probe: {tcp: "127.0.0.1:9", expect: down, within: 2s}}
rollbacks: [{fault: noop, name: tidy}, {pause: 1s}, {fault: noop, name: up}]"""


def test_steps_are_numbered_in_their_order_with_those_in_parallel_as_they_come(tmp_path: Path) -> None:
    made = assemble(tmp_path, method=METHOD)
    pause, first, both, last = made.method
    assert pause == Pause(2 * SECOND)
    assert isinstance(first, Inject) and isinstance(both, Parallel) and isinstance(last, Inject)
    one, between, inner = both.steps
    assert isinstance(one, Inject) and isinstance(inner, Parallel) and isinstance(inner.steps[0], Inject)
    assert between == Pause(SECOND)
    injections = [first, one, inner.steps[0], last]
    assert [(step.identifier, step.fault.name) for step in injections] == [
        ("fault-1", "nothing"),
        ("fault-2", "one"),
        ("fault-3", "two"),
        ("fault-4", "last"),
    ]
    assert (first.at.ns, both.at.ns, one.for_ns, one.fault.sustained) == (3 * SECOND, 5 * SECOND, 2 * SECOND, True)
    assert [step.probe is None for step in injections] == [True, True, True, False]
    assert [step.identifier for step in made.rollbacks if isinstance(step, Inject)] == ["rollback-1", "rollback-2"]


def test_every_kind_of_fault_lasts_as_its_step_says(tmp_path: Path) -> None:
    """Scoring goes by what the plan says, and undoing by what the fault does."""
    path = tmp_path / "parts.yaml"
    kill = "{fault: process_kill, role: app, restart: {by: supervisor}}"
    path.write_text(YAML.replace("METHOD", f"method: [{{fault: noop}}, {{fault: noop, for: 1s}}, {kill}]"))
    loaded = load_experiment(path)
    began = beginning(loaded, tmp_path, None)
    made = Assembly(loaded, began, tmp_path, Journal(tmp_path, "engine"), Nobody())
    lasting = [step.fault.sustained for step in made.method if isinstance(step, Inject)]
    assert [fault.sustained for fault in began.plan.faults] == lasting == [False, True, False]


def test_fewer_accounts_than_clients_are_refused_only_where_that_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "accounts.csv").write_text("account,token\n1,a\n2,b\n")
    table = f"steady_state.load.users.accounts={{csv: {tmp_path}/accounts.csv}}"
    assemble(tmp_path, table)
    with pytest.raises(UsageError, match=r"2 accounts for 4 clients.*exhausted: cycle"):
        assemble(tmp_path, table, "steady_state.load.users.accounts.exhausted=fail")


def test_a_guard_says_in_words_what_it_watches(tmp_path: Path) -> None:
    guards = "stop_when=[{metric: usable, below: 50%, for: 3s}, {metric: cpu, role: app, above: 90%}]"
    made = assemble(tmp_path, guards)
    assert [guard.written for guard in made.guards] == ["usable below 50% for 3s", "cpu of app above 90% for 10s"]


def test_the_first_line_of_a_journal_is_the_same_experiment_and_holds_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "parts.yaml"
    text = YAML.replace("METHOD", "method: []").replace("X-Team: blue", 'Authorization: "${secret.token}"')
    path.write_text(text + "secrets: {token: {env: PARTS_TOKEN}}\n")
    loaded = load_experiment(path, env={"PARTS_TOKEN": "hunter2"})
    one, two = (beginning(loaded, tmp_path / name, None) for name in ("a", "b"))
    assert one.fingerprint == two.fingerprint
    assert one.experiment_sha256 == two.experiment_sha256
    assert "hunter2" not in repr(one)
    other = load_experiment(path, env={"PARTS_TOKEN": "hunter2"}, sets=["steady_state.load.users.clients=5"])
    assert beginning(other, tmp_path, None).fingerprint != one.fingerprint
