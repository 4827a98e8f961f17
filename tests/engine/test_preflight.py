"""What only the machine knows of where a run would go: the environment, and what names resolve to."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from chaosrun.errors import SpecError
from chaosrun.preflight import hit_elsewhere, reached, refuse_elsewhere
from chaosrun.spec.loader import Loaded, load_experiment

EXPERIMENT = """\
title: t
steady_state: {load: {a: {protocol: mt5, clients: 1}}}
target:
  url: "ws://%s:9/"
  roles:
    server: {container: bridge}
    other: {process: x}
  proxy: {toxiproxy: auto}
  allow: [%s]
method: [{fault: noop}]
"""


def loaded(folder: Path, *, host: str = "127.0.0.1", allow: str = "") -> Loaded:
    file = folder / "e.yaml"
    file.write_text(EXPERIMENT % (host, allow))
    return load_experiment(file)


@pytest.mark.parametrize(
    ("variable", "value", "place"),
    [
        ("DOCKER_HOST", "tcp://10.9.8.7:2375", "6: target.roles.server"),
        ("DOCKER_HOST", "10.9.8.7:2375", "6: target.roles.server"),
        ("DOCKER_HOST", "ssh://somebody@10.9.8.7", "6: target.roles.server"),
        ("TOXIPROXY_URL", "http://10.9.8.7:8474/", "8: target.proxy"),
    ],
)
def test_another_machine_that_the_environment_names_is_refused_unless_allowed(
    tmp_path: Path, variable: str, value: str, place: str
) -> None:
    environment = {variable: value}
    with pytest.raises(SpecError) as caught:
        refuse_elsewhere(loaded(tmp_path), environment)
    (told,) = caught.value.problems
    line, key = place.split(": ")
    assert re.search(rf"e\.yaml:{line}:\d+: {re.escape(key)}: 10\.9\.8\.7 is not loopback", told)
    assert variable in told
    assert "somebody" not in told
    assert "`allow: [10.9.8.7]`" in told
    allowed = loaded(tmp_path, allow="10.9.8.7")
    refuse_elsewhere(allowed, environment)
    assert hit_elsewhere(reached(allowed, environment)) == ("10.9.8.7",)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"DOCKER_HOST": "unix:///run/docker.sock", "TOXIPROXY_URL": ""},
        {"DOCKER_HOST": "http+unix://%2Frun%2Fdocker.sock", "TOXIPROXY_URL": "http://localhost:8474"},
        {"DOCKER_HOST": "tcp://127.0.0.1:2375"},
    ],
)
def test_what_is_here_needs_no_leave(tmp_path: Path, environment: dict[str, str]) -> None:
    here = loaded(tmp_path)
    refuse_elsewhere(here, environment)
    assert not hit_elsewhere(reached(here, environment))


def test_who_is_only_asked_how_it_is_is_not_hit(tmp_path: Path) -> None:
    text = (EXPERIMENT % ("127.0.0.1", "10.9.8.7")).replace("  proxy:", '  ready: {tcp: "10.9.8.7:1"}\n  proxy:')
    (tmp_path / "e.yaml").write_text(text + 'stop_when: [{http: "http://10.9.8.7/"}]\n')
    machines = reached(load_experiment(tmp_path / "e.yaml"), {})
    assert [each.where for each in machines if each.host == "10.9.8.7"] == ["target.ready.tcp", "stop_when.0.http"]
    assert not hit_elsewhere(machines)


def test_a_toxiproxy_of_the_environment_that_the_experiment_does_not_take_is_not_reached(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text((EXPERIMENT % ("127.0.0.1", "")).replace("auto", "embedded"))
    refuse_elsewhere(load_experiment(tmp_path / "e.yaml"), {"TOXIPROXY_URL": "http://10.9.8.7:8474"})


def test_a_local_name_that_is_another_machine_here_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a resolver of our own; the real one is in `test_a_hosts_file_that_sends_localhost_elsewhere`."""
    answers = {"shop.localhost": "192.0.2.9", "gone.localhost": None}

    def resolve(name: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        if answers[name] is None:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers[name], 0))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(
        SpecError, match=r"4:\d+: target\.url: shop\.localhost is 192\.0\.2\.9 here, which is not loopback"
    ):
        refuse_elsewhere(loaded(tmp_path, host="shop.localhost"), {})
    refuse_elsewhere(loaded(tmp_path, host="shop.localhost", allow="shop.localhost"), {})
    refuse_elsewhere(loaded(tmp_path, host="gone.localhost"), {})  # whoever calls it will say so


@pytest.mark.live
@pytest.mark.skipif(os.geteuid() != 0, reason="a hosts file of its own needs root")
def test_a_hosts_file_that_sends_localhost_elsewhere_is_noticed_before_any_load(tmp_path: Path) -> None:
    loaded(tmp_path, host="localhost")
    (tmp_path / "hosts").write_text("192.0.2.9 localhost\n")
    inside = f"mount --bind {tmp_path}/hosts /etc/hosts && exec {sys.executable} -m chaosrun {tmp_path}/e.yaml"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", inside], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "target.url: localhost is 192.0.2.9 here, which is not loopback; write 127.0.0.1" in done.stderr
    assert [each.name for each in (tmp_path / "reports").iterdir()] == []
