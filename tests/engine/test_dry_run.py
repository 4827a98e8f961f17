"""What a run would do, foreseen on real processes: what is named is what would be hit, and nothing is touched."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chaosrun.dry_run import flow, foresee
from chaosrun.errors import Exit
from chaosrun.foreseen import Foreseen, Need
from chaosrun.identity import identify, thread_states
from chaosrun.processes import Selector, find
from chaosrun.safety.open_runs import VARIABLE, Index, OpenRun
from chaosrun.spec.loader import load_experiment

ROOT = Path(__file__).parents[2]
SLEEPER = "import time; time.sleep(600)"


@pytest.fixture
def word() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def sleepers(word: str) -> Iterator[list[int]]:
    """Two processes of somebody else's."""
    processes = [subprocess.Popen([sys.executable, "-c", SLEEPER, word]) for _ in range(2)]
    while len(find(Selector(cmdline_contains=(word,)))) < 2:
        time.sleep(0.01)
    yield sorted(process.pid for process in processes)
    for process in processes:
        process.kill()
        process.wait()


EXPERIMENT = """\
title: a service of my own
steady_state: {load: {users: {protocol: mt5, clients: 30, requests: 2/s, sentinels: 5/s, ramp: {over: 2s}}}}
target:
  url: "ws://127.0.0.1:9/ws"
  roles:
    server: {process: {name: %s, cmdline_contains: [%s], expect: 2, start: [x, y]}}
    side: {command: [nowhere]}
  proxy: {toxiproxy: embedded}
method:
  - {fault: process_kill, role: server, processes: 1, restart: {by: chaosrun, after: 2s}}
  - {pause: 3s}
  - parallel:
      - {name: freeze, fault: process_pause, role: server, for: 4s, at: 1m}
      - {fault: toxiproxy, toxic: latency, attributes: {latency: 100ms}, for: 5s}
  - {fault: client_disconnect, clients: 10%%, every: 2s, times: 3}
  - {fault: http, role: side, send: {path: /off}, undo: {path: /on}}
rollbacks: [{fault: command, run: [sh, -c, "exit 0"], permanent: true}]
stop_when: [{metric: usable, below: 5%%}]
timing: {warmup: 1s, baseline: 20s, recovery_timeout: 60s, after: 10s, verify: 5s, max_duration: 5m}
"""


def foreseen(folder: Path, word: str, **more: object) -> Foreseen:
    (folder / "e.yaml").write_text(EXPERIMENT % (Path(sys.executable).name, word))
    return of(folder / "e.yaml", report_dir=folder / "reports", **more)


def of(file: Path, *, report_dir: Path, needs: tuple[Need, ...] = (), **more: object) -> Foreseen:
    return foresee(load_experiment(file), lambda: needs, report_dir=report_dir, **more)  # type: ignore[arg-type]


def test_each_fault_is_told_with_what_it_would_hit_now_by_what_when_and_how_it_is_undone(
    tmp_path: Path, word: str, sleepers: list[int]
) -> None:
    seen = foreseen(tmp_path, word)
    kill, freeze, toxic, cut, switch = seen.faults
    assert kill.hits[0].split(":")[0] in map(str, sleepers)
    assert len(kill.hits) == 1, "one of the two, by the seed"
    assert word in kill.hits[0]
    assert kill.keys == "{processes: 1, restart: {by: chaosrun, after: 2s}, signal: SIGKILL}"
    assert kill.undone == "start role 'server' again if it is not running"
    assert (kill.begins_s, kill.is_sustained, kill.for_s) == (0.0, False, None)
    assert [each.split(":")[0] for each in freeze.hits] == [str(pid) for pid in sleepers]
    assert (freeze.begins_s, freeze.is_sustained, freeze.for_s) == (60.0, True, 4.0)
    assert freeze.undone == f"let role 'server' go on (kill -CONT {sleepers[0]} {sleepers[1]})"
    assert "every thread of each process stopped" in freeze.confirmed
    assert toxic.begins_s == 5.0, "two seconds of the kill, three of the pause"
    assert "every connection to role 'server'" in toxic.hits[0]
    assert str(toxic.undone).startswith("take toxic 'chaosrun-RUN-server-fault-3' off")
    assert (cut.times, cut.every_s) == (3, 2.0)
    assert cut.hits == ("10% of the clients of the first group, chosen by seed 1: connections of the load itself",)
    assert switch.hits == ("POST http://127.0.0.1:9/off",)
    assert switch.undone == "send POST http://127.0.0.1:9/on"
    (rollback,) = seen.rollbacks
    assert rollback.begins_s is None
    assert rollback.hits[0].endswith("sh -c 'exit 0'")
    assert (seen.refused, seen.exit_code) == ((), Exit.PASSED)


