"""`docker-compose.yml` as it is shipped: valid, on loopback only, and what needs no registry is started."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_project import Project, compose, project
from docker_stage import ROOT, Stage, until

from chaosrun.containers import Sought
from chaosrun.reference._misbehaviour import Misbehaviour
from chaosrun.reference._program import EventLog
from chaosrun.reference.mt5_bridge import Bridge
from chaosrun.spec.loader import load_experiment
from chaosrun.targets.container import ContainerRole

MONITORING = ROOT / "docs" / "monitoring"
CRASH = ROOT / "experiments" / "container-crash.yaml"


def shipped() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())  # type: ignore[no-any-return]


@pytest.fixture
def running(stage: Stage, tmp_path: Path) -> Iterator[Project]:
    with project(stage, tmp_path) as started:
        yield started


@pytest.mark.live
@pytest.mark.timeout(300)
def test_compose_takes_the_file_and_every_port_is_on_loopback(stage: Stage) -> None:
    config = yaml.safe_load(compose(stage, "config"))
    assert set(config["services"]) == {"bridge", "terminal", "toxiproxy", "prometheus", "grafana"}
    ports = [port for service in config["services"].values() for port in service.get("ports", ())]
    assert len(ports) == 5
    for port in ports:
        host = port["host_ip"] if isinstance(port, dict) else port.rsplit(":", 2)[0]
        assert host == "127.0.0.1"


def test_every_file_that_a_service_mounts_is_there_and_every_image_has_its_version() -> None:
    for service in shipped()["services"].values():
        for volume in service.get("volumes", ()):
            assert (ROOT / volume.split(":")[0]).exists(), volume
        assert ":" in service["image"]
        assert not service["image"].endswith(":latest")


def test_the_dashboard_asks_for_nothing_that_the_bridge_does_not_count() -> None:
    known = Bridge(("EURUSD",), "", EventLog(None), Misbehaviour()).exposition()
    board = json.loads((MONITORING / "grafana" / "dashboards" / "mt5-bridge.json").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert asked
    for expression in asked:
        names = [word for word in expression.replace("(", " ").replace("[", " ").split() if word.startswith("mt5_")]
        for name in names:
            assert f"# TYPE {name} " in known, expression


def test_prometheus_reads_the_bridge_and_a_run_and_grafana_reads_prometheus() -> None:
    jobs = yaml.safe_load((MONITORING / "prometheus.yml").read_text())["scrape_configs"]
    read = {job["job_name"]: job["static_configs"][0]["targets"] for job in jobs}
    assert read == {"bridge": ["bridge:9101"], "chaosrun": ["chaosrun:9464"]}
    [host] = shipped()["services"]["prometheus"]["extra_hosts"]
    [pool] = shipped()["networks"]["default"]["ipam"]["config"]
    assert host == "chaosrun:" + pool["subnet"].replace(".0/24", ".1")
    sources = MONITORING / "grafana" / "provisioning" / "datasources" / "prometheus.yaml"
    [source] = yaml.safe_load(sources.read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    board = json.loads((MONITORING / "grafana" / "dashboards" / "mt5-bridge.json").read_text())
    assert {panel["datasource"]["uid"] for panel in board["panels"]} == {source["uid"]}


@pytest.mark.parametrize("file", ["compose.yaml", "compose-toxiproxy.yaml"])
def test_the_shipped_targets_name_services_of_the_shipped_file(file: str) -> None:
    experiment = ROOT / "experiments" / "latency-toxiproxy.yaml" if "toxi" in file else CRASH
    target = load_experiment(experiment, target=ROOT / "experiments" / "targets" / file, env={}).experiment.target
    for role in target.roles.values():
        assert role.compose is not None
        assert role.compose.service in shipped()["services"]
    assert "127.0.0.1:${BRIDGE_PORT:-9101}:9101" in shipped()["services"]["bridge"]["ports"]
    assert target.url == "ws://127.0.0.1:9101/ws"


@pytest.mark.live
@pytest.mark.timeout(300)
def test_bridge_and_terminal_are_found_by_their_labels_and_the_feed_lives(stage: Stage, running: Project) -> None:
    for service in ("bridge", "terminal"):
        role = ContainerRole(service, Sought(service=service, project=running.name))
        until(lambda role=role: role.look().is_well, service)  # type: ignore[misc]
        assert len(role.resolve()) == 1
    assert '"feed":"live"' in running.health()
