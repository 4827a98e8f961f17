"""Roles that are containers, on a real engine: exactly the one that is meant, seen from the host."""

from __future__ import annotations

import asyncio
import signal
import socket
import uuid
from pathlib import Path

import pytest
from docker_stage import HTTP, Stage, World, published, serves, supervised, until

from chaosrun.containers import Sought, first_process, holds_us, is_mounted_from
from chaosrun.errors import Unavailable
from chaosrun.faults.process_kill import ProcessKill
from chaosrun.faults.process_pause import ProcessPause
from chaosrun.faults.process_pause import undo as thaw
from chaosrun.identity import is_alive, send_signal
from chaosrun.processes import Selector, find, is_in_container
from chaosrun.targets.container import ContainerRole, InsideRole

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

APP = "import time; time.sleep(600)"


def role_of(name: str) -> ContainerRole:
    return ContainerRole("server", Sought(name=name))


def inside(name: str, *words: str, without: tuple[str, ...] = ()) -> InsideRole:
    selector = Selector(name="python", cmdline_contains=words, cmdline_excludes=without)
    role = InsideRole("app", Sought(name=name), selector)
    role.look()
    return role


def labels(service: str, project: str, **more: str) -> dict[str, str]:
    own = {"service": service, "project": project, **more}
    return {f"com.docker.compose.{key}": value for key, value in own.items()}


def test_a_containers_process_is_the_one_that_the_host_sees(stage: Stage) -> None:
    name = stage.sleeper()
    role = role_of(name)
    [main] = role.resolve()
    assert main.pid == stage.pid(name)
    assert is_alive(main)
    assert is_in_container(main.pid, role.container.id)
    assert not is_in_container(1, role.container.id)


def test_the_inside_of_a_container_is_told_from_its_outside_by_the_mounts(stage: Stage) -> None:
    name = stage.sleeper()
    container = role_of(name)
    container.look()
    made = stage.api.exec_create(name, ["python", "-c", "print(open('/proc/self/mountinfo').read())"])
    inside = stage.api.exec_start(made["Id"]).decode()
    assert is_mounted_from(container.container.id, inside)
    assert not is_mounted_from(container.container.id, Path("/proc/self/mountinfo").read_text())
    assert not holds_us(container.container.id)


def test_what_is_executed_inside_is_not_taken_for_the_first_process(stage: Stage) -> None:
    name = stage.sleeper()
    role = role_of(name)
    [main] = role.resolve()
    made = stage.api.exec_create(name, ["python", "-c", "import time; time.sleep(60)"])
    stage.api.exec_start(made["Id"], detach=True)
    executed = Selector(cmdline_contains=("sleep(60)",), container=role.container.id)
    until(lambda: len(find(executed)) == 1, "it runs inside")
    assert first_process(role.container.id) == main


def test_after_a_restart_the_role_is_the_new_process(stage: Stage) -> None:
    name = stage.sleeper()
    role = role_of(name)
    [before] = role.resolve()
    stage.api.restart(name, timeout=5)
    [after] = role.pids()
    assert after != before
    assert after.pid == stage.pid(name)


def test_a_container_made_anew_under_its_name_is_the_role_again(stage: Stage) -> None:
    name = stage.sleeper()
    role = role_of(name)
    role.resolve()
    stage.api.remove_container(name, force=True)
    assert role.pids() == []
    stage.sleeper(name=name)
    assert [each.pid for each in role.resolve()] == [stage.pid(name)]


def test_a_name_that_is_not_there_is_refused_and_so_is_the_beginning_of_an_id(stage: Stage) -> None:
    with pytest.raises(Unavailable, match=r"no container no-such-container at .*; `docker ps --all`"):
        role_of("no-such-container").resolve()
    role = role_of(stage.sleeper())
    role.resolve()
    with pytest.raises(Unavailable, match="has an id that begins so"):
        role_of(role.container.id[:8]).resolve()


@pytest.mark.parametrize(("end", "told"), [("stop", "exited.*start it"), ("pause", "is paused.*docker unpause")])
def test_a_container_that_is_down_or_frozen_is_refused(stage: Stage, end: str, told: str) -> None:
    name = stage.sleeper()
    getattr(stage.api, end)(name)
    with pytest.raises(Unavailable, match=told):
        role_of(name).resolve()


def test_no_engine_is_refused_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    with pytest.raises(Unavailable, match=r"cannot connect .*No such file.*start the Docker engine.*DOCKER_HOST"):
        role_of("server").resolve()


