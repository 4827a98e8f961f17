"""What a run takes for itself: the address of a target that was there, and what its faults hit."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaosrun.safety.held import held_by
from chaosrun.spec.loader import load_experiment

EXPERIMENT = """
title: A run
steady_state: {load: {few: {protocol: {requests: [{name: echo, send: {echo: "{id}"}, reply: {echo: "{id}"}}]},
  clients: 20, requests: 10/s}}}
"""


def held(folder: Path, rest: str) -> tuple[str, ...]:
    file = folder / "experiment.yaml"
    file.write_text(EXPERIMENT + rest)
    return held_by(load_experiment(file).experiment)


@pytest.mark.parametrize(
    "url", ["ws://127.0.0.1:8000/ws", "ws://localhost:8000/other", "wss://[::1]:8000", "ws://127.0.0.2:8000"]
)
def test_a_target_on_this_machine_is_its_port_by_whatever_name(tmp_path: Path, url: str) -> None:
    assert held(tmp_path, f"target: {{url: '{url}'}}") == ("port 8000 of this machine",)


def test_a_target_elsewhere_is_its_host_and_port(tmp_path: Path) -> None:
    assert held(tmp_path, "target: {url: 'wss://Staging.example/ws', allow: [staging.example]}") == (
        "port 443 of staging.example",
    )


def test_what_chaosrun_starts_on_free_ports_is_nobody_elses(tmp_path: Path) -> None:
    method = "method: [{fault: process_kill, role: server, restart: {by: chaosrun}}]"
    assert held(tmp_path, f"target: {{reference: mt5-bridge}}\n{method}") == ()


def test_what_faults_hit_is_held_also_within_parallel_steps_and_rollbacks(tmp_path: Path) -> None:
    rest = """
target:
  url: ws://127.0.0.1:8000/ws
  roles:
    server: {container: bridge}
    feed: {compose: {service: feed, project: shop}}
    terminal: {process: {name: terminal64.exe, cmdline_excludes: [/update], start: [wine, terminal64.exe]}}
    watched: {container: only-looked-at}
method:
  - {fault: container_pause, role: server, for: 1s}
  - parallel:
    - {fault: container_pause, role: feed, for: 1s}
    - {fault: process_pause, role: terminal, for: 1s}
rollbacks:
  - {fault: process_kill, role: terminal, restart: {by: chaosrun}}
"""
    assert held(tmp_path, rest) == (
        "port 8000 of this machine",
        "container bridge",
        "compose service feed of project shop",
        "process terminal64.exe, without '/update'",
    )


def test_a_device_of_this_machine_is_held_whatever_the_target(tmp_path: Path) -> None:
    shaped = "method: [{fault: netem, delay: 100ms, for: 1s%s}]"
    loopback = held(tmp_path, "target: {reference: mt5-bridge}\n" + shaped % "")
    assert loopback == ("device lo of this machine",)
    assert held(tmp_path, "target: {url: 'ws://127.0.0.1:80'}\n" + shaped % ", device: lo")[1:] == loopback


def test_a_device_in_a_containers_network_is_that_containers(tmp_path: Path) -> None:
    rest = """
target: {url: "ws://127.0.0.1:80", roles: {server: {container: bridge}}}
method: [{fault: netem, role: server, delay: 100ms, for: 1s}]
"""
    assert held(tmp_path, rest)[1:] == ("container bridge", "device the only one of container bridge")
