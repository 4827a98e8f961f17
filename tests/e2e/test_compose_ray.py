"""`docker-compose.ray.yml` run as it is shipped: nodes in containers of their own, and one that is played against."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e_running import INCONCLUSIVE, ROOT, TRIES

sys.path.insert(0, str(ROOT / "tests" / "containers"))

import ray_image
from compose_project import command
from docker_stage import Stage, import_image, stage_of_its_own

from chaosrun.recorded import read_run
from chaosrun.records import NodeClock

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
def stage() -> Iterator[Stage]:
    with stage_of_its_own() as made:
        yield made


@pytest.fixture
def image(stage: Stage) -> Iterator[str]:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("the package ray is not installed (extra `ray`)")
    name = f"chaosrun-test-ray:{uuid.uuid4().hex[:8]}"
    import_image(stage.api, name, ray_image.files(), workdir="/work")
    try:
        yield name
    finally:
        stage.api.remove_image(name, force=True)


def test_one_command_has_two_nodes_play_against_a_service_that_is_killed_and_nothing_is_left(
    stage: Stage, image: str, tmp_path: Path
) -> None:
    project = f"chaosrun-test-{uuid.uuid4().hex[:8]}"
    # The file's own paths are relative to its folder: reports, beside it.
    shipped = tmp_path / "docker-compose.ray.yml"
    shipped.write_text((ROOT / shipped.name).read_text())
    (tmp_path / "reports").mkdir(mode=0o777)
    env = os.environ | {
        "DOCKER_HOST": stage.host,
        "COMPOSE_PROJECT_NAME": project,
        "CHAOSRUN_RAY_IMAGE": image,
    }

    def compose(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command(), "--file", str(shipped), *arguments],
            env=env,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )

    up = ("up", "--no-build", "--no-color", "--exit-code-from", "chaosrun")
    try:
        for _ in range(TRIES):
            done = compose(*up)
            if done.returncode != INCONCLUSIVE:
                break
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    finally:
        compose("down", "--timeout", "2")
    folder = max(each for each in (tmp_path / "reports").iterdir() if each.is_dir())
    result = json.loads((folder / "result.json").read_text())
    assert result["verdict"] == "passed"
    assert result["conditions"]["required"]["machine.fleet"] == "ray"
    clocks = read_run(folder).lines.of(NodeClock)
    assert {clock.worker for clock in clocks} == {"load-0", "load-1"}
    assert len({clock.node for clock in clocks}) == 2, "a worker on each of two nodes"
    kept = {"filters": {"label": f"com.docker.compose.project={project}"}}
    assert stage.api.containers(all=True, **kept) == []
    assert stage.api.networks(**kept) == []
