"""The shipped experiments of containers, against containers that the test made itself."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e_running import ROOT, chaosrun, come_to, conclusive
from test_shipped import IN_CONTAINERS

sys.path.insert(0, str(Path(__file__).parents[1] / "containers"))

from compose_project import Project, project
from docker_stage import stage_of_its_own, until

from chaosrun.containers import Docker, Engine, Sought
from chaosrun.identity import wait_gone
from chaosrun.processes import GUARDIAN_TAG, environment
from chaosrun.tagged import tagged

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with stage_of_its_own() as stage, project(stage, tmp_path_factory.mktemp("compose")) as started:
        yield Project(started.name, started.port, {**started.env, "DOCKER_HOST": stage.host})


@pytest.mark.parametrize("experiment", IN_CONTAINERS)
def test_the_smoke_profile_passes_and_leaves_the_containers_well(
    tmp_path: Path, running: Project, experiment: str
) -> None:
    file = ROOT / "experiments" / f"{experiment}.yaml"
    finished = conclusive(file, "--profile", "smoke", "--format", "json", reports=tmp_path, env=running.env)
    assert finished.code == 0, finished.err + "\n".join(finished.result["reasons"])
    assert finished.left_behind() == []
    [fault] = finished.result["faults"]
    assert fault["verified"]
    with Docker(Engine(running.env["DOCKER_HOST"])) as docker:
        for service in ("bridge", "terminal"):
            container = docker.find(Sought(service=service, project=running.name))
            until(lambda container=container: docker.inspect(container.id).is_well, service)  # type: ignore[misc]


def test_another_experiment_runs_against_the_containers_by_their_target_file(tmp_path: Path, running: Project) -> None:
    experiment, target = (
        ROOT / "experiments" / "latency-toxiproxy.yaml",
        ROOT / "experiments" / "targets" / "compose-toxiproxy.yaml",
    )
    options = ("--target", target, "--profile", "smoke", "--format", "json", "--yes")
    finished = conclusive(experiment, *options, reports=tmp_path, env=running.env)
    assert finished.code == 0, finished.err + "\n".join(finished.result["reasons"])
    [fault] = finished.result["faults"]
    assert fault["verified"]


def test_a_run_that_is_stopped_puts_the_container_back_into_its_network(tmp_path: Path, running: Project) -> None:
    experiment = ROOT / "experiments" / "network-partition.yaml"
    longer = ("--set", "method.cut the terminal off.for=60s")
    run = come_to(
        {"type": "confirmed"}, experiment, "--profile", "smoke", *longer, reports=tmp_path, env=dict(running.env)
    )
    with Docker(Engine(running.env["DOCKER_HOST"])) as docker:
        terminal = docker.find(Sought(service="terminal", project=running.name))
        assert docker.inspect(terminal.id).networks == {}
        run.signal(signal.SIGTERM)
        finished = run.finish()
        assert finished.code == 4
        [network] = docker.inspect(terminal.id).networks.values()
    assert network.fixed.ipv4 == f"{running.env['CHAOSRUN_NETWORK']}.10"
    assert "terminal" in (network.aliases or ())
    assert finished.left_behind() == []


def test_with_the_run_killed_its_guardian_puts_the_container_back_into_its_network(
    tmp_path: Path, running: Project
) -> None:
    """By the engine that the run was told of, though what the guardian was started with does not name it."""
    experiment = ROOT / "experiments" / "network-partition.yaml"
    longer = ("--set", "method.cut the terminal off.for=60s")
    run = come_to(
        {"type": "confirmed"}, experiment, "--profile", "smoke", *longer, reports=tmp_path, env=dict(running.env)
    )
    [guardian] = tagged({GUARDIAN_TAG: str(run.folder)})
    assert "DOCKER_HOST" not in environment(guardian.pid)
    run.process.kill()
    run.finish()
    with Docker(Engine(running.env["DOCKER_HOST"])) as docker:
        terminal = docker.find(Sought(service="terminal", project=running.name))
        until(lambda: bool(docker.inspect(terminal.id).networks), "the terminal is in its network again")
        [network] = docker.inspect(terminal.id).networks.values()
    assert network.fixed.ipv4 == f"{running.env['CHAOSRUN_NETWORK']}.10"
    assert wait_gone(guardian, 60)


def test_what_cannot_be_cut_off_is_refused_before_any_load(tmp_path: Path, running: Project) -> None:
    experiment = ROOT / "experiments" / "network-partition.yaml"
    wrong = ("--set", "method.cut the terminal off.network=elsewhere")
    run = chaosrun(experiment, "--profile", "smoke", *wrong, reports=tmp_path, env=dict(running.env))
    finished = run.finish()
    assert finished.code == 69, finished.err
    assert "is not in network elsewhere; it is in: " in finished.err
    assert [line["name"] for line in run.lines() if line["type"] == "phase"] == ["start"]
