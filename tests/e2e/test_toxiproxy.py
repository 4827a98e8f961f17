"""Whole runs through a Toxiproxy: the delay that was asked for is the one that was made, and nothing of it is left."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e_running import INCONCLUSIVE, chaosrun, come_to, conclusive, free_port

from chaosrun import proxy
from chaosrun.identity import Identity, boot_id, send_signal
from chaosrun.recorded import read_run
from chaosrun.records import Started
from chaosrun.toxics import ROLE, Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

TOXIC = Path(__file__).with_name("toxic.yaml")
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "chaosrun" / "bin"
"""Where .ci/run puts the original."""
DOWN = ("--set", "method.0.toxic=down", "--set", "method.0.attributes=null")


@contextlib.contextmanager
def somebody_elses() -> Iterator[Server]:
    """A server that was there before, with a proxy that is nobody's business."""
    port = free_port()
    with subprocess.Popen([*proxy.argv(port=port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            server = Server(f"http://127.0.0.1:{port}")
            server.create("theirs", listen="127.0.0.1:0", upstream="127.0.0.1:9")
            yield server
        finally:
            process.kill()


def proxies(server: Server) -> list[str]:
    return list(server.ask("GET", "/proxies").json())


def only_the_embedded() -> tuple[str, ...]:
    return "--set", "target.proxy.toxiproxy=embedded"


@pytest.mark.parametrize("kind", ["embedded", pytest.param("binary", marks=pytest.mark.live)])
def test_the_delay_that_was_asked_for_is_the_one_that_was_made(tmp_path: Path, kind: str) -> None:
    env = {"PATH": f"{CACHE}:{os.environ['PATH']}"}
    if kind == "binary" and shutil.which("toxiproxy-server", path=env["PATH"]) is None:
        pytest.skip(f"toxiproxy-server is neither on the PATH nor in {CACHE}; .ci/run installs it")
    choice = ("--set", f"target.proxy.toxiproxy={kind}")
    finished = conclusive(TOXIC, "--format", "json", *choice, reports=tmp_path, env=env)
    assert finished.code == 0, finished.err
    result = finished.result
    told = result["environment"]["proxy"]
    assert told["kind"] == kind
    assert told["version"]
    assert result["conditions"]["noted"]["machine.toxiproxy"] == kind
    assert told["requested_ms"] == 100
    # Of echoes of 1 ms, on a machine that may do other things meanwhile; less than was asked cannot be.
    assert 95 <= told["realised_ms"] < 200
    (fault,) = result["faults"]
    assert fault["verified"]
    assert fault["undone"]
    assert "a fresh client: answered after" in fault["detail"]
    assert fault["delay"] == {key: told[key] for key in ("requested_ms", "realised_ms")}
    assert ROLE in result["resources"]
    assert result["clients"]["unexpected_disconnects"] == 0
    assert result["messages"]["push"]["lost_connected"] == 0
    assert finished.left_behind() == []


def test_a_link_that_is_off_is_an_outage_of_that_length(tmp_path: Path) -> None:
    finished = conclusive(TOXIC, "--format", "json", *only_the_embedded(), *DOWN, reports=tmp_path)
    assert finished.code == 0, finished.err
    recovery = finished.result["recovery"]
    assert recovery["affected_clients"] == 10
    assert recovery["back_s"]["never"] == 0
    assert 2.9 <= recovery["outage_s"] < 8
    assert finished.result["environment"]["proxy"]["requested_ms"] is None


def test_without_the_way_to_its_terminal_the_bridge_serves_on_and_the_feeds_stand_still(tmp_path: Path) -> None:
    behind = ("--set", "target.proxy.links=[server, terminal]", "--set", "method.0.proxy=terminal")
    finished = conclusive(TOXIC, "--format", "json", *only_the_embedded(), *behind, *DOWN, reports=tmp_path)
    assert finished.code == 0, finished.err
    assert finished.result["clients"]["unexpected_disconnects"] == 0
    assert finished.result["recovery"]["recovered_by"] == "accounts.pushes"
    assert finished.result["messages"]["push"]["lost_connected"] > 0, "the terminal went on numbering"
    assert finished.result["messages"]["requests"]["lost_connected"] == 0


def test_a_server_of_somebody_else_is_as_it_was_afterwards(tmp_path: Path) -> None:
    with somebody_elses() as server:
        env = {"TOXIPROXY_URL": server.url}
        finished = come_to({"type": "confirmed"}, TOXIC, "--format", "json", reports=tmp_path, env=env).finish()
        assert finished.code in (0, INCONCLUSIVE), finished.err
        assert finished.result["environment"]["proxy"]["kind"] == "server"
        assert proxies(server) == ["theirs"]
    assert finished.folder is not None
    history = read_run(finished.folder).history
    assert {intent.undo.id for intent in history.intents} == {line.id for line in history.undone}


def test_who_stops_a_run_under_a_toxic_leaves_a_clean_server(tmp_path: Path) -> None:
    with somebody_elses() as server:
        env = {"TOXIPROXY_URL": server.url}
        run = come_to({"type": "called"}, TOXIC, "--set", "method.0.for=60s", reports=tmp_path, env=env)
        run.signal(signal.SIGINT)
        finished = run.finish()
        assert finished.code == 4, finished.err
        assert finished.left_behind() == []
        assert proxies(server) == ["theirs"]


def test_a_server_that_goes_before_the_run_makes_it_dirty_with_what_to_do(tmp_path: Path) -> None:
    with somebody_elses() as server:
        env = {"TOXIPROXY_URL": server.url}
        run = come_to({"type": "confirmed"}, TOXIC, "--set", "method.0.for=60s", reports=tmp_path, env=env)
    run.signal(signal.SIGINT)
    finished = run.finish()
    assert finished.code == 5, finished.err
    assert f"curl -X DELETE {server.url}/proxies/" in " ".join(finished.kept["reasons"])


@pytest.mark.parametrize("line", [{"type": "phase", "name": "baseline"}, {"type": "confirmed"}], ids=["early", "late"])
def test_a_proxy_that_ends_by_itself_proves_nothing_of_the_service(tmp_path: Path, line: dict[str, object]) -> None:
    run = come_to(line, TOXIC, "--format", "json", *only_the_embedded(), reports=tmp_path)
    assert run.folder is not None
    (started,) = (each for each in read_run(run.folder, until=0).lines.of(Started) if each.role == ROLE)
    assert send_signal(Identity(started.pid, started.start_time, boot_id()), signal.SIGKILL)
    finished = run.finish()
    assert finished.code == INCONCLUSIVE, finished.err
    assert any("toxiproxy" in reason and "the load goes through it" in reason for reason in finished.result["reasons"])
    assert finished.left_behind() == []


def test_a_program_that_is_not_installed_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    choice = ("--set", "target.proxy.toxiproxy=binary")
    finished = chaosrun(TOXIC, *choice, reports=tmp_path / "reports", env={"PATH": str(tmp_path)}).finish()
    assert finished.code == 69, finished.err
    assert "no toxiproxy-server is on PATH" in finished.err
    assert finished.folder is None


def test_a_server_that_is_not_there_is_refused_before_any_load(tmp_path: Path) -> None:
    env = {"TOXIPROXY_URL": f"http://127.0.0.1:{free_port()}"}
    finished = chaosrun(TOXIC, reports=tmp_path, env=env).finish()
    assert finished.code == 69, finished.err
    assert f"no Toxiproxy listens at {env['TOXIPROXY_URL']}" in finished.err
    assert finished.left_behind() == []
