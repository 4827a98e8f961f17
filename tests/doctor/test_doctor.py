"""The checks of the machine, against real sockets, files and processes; where this machine decides, any answer is
accepted that is one.
"""

from __future__ import annotations

import gc
import os
import resource
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaosrun.doctor import examine, machine, needs, tools
from chaosrun.shaping import tc
from chaosrun.spec.loader import load_experiment

EXPERIMENT = """\
title: t
steady_state: {load: {users: {protocol: mt5, clients: %d, requests: 10/s, channels: {list: [EURUSD]}}}}
target: %s
method: [{fault: noop}]
"""


def test_every_check_says_what_it_found_and_what_for(tmp_path: Path) -> None:
    findings = examine(tmp_path / "reports")
    assert len({finding.name for finding in findings}) == len(findings)
    for finding in findings:
        assert finding.state in ("ok", "limited", "missing")
        assert finding.found
        assert finding.needed_for
    assert not (tmp_path / "reports").exists(), "the doctor changes nothing"


def test_too_few_descriptors_are_told_with_the_remedy() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        pytest.skip("this machine has no limit")
    assert machine.descriptors(hard - machine.SPARE).state == "ok"
    short = machine.descriptors(hard)
    assert short.state == "limited"
    assert "ulimit -Hn" in short.found


def test_more_clients_than_ports_are_told() -> None:
    assert machine.ports(1).state == "ok"
    assert "ip_local_port_range" in machine.ports(70_000).found


def test_signals_go_by_process_descriptor_here() -> None:
    assert machine.pidfd().state == "ok"


# ---- Docker ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """A socket that answers one request as a Docker engine does: with the bytes that the test puts into the list."""
    answers: list[bytes] = []
    path = tmp_path / "d.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen()

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                assert connection.recv(4096).startswith(b"GET /_ping ")
                connection.sendall(answers[0])

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield answers
        thread.join(10)


def test_a_docker_engine_is_known_by_its_ping(engine: list[bytes]) -> None:
    engine.append(b"HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\nServer: Docker/28.4 (linux)\r\n\r\nOK")
    found = tools.docker()
    assert found.state == "ok"
    assert "Docker/28.4 (linux)" in found.found
    assert "1.51" in found.found


def test_something_else_behind_the_socket_is_no_engine(engine: list[bytes]) -> None:
    engine.append(b"HTTP/1.1 403 Forbidden\r\n\r\n")
    assert tools.docker().state == "missing"