def test_a_compose_service_is_found_by_its_labels_and_two_are_refused(stage: Stage) -> None:
    service, one, two = (f"{what}-{uuid.uuid4().hex[:6]}" for what in ("bridge", "one", "two"))
    name = stage.sleeper(labels=labels(service, one, oneoff="False"))
    stage.sleeper(labels=labels(service, one, oneoff="True"))
    role = ContainerRole("server", Sought(service=service))
    assert [each.pid for each in role.resolve()] == [stage.pid(name)], "what `compose run` made is no service"
    stage.sleeper(labels=labels(service, two, oneoff="False"))
    with pytest.raises(Unavailable, match=r"there are 2: .*; say which `project`") as refused:
        ContainerRole("server", Sought(service=service)).resolve()
    assert f"{name} of project {one}" in str(refused.value)
    assert f"of project {two}" in str(refused.value)
    ContainerRole("server", Sought(service=service, project=one)).resolve()
    with pytest.raises(Unavailable, match="there is none"):
        ContainerRole("server", Sought(service=service, project="three")).resolve()


def test_start_starts_what_is_down_and_leaves_alone_what_runs(stage: Stage) -> None:
    async def story() -> None:
        name = stage.sleeper()
        role = role_of(name)
        [before] = role.resolve()
        await role.start()
        assert role.pids() == [before]
        stage.api.stop(name)
        assert not role.is_alive()
        await role.start()
        await role.wait_ready()
        assert role.is_alive()

    asyncio.run(story())


def test_a_container_with_a_health_check_is_ready_when_it_is_healthy(stage: Stage) -> None:
    async def story() -> None:
        flag = "import os, sys; sys.exit(not os.path.exists('/tmp/well'))"
        check = {"test": ["CMD", "python", "-c", flag], "interval": 300_000_000, "retries": 1}
        name = stage.sleeper(healthcheck=check)
        role = role_of(name)
        waiting = asyncio.create_task(role.wait_ready())
        await asyncio.sleep(1.5)
        assert not waiting.done()
        stage.execute(name, "python", "-c", "open('/tmp/well', 'w')")
        await asyncio.wait_for(waiting, 60)
        assert role.look().health == "healthy"

    asyncio.run(story())


def test_a_process_inside_a_container_is_found_and_its_like_elsewhere_is_not(stage: Stage) -> None:
    name, other = (stage.run(*supervised(APP, 0.2)) for _ in range(2))
    role = inside(name, APP)
    until(lambda: len(role.pids()) == 2, "the supervisor, whose arguments hold the app's, and the app")
    found = {each.pid for each in role.pids()}
    assert stage.pid(name) in found
    assert stage.pid(other) not in found
    with pytest.raises(Unavailable, match=r"2 processes match \(.*in container .*1 process expected"):
        role.resolve()


def test_killing_the_process_inside_leaves_the_container_up_and_its_supervisor_is_waited_for(stage: Stage) -> None:
    async def story() -> None:
        name = stage.run(*supervised(APP, 0.5))
        role = inside(name, "the-app")
        until(lambda: len(role.pids()) == 1, "the app")
        [before], main = role.resolve(), stage.pid(name)
        world = World(role)
        fault = ProcessKill("kill the app", role="app", number=signal.SIGKILL, supervised_within_s=60)
        fault.plan(world, "f1")
        await fault.inject(world)
        assert (await fault.confirm(world)).verified
        await asyncio.wait_for(fault.settle(world), 90)
        assert [each for each in role.pids() if each != before]
        assert stage.pid(name) == main, "the container never noticed"

    asyncio.run(story())


def test_an_open_port_of_a_container_is_no_sign_of_life(stage: Stage) -> None:
    """The engine's own proxy listens at a published port for as long as the container runs, whatever runs in it."""
    port = published()
    name = stage.run(*supervised(HTTP, 600), ports={8000: port})
    until(lambda: serves(port), "the app answers")
    [app] = inside(name, "the-app").resolve()
    send_signal(app, signal.SIGKILL)
    until(lambda: not is_alive(app), "the app is dead")
    with socket.create_connection(("127.0.0.1", port), timeout=10):
        pass
    assert not serves(port)
    assert stage.status(name) == "running"


def test_freezing_the_process_inside_leaves_the_rest_of_the_container_running(stage: Stage) -> None:
    async def story() -> None:
        port = published()
        name = stage.run(*supervised(HTTP, 0.5), ports={8000: port})
        until(lambda: serves(port), "the app answers")
        world = World(inside(name, "the-app"))
        fault = ProcessPause("freeze the app", role="app")
        record = await asyncio.to_thread(fault.plan, world, "f1")
        await fault.inject(world)
        assert (await fault.confirm(world)).verified
        assert not serves(port)
        assert stage.execute(name, "python", "-c", "print('alive')") == (0, "alive\n")
        await asyncio.to_thread(thaw, record)
        until(lambda: serves(port), "it goes on")

    asyncio.run(story())