def test_how_clients_connect_and_read_is_told_without_a_password(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text("""\
title: a service of my own
steady_state:
  load:
    plain: {protocol: mt5, clients: 3}
    users:
      {protocol: mt5, clients: 3, tls: {verify: false}, http_proxy: "http://joe:hunter2@127.0.0.1:3128",
       source_addresses: 127.0.0.0/24, cookies: {session: hunter2}, read: 10/s}
target: {url: "wss://127.0.0.1:9/ws"}
""")
    plain, users = of(tmp_path / "e.yaml", report_dir=tmp_path / "reports").load
    assert plain.ways == ()
    assert users.ways == (
        "ANY CERTIFICATE of the service will do",
        "through the HTTP proxy http://127.0.0.1:3128",
        "from 254 addresses (127.0.0.0/24)",
        "with cookies (session)",
        "each reads at most 10 messages/s",
    )


def test_load_phases_guards_and_limits_are_those_of_the_experiment(
    tmp_path: Path, word: str, sleepers: list[int]
) -> None:
    seen = foreseen(tmp_path, word, repeat=3)
    (load,) = seen.load
    assert (load.group, load.clients, load.protocol, load.requests_per_s, load.ramp_s) == ("users", 30, "mt5", 65, 2)
    planned = {phase.name: phase.planned_s for phase in seen.phases}
    assert list(planned) == [
        "start", "ramp", "warmup", "baseline", "fault", "recovery", "after", "rollback", "verify", "drain",
    ]  # fmt: skip
    assert (planned["start"], planned["ramp"], planned["baseline"], planned["fault"]) == (None, 2.0, 20.0, 68.0)
    assert {phase.name for phase in seen.phases if phase.at_most} == {"recovery", "drain"}
    assert (seen.longest_s, seen.repeat) == (300.0, 3)
    assert seen.guards == ("usable below 5% for 10s",)
    assert seen.proxy is not None
    assert seen.proxy.startswith("embedded")
    assert [role.is_ours for role in seen.roles] == [False, True]
    assert [each.is_this for each in seen.machines] == [True]
    assert not seen.is_asked_about


def test_nothing_is_touched(tmp_path: Path, word: str, sleepers: list[int]) -> None:
    before = sorted(tmp_path.iterdir())
    foreseen(tmp_path, word)
    assert sorted(tmp_path.iterdir()) == [*before, tmp_path / "e.yaml"]
    for pid in sleepers:
        identity = identify(pid)
        assert identity is not None
        assert "T" not in thread_states(identity).values()
    assert len(find(Selector(cmdline_contains=(word,)))) == 2


def test_a_role_that_is_not_there_refuses_as_a_run_would_and_so_do_its_faults(tmp_path: Path, word: str) -> None:
    seen = foreseen(tmp_path, word)
    (told,) = seen.refused
    assert "role server: no process matches" in told
    assert "2 processes expected. Is it running" in told
    assert seen.exit_code == Exit.UNAVAILABLE
    assert [fault.kind for fault in seen.faults if fault.refused is not None] == ["process_kill", "process_pause"]
    assert seen.faults[0].undone is None


def test_what_the_doctor_misses_refuses_and_is_said_once(tmp_path: Path, word: str, sleepers: list[int]) -> None:
    missing = Need(name="descriptors", state="limited", found="too few", needed_for="a socket a client")
    seen = foreseen(tmp_path, word, needs=(missing,))
    assert seen.refused == ("a socket a client: descriptors: too few",)
    assert seen.needs == (missing,)


def test_a_program_that_is_not_there_is_told_by_its_fault(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text(
        "title: t\nsteady_state: {load: {a: {protocol: mt5, clients: 1}}}\ntarget: {reference: mt5-bridge}\n"
        "method: [{fault: command, run: [no-such-program], permanent: true}]\n"
    )
    need = Need(name="program no-such-program", state="missing", found="not found on PATH", needed_for="fault command")
    seen = of(tmp_path / "e.yaml", report_dir=tmp_path, needs=(need,))
    assert any("no-such-program is not on PATH; install it" in each for each in seen.refused)
    assert seen.faults[0].hits == (f"whatever this does, in {Path.cwd()}: no-such-program",)


def test_a_toxiproxy_that_is_not_here_keeps_nobody_from_seeing_the_rest(
    tmp_path: Path, word: str, sleepers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = Need(name="toxiproxy", state="missing", found="no toxiproxy-server", needed_for="the way to server")
    (tmp_path / "e.yaml").write_text((EXPERIMENT % (Path(sys.executable).name, word)).replace("embedded", "binary"))
    seen = of(tmp_path / "e.yaml", report_dir=tmp_path, needs=(missing,))
    assert "the way to server: toxiproxy: no toxiproxy-server" in seen.refused
    assert (seen.proxy, seen.faults[2].hits) == (None, ())
    assert seen.faults[0].hits


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_refuses_with_its_own_code(tmp_path: Path, word: str) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "kept").mkdir(mode=0o555)
    seen = of(ROOT / "experiments/control-noop.yaml", report_dir=tmp_path / "kept" / "reports")
    assert seen.exit_code == Exit.UNWRITABLE


def test_a_place_for_the_runs_that_is_a_file_refuses_with_its_own_code(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    seen = of(ROOT / "experiments/control-noop.yaml", report_dir=tmp_path / "file" / "reports")
    assert seen.exit_code == Exit.UNWRITABLE
    assert "choose another place with --report-dir" in seen.refused[0]


@pytest.mark.parametrize(("runner_lives", "code"), [(True, Exit.NOT_NOW), (False, Exit.DIRTY)])
def test_a_run_that_goes_on_or_left_something_open_refuses_as_it_would_a_run(
    tmp_path: Path,
    word: str,
    sleepers: list[int],
    monkeypatch: pytest.MonkeyPatch,
    runner_lives: bool,
    code: Exit,
) -> None:
    """By the index of open runs: of one whose folder is gone, its process alone tells whether it goes on."""
    state = tmp_path / "state"
    monkeypatch.setenv(VARIABLE, str(state))
    foreseen(tmp_path, word)
    assert not state.exists(), "whoever only looks makes nothing"
    own = identify(os.getpid())
    assert own is not None
    runner = own if runner_lives else replace(own, start_time=own.start_time - 1)
    Index(state).claim(
        OpenRun(folder=str(tmp_path / "gone"), title="t", runner=runner, keys=("port 9 of this machine",), armed=True)
    )
    seen = foreseen(tmp_path, word)
    (told,) = seen.refused
    assert told.startswith("port 9 of this machine")
    assert seen.exit_code == code
    (kept,) = (state / "open").iterdir()
    assert kept.suffix == ".json"


def test_another_machine_is_told_with_the_keys_that_name_it(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text(
        "title: t\nsteady_state: {load: {a: {protocol: mt5, clients: 1}}}\n"
        'target: {url: "ws://192.0.2.7/", allow: [192.0.2.7, 192.0.2.8], ready: {tcp: "192.0.2.8:1"}}\n'
    )
    seen = of(tmp_path / "e.yaml", report_dir=tmp_path)
    assert {each.host: (each.is_this, each.is_hit, each.because) for each in seen.machines} == {
        "192.0.2.7": (False, True, ("target.url",)),
        "192.0.2.8": (False, False, ("target.ready.tcp",)),
    }
    assert seen.is_asked_about


@pytest.mark.parametrize("file", sorted((ROOT / "experiments").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_shipped_experiment_can_be_foreseen(file: Path, tmp_path: Path) -> None:
    """Whatever of it this machine lacks."""
    seen = of(file, report_dir=tmp_path)
    assert seen.title
    assert all(fault.confirmed for fault in seen.faults)
    assert all(fault.undone is not None or fault.refused is not None or fault.role for fault in seen.faults)


def test_a_value_is_told_as_it_could_be_written() -> None:
    assert flow({"a": [1, None, True], "b": {"c": "x"}}) == "{a: [1, null, true], b: {c: x}}"


@pytest.mark.parametrize(
    ("fleet", "told"),
    [
        ("processes", ""),
        ("in-process", "in chaosrun's own process"),
        ("ray", "on the Ray cluster at auto: a worker on every node with CPU 1 each"),
        (
            "{ray: {address: head:6379, workers: 3, resources: {CPU: 2}}}",
            "on the Ray cluster at head:6379: 3 workers with CPU 2 each",
        ),
    ],
)
def test_where_the_load_is_played_is_told_unless_it_is_as_usual(tmp_path: Path, fleet: str, told: str) -> None:
    file = tmp_path / "e.yaml"
    load = "{load: {users: {protocol: mt5, clients: 3}}}"
    file.write_text(f"title: t\ntarget: {{url: 'ws://127.0.0.1:9/ws'}}\nsteady_state: {load}\nfleet: {fleet}\n")
    assert of(file, report_dir=tmp_path / "reports").played == told
