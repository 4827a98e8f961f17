"""Guards on what a container uses, in whole runs: as those on a process, and the container goes on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_guards import BUSY, busy, used

sys.path.insert(0, str(Path(__file__).parents[1] / "containers"))

from docker_stage import Stage, stage_of_its_own, until

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with stage_of_its_own() as stage:
        yield stage


@pytest.mark.parametrize(
    ("entry", "least"),
    [
        ("{metric: cpu, role: app, above: 3%, for: 3s}", 0.03),
        ("{metric: memory, role: app, above: 50MB, for: 3s}", 50e6),
    ],
    ids=["cpu", "memory"],
)
def test_what_a_container_uses_ends_the_run_and_not_the_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: Stage, entry: str, least: float
) -> None:
    """It takes half a core, where the machine has that much to give, and holds 64 MiB."""
    monkeypatch.setenv("DOCKER_HOST", stage.host)
    container = stage.run("python", "-c", BUSY)
    until(lambda: "up" in stage.logs(container), "the container is up")
    burnt = used(busy(tmp_path, {"container": container}), entry)
    assert burnt.value is not None and burnt.value > least
    assert stage.status(container) == "running"