@pytest.mark.parametrize(
    "where", ["unix:///no/such/socket", "tcp://127.0.0.1:1", "ssh://host", "nonsense", "tcp://h:x"]
)
def test_an_engine_that_cannot_be_asked_is_missing_and_not_an_error(
    monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", where)
    found = tools.docker()
    assert found.state == "missing"
    assert where in found.found


# ---- programs -------------------------------------------------------------------------------------------------------


def _program(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.write_text(f"#!{sys.executable}\n{text}\n")
    file.chmod(0o755)


@pytest.mark.parametrize(
    ("text", "state", "told"),
    [
        ("", "ok", "works"),
        ("import sys; sys.exit('Error: Specified qdisc kind is unknown.')", "missing", "no netem (sch_netem)"),
        ("import sys; sys.exit('unshare failed: Operation not permitted')", "missing", "CAP_NET_ADMIN"),
        (
            "import sys; sys.exit('--user' not in sys.argv and 'unshare failed: Operation not permitted')",
            "missing",
            "the kernel has netem, this user may not use it",
        ),
        ("import sys; sys.exit('something new')", "missing", "something new"),
    ],
)
def test_why_there_is_no_netem_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, state: str, told: str
) -> None:
    """`unshare` is a stand-in that answers as the real one does; the real one needs kernels of several kinds."""
    _program(tmp_path, "unshare", text)
    _program(tmp_path, "tc", "")
    _program(tmp_path, "nsenter", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tc, "may_change_devices", lambda: False)
    found = tools.netem()
    assert found.state == state
    assert told in found.found


def test_where_no_network_may_be_made_but_devices_may_be_changed_netem_is_left_to_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in a container that was given CAP_NET_ADMIN alone."""
    _program(tmp_path, "unshare", "import sys; sys.exit('unshare failed: Operation not permitted')")
    _program(tmp_path, "tc", "")
    _program(tmp_path, "nsenter", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tc, "may_change_devices", lambda: True)
    assert tools.netem().state == "ok"


def test_what_of_a_batch_the_kernel_lacks_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = "Error: Specified qdisc kind is unknown.\\nCommand failed -:1"
    _program(tmp_path, "unshare", f"import sys; sys.exit('{said}')")
    _program(tmp_path, "tc", "")
    _program(tmp_path, "nsenter", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no htb (sch_htb)" in tools.netem().found


def test_netem_is_never_tried_on_a_device_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tried = tmp_path / "tried"
    _program(tmp_path, "tc", f"open({str(tried)!r}, 'w')")
    _program(tmp_path, "nsenter", "")
    _program(tmp_path, "unshare", "import sys; sys.exit('Operation not permitted')")
    monkeypatch.setenv("PATH", str(tmp_path))
    tools.netem()
    assert not tried.exists()


def test_missing_tools_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no tc and no unshare" in tools.netem().found
    assert tools.toxiproxy().state == "missing"
    _program(tmp_path, "toxiproxy-server", "")
    assert tools.toxiproxy().state == "ok"


def test_a_report_folder_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert tools.reports(tmp_path / "file" / "reports").state == "missing"


# ---- what an experiment needs ---------------------------------------------------------------------------------------


def _needs(tmp_path: Path, target: str, clients: int = 30) -> dict[str, str]:
    file = tmp_path / "x.yaml"
    file.write_text(EXPERIMENT % (clients, target))
    return {finding.name: finding.state for finding in needs.needs(load_experiment(file).experiment)}


def test_an_embedded_target_comes_with_chaosrun(tmp_path: Path) -> None:
    assert _needs(tmp_path, "{reference: mt5-bridge}")["reference mt5-bridge"] == "ok"


def test_a_command_must_be_on_the_path(tmp_path: Path) -> None:
    target = "{url: ws://127.0.0.1:1, roles: {server: {command: [%s]}}}"
    assert _needs(tmp_path, target % sys.executable)[f"program {sys.executable}"] == "ok"
    assert _needs(tmp_path, target % "no-such-program")["program no-such-program"] == "missing"


def test_a_process_must_be_running_as_often_as_expected(tmp_path: Path) -> None:
    target = "{url: ws://127.0.0.1:1, roles: {server: {process: {name: no-such-process, expect: 2}}}}"
    assert _needs(tmp_path, target)["process no-such-process"] == "missing"


def test_what_starts_a_found_process_again_must_be_on_the_path(tmp_path: Path) -> None:
    target = "{url: ws://127.0.0.1:1, roles: {server: {process: {name: no-such-process, start: [no-such-launcher]}}}}"
    assert _needs(tmp_path, target)["program no-such-launcher"] == "missing"


@pytest.mark.skipif(os.geteuid() != 0, reason="processes of two users need root")
@pytest.mark.parametrize(("fault", "state"), [("noop", "ok"), ("process_pause, role: server", "missing")])
def test_a_process_of_another_user_may_be_watched_and_not_hit(tmp_path: Path, fault: str, state: str) -> None:
    word = uuid.uuid4().hex
    process = subprocess.Popen(["sh", "-c", "while :; do sleep 1; done", word], user=1, cwd="/")
    target = f"{{url: ws://127.0.0.1:1, roles: {{server: {{process: {{name: sh, cmdline_contains: [{word}]}}}}}}}}"
    file = tmp_path / "x.yaml"
    file.write_text((EXPERIMENT % (30, target)).replace("noop", fault))
    experiment = load_experiment(file).experiment
    os.seteuid(65534)
    try:
        [found] = [each for each in needs.needs(experiment) if each.name == "process sh"]
    finally:
        os.seteuid(0)
        process.kill()
        process.wait()
    assert found.state == state
    assert ("run chaosrun as that user" in found.found) == (state == "missing")


def test_clients_need_descriptors_and_ports(tmp_path: Path) -> None:
    states = _needs(tmp_path, "{reference: mt5-bridge}", clients=90_000)
    assert states["local ports"] == "limited"


@pytest.mark.parametrize(
    ("addresses", "ports", "state"),
    [("127.0.0.0/24", "ok", "ok"), ("[127.0.0.2, 192.0.2.1]", "limited", "missing")],
)
def test_source_addresses_must_be_there_and_each_has_ports_of_its_own(
    tmp_path: Path, addresses: str, ports: str, state: str
) -> None:
    file = tmp_path / "x.yaml"
    text = EXPERIMENT.replace("10/s,", f"10/s, source_addresses: {addresses},") % (90_000, "{reference: mt5-bridge}")
    file.write_text(text)
    found = {finding.name: finding for finding in needs.needs(load_experiment(file).experiment)}
    assert found["local ports"].state == ports
    assert found["source addresses of users"].state == state
    told = "254 from 127.0.0.1 on, 355 connections from each" if state == "ok" else "source address 192.0.2.1"
    assert told in found["source addresses of users"].found


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_nothing_is_left_open() -> None:
    gc.collect()  # what earlier tests left goes now and not between the two looks
    before = open_files()
    for _ in range(10):
        machine.pidfd()
        tools.docker()
    assert open_files() <= before


# ---- Ray ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[bytes]]]:
    """A port that greets as the test says, and the address by which Ray would find it."""
    greetings: list[bytes] = []
    monkeypatch.setattr(tools, "version", lambda package: f"of {package}")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            connection, _ = listening.accept()
            with connection:
                assert connection.recv(4096).startswith(b"PRI * HTTP/2.0\r\n")
                connection.sendall(greetings[0])

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}", greetings
        thread.join(10)


SETTINGS = b"\0\0\6\4\0\0\0\0\0\0\3\x7f\xff\xff\xff"


def test_a_ray_cluster_is_known_by_its_greeting_where_the_environment_says(
    head: tuple[str, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    where, greetings = head
    greetings.append(SETTINGS)
    monkeypatch.setenv("RAY_ADDRESS", where)
    found = tools.ray()
    assert (found.state, found.found) == ("ok", f"ray of ray, a cluster answers at {where}")


def test_a_cluster_is_found_where_ray_start_has_left_its_address(
    head: tuple[str, list[bytes]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    where, greetings = head
    greetings.append(SETTINGS)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text(f"{where}\n")
    assert tools.ray().state == "ok"


def test_something_else_at_the_address_is_no_cluster(head: tuple[str, list[bytes]]) -> None:
    where, greetings = head
    greetings.append(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    found = tools.ray(where)
    assert found.state == "limited"
    assert "not as a Ray cluster does" in found.found


def test_who_says_nothing_is_waited_for_no_longer_than_the_doctor_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "version", lambda package: f"of {package}")
    monkeypatch.setattr(tools, "_RAY_WITHIN_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        found = tools.ray(f"127.0.0.1:{listening.getsockname()[1]}")
    assert found.state == "limited"
    assert "timed out" in found.found


@pytest.mark.parametrize("where", ["127.0.0.1:1", "nonsense", "no-such-host.invalid:6379", "host:port"])
def test_a_cluster_that_cannot_be_asked_is_told_and_no_error(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    monkeypatch.setattr(tools, "version", lambda package: f"of {package}")
    found = tools.ray(where)
    assert found.state == "limited"
    assert f"no cluster answers at {where}" in found.found


def test_without_the_package_the_doctor_says_how_to_get_it_and_imports_nothing(tmp_path: Path) -> None:
    """A Python of its own, in which nobody has imported Ray before."""
    code = (
        "import sys; from chaosrun.doctor import tools\n"
        "def version(name): raise tools.PackageNotFoundError(name)\n"
        "tools.ray('127.0.0.1:1'); assert 'ray' not in sys.modules\n"
        "tools.version = version; print(tools.ray())"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert "state='missing'" in said
    assert "pip install 'chaosrun[ray]'" in said


@pytest.mark.parametrize(("fleet", "asked"), [("ray", True), ("{ray: {address: '127.0.0.1:1'}}", True), ("", False)])
def test_an_experiment_on_ray_needs_a_cluster(tmp_path: Path, fleet: str, asked: bool) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(EXPERIMENT % (30, "{reference: mt5-bridge}") + (f"fleet: {fleet}\n" if fleet else ""))
    found = {finding.name: finding for finding in needs.needs(load_experiment(file).experiment)}
    assert ("ray" in found) == asked
    if "127" in fleet:
        assert found["ray"].state != "ok"
