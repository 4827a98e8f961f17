"""The shipped experiments of containers, against containers that the test made itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e_running import ROOT, conclusive
from test_shipped import IN_CONTAINERS

sys.path.insert(0, str(Path(__file__).parents[1] / "containers"))

from compose_project import Project, project
from docker_stage import stage_of_its_own, until

from chaosrun.containers import Docker, Engine, Sought

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def running() -> Iterator[Project]:
    with stage_of_its_own() as stage, project(stage) as started:
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
