"""What can be told of containers without an engine; with a real one: tests/containers."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from chaosrun.containers import Engine, Sought, holds_us, is_mounted_from
from chaosrun.doctor import needs
from chaosrun.errors import Unavailable
from chaosrun.inspected import Inspected
from chaosrun.processes import Selector, find, is_in_container
from chaosrun.spec.loader import load_experiment
from chaosrun.targets.container import ContainerRole, InsideRole

EXPERIMENT = """\
title: t
steady_state: {load: {users: {protocol: mt5, clients: 1, requests: 50/s}}}
target: {url: "ws://127.0.0.1:1", roles: {server: {container: shop}, app: {container: shop, process: app}}}
method: [{fault: container_kill, role: server}]
"""


@pytest.fixture(autouse=True)
def no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    where = f"unix://{tmp_path}/no.sock"
    monkeypatch.setenv("DOCKER_HOST", where)
    return where


def test_no_engine_is_refused_with_the_remedy(no_engine: str) -> None:
    role = ContainerRole("server", Sought(name="shop"))
    with pytest.raises(
        Unavailable, match=r"No such file or directory; start the Docker engine.*DOCKER_HOST"
    ) as refused:
        role.resolve()
    assert no_engine in str(refused.value)
    assert role.pids() == [], "and for the sampler it is down"


def test_a_user_who_may_not_ask_the_engine_is_told_of_its_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """As root nothing is forbidden, so the refusal is raised where the socket would have given it."""
    import docker

    def refuse(*_: object, **__: object) -> None:
        raise docker.errors.DockerException("Error while fetching") from PermissionError(13, "Permission denied")

    monkeypatch.setattr("docker.APIClient", refuse)
    with pytest.raises(Unavailable, match="Permission denied; this user may not use the engine: join the group docker"):
        ContainerRole("server", Sought(name="shop")).resolve()


def test_a_process_inside_is_not_looked_for_before_its_container_is_found() -> None:
    role = InsideRole("app", Sought(name="shop"), Selector(name="python"))
    assert role.selector is None
    assert role.pids() == []


INSIDE = """\
1 0 0:52 / / rw,relatime - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/{id}
2 1 254:1 /var/lib/docker/containers/{id}/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda1 rw
3 1 254:1 /var/lib/docker/containers/{id}/hostname /etc/hostname rw,relatime - ext4 /dev/vda1 rw
"""
OUTSIDE = """\
1 0 254:1 / / rw,relatime - ext4 /dev/vda1 rw
2 1 0:48 / /var/lib/docker/containers/{id}/mounts/shm rw,nosuid - tmpfs shm rw
3 1 0:49 / /var/lib/docker/overlay2/{id}/merged rw,relatime - overlay overlay rw
"""
"""Tables of mounts, the second one of the machine on which the container runs; a real one is in tests/containers."""


def test_a_container_that_chaosrun_runs_in_is_known_by_its_mounts() -> None:
    own, other = "ab" * 32, "cd" * 32
    assert is_mounted_from(own, INSIDE.format(id=own))
    assert not is_mounted_from(other, INSIDE.format(id=own))
    assert not is_mounted_from(own, OUTSIDE.format(id=own))
    assert not holds_us(own)


def test_no_process_of_this_machine_is_in_a_container_that_there_is_not() -> None:
    assert not is_in_container(1, "f" * 64)
    assert not is_in_container(2**22 + 1, "f" * 64)
    assert find(Selector(container="f" * 64)) == []


def test_the_doctor_names_the_engine_once(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(EXPERIMENT)
    lacking = needs.lacking(needs.needs(load_experiment(file).experiment))
    assert [finding.name for finding in lacking] == ["docker"]


def test_where_the_engine_is_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "")
    assert Engine.here().host == "unix:///var/run/docker.sock"
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.7:2376")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    assert Engine.here() == Engine("tcp://10.0.0.7:2376", "1", "")


@pytest.mark.parametrize(
    ("state", "up", "runs", "well"),
    [
        ({"Status": "running"}, True, True, True),
        ({"Status": "running", "Health": {"Status": "starting"}}, True, True, False),
        ({"Status": "running", "Health": {"Status": "healthy"}}, True, True, True),
        ({"Status": "running", "Health": {"Status": "unhealthy"}}, True, True, False),
        ({"Status": "paused"}, True, True, False),
        ({"Status": "restarting"}, True, False, False),
        ({"Status": "exited"}, False, False, False),
        ({"Status": "created"}, False, False, False),
    ],
)
def test_what_the_engine_calls_a_container_decides_whether_it_is_started(
    state: dict[str, object], up: bool, runs: bool, well: bool
) -> None:
    seen = msgspec.convert({"Id": "1", "Name": "/shop", "State": state}, Inspected)
    assert (seen.is_up, seen.runs, seen.is_well) == (up, runs, well)
    assert seen.plain_name == "shop"


def test_a_health_check_is_given_the_time_that_its_own_timing_takes() -> None:
    def takes(check: dict[str, object] | None) -> float:
        raw = {"Id": "1", "Name": "/a", "State": {"Status": "running"}, "Config": {"Healthcheck": check}}
        return msgspec.convert(raw, Inspected).health_takes_s

    assert takes(None) == takes({"Test": ["NONE"]}) == 0
    assert takes({"Test": ["CMD", "x"]}) == 60, "the engine looks every 30 s unless it is told otherwise"
    assert takes({"Test": ["CMD", "x"], "Interval": 2_000_000_000, "StartPeriod": 10_000_000_000}) == 14
