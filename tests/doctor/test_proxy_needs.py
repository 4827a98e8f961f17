"""What an experiment whose load goes through a Toxiproxy needs, and whether it is here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from chaosrun import proxy
from chaosrun.doctor._base import Finding
from chaosrun.doctor.needs import needs
from chaosrun.spec.loader import load_experiment
from chaosrun.targets.ports import free_port

EXPERIMENT = """\
title: t
steady_state: {load: {users: {protocol: mt5, clients: 20, requests: 5/s, channels: {list: [EURUSD]}}}}
target: {reference: mt5-bridge%s}
method: [{fault: noop}]
"""


def found(tmp_path: Path, wanted: str) -> list[Finding]:
    (tmp_path / "e.yaml").write_text(EXPERIMENT % wanted)
    return [each for each in needs(load_experiment(tmp_path / "e.yaml").experiment) if each.name == "toxiproxy"]


@pytest.fixture(autouse=True)
def _nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("TOXIPROXY_URL", raising=False)


def test_without_a_proxy_nothing_is_needed(tmp_path: Path) -> None:
    assert found(tmp_path, "") == []


def test_the_embedded_one_is_always_here(tmp_path: Path) -> None:
    (told,) = found(tmp_path, ", proxy: {links: [server, terminal]}")
    assert (told.state, told.found, told.needed_for) == ("ok", "comes with chaosrun", "the way to server, terminal")


def test_a_program_that_is_not_installed_is_missing_with_the_remedy(tmp_path: Path) -> None:
    (told,) = found(tmp_path, ", proxy: {toxiproxy: binary}")
    assert told.state == "missing"
    assert "`toxiproxy: embedded`" in told.found


def test_a_server_is_asked_for_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("TOXIPROXY_URL", url)
    (told,) = found(tmp_path, ", proxy: {}")
    assert (told.state, told.found) == ("missing", f"no Toxiproxy listens at {url}")
    argv = proxy.argv(port=int(url.rpartition(":")[2]))
    with subprocess.Popen([*argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (told,) = found(tmp_path, ", proxy: {}")
        process.kill()
    assert told.state == "ok"
    assert told.found.endswith(f" at {url}")
