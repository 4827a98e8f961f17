"""From an experiment to the parts of its run: what each part is told, and what is refused before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaosrun.assembly import Assembly, Pause, beginning
from chaosrun.errors import UsageError
from chaosrun.faults.noop import Noop
from chaosrun.identity import Identity
from chaosrun.journal import Journal
from chaosrun.spec.loader import load_experiment

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


def test_steps_become_faults_and_pauses_in_their_order(tmp_path: Path) -> None:
    made = assemble(tmp_path, method="method: [{pause: 2s}, {fault: noop, name: nothing}, {pause: 1s}]")
    assert made.method[0] == Pause(2_000_000_000)
    assert isinstance(made.method[1], Noop)
    assert made.method[1].name == "nothing"
    assert made.method[2] == Pause(1_000_000_000)


def test_fewer_accounts_than_clients_are_refused_only_where_that_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "accounts.csv").write_text("account,token\n1,a\n2,b\n")
    table = f"steady_state.load.users.accounts={{csv: {tmp_path}/accounts.csv}}"
    assemble(tmp_path, table)
    with pytest.raises(UsageError, match=r"2 accounts for 4 clients.*exhausted: cycle"):
        assemble(tmp_path, table, "steady_state.load.users.accounts.exhausted=fail")


def test_a_guard_says_in_words_what_it_watches(tmp_path: Path) -> None:
    guards = "stop_when=[{metric: usable, below: 50%, for: 3s}, {metric: cpu, role: app, above: 90%}]"
    made = assemble(tmp_path, guards)
    assert [guard.written for guard in made.guards] == ["usable below 50% for 3 s", "cpu of app above 90% for 10 s"]
    assert (made.guards[0].below, made.guards[0].for_ns) == (0.5, 3_000_000_000)


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
