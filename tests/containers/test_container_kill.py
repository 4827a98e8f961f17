"""Ending a container on a real engine: what the engine makes of a crash, a kill and a stop, and that the undo heals."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import msgspec
import pytest
from docker_stage import Stage, World, published, serves, until
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from chaosrun.containers import Sought
from chaosrun.errors import Dirty, Unavailable
from chaosrun.faults.container_kill import ContainerKill, make, undo, verify
from chaosrun.identity import is_alive, send_signal
from chaosrun.records import Undo
from chaosrun.spec.steps import ContainerKillStep
from chaosrun.targets.container import ContainerRole

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]


def world_of(name: str) -> World:
    role = ContainerRole("server", Sought(name=name))
    role.resolve()
    return World(role)


def end(how: str = "crash", **more: Any) -> ContainerKill:
    return ContainerKill("end it", role="server", how=how, **more)  # type: ignore[arg-type]


async def injected(fault: ContainerKill, world: World) -> Undo:
    record = fault.plan(world, "f1")
    await fault.inject(world)
    assert (await fault.confirm(world)).verified
    return record


@pytest.mark.parametrize("how", ["crash", "kill", "stop"])
def test_the_container_ends_and_chaosrun_starts_it_again(stage: Stage, how: str) -> None:
    async def story() -> None:
        name = stage.sleeper()
        world, fault = world_of(name), end(how, restart_after_s=0.3)
        [before] = world.roles["server"].pids()
        record = fault.plan(world, "f1")
        assert is_alive(before), "a plan touches nothing"
        await fault.inject(world)
        seen = await fault.confirm(world)
        assert seen.verified, seen.how
        assert str(before.pid) in seen.how
        assert not is_alive(before)
        await fault.settle(world)
        assert not fault.sustained
        [after] = world.roles["server"].pids()
        assert after != before
        assert verify(record)

    asyncio.run(story())


def test_a_crash_is_what_the_restart_policy_acts_on(stage: Stage) -> None:
    async def story() -> None:
        name = stage.sleeper(restart="always")
        world, fault = world_of(name), end(supervised_within_s=60)
        [before] = world.roles["server"].pids()
        record = await injected(fault, world)
        await fault.settle(world)
        [after] = world.roles["server"].pids()
        assert after != before
        assert stage.api.inspect_container(name)["RestartCount"] == 1
        assert verify(record)

    asyncio.run(story())


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_kill_by_the_engine_switches_the_policy_off_and_the_undo_starts_it(stage: Stage, how: str) -> None:
    async def story() -> None:
        name = stage.sleeper(restart="always")
        fault = end(how)
        assert fault.sustained
        record = await injected(fault, world_of(name))
        until(lambda: stage.status(name) == "exited", "the engine has noticed")
        await asyncio.sleep(3)  # a crash is mended in less than half a second
        assert stage.status(name) == "exited"
        assert not verify(record)
        undo(record)
        assert verify(record)

    asyncio.run(story())


def test_a_crash_that_the_policy_would_mend_at_once_is_no_lasting_one(stage: Stage) -> None:
    world = world_of(stage.sleeper(restart="unless-stopped"))
    for fault in (end(), end(restart_after_s=2.0)):
        with pytest.raises(Unavailable, match=r"restart policy 'unless-stopped'.*by: supervisor.*how: kill"):
            fault.plan(world, "f1")
    end("kill").plan(world, "f1")


def test_a_supervisor_that_never_comes_is_waited_for_no_longer_than_was_said_and_undone(stage: Stage) -> None:
    async def story() -> None:
        name = stage.sleeper()
        fault = end(supervised_within_s=0.5)
        record = await injected(fault, world_of(name))
        await asyncio.wait_for(fault.settle(World()), 30)
        assert not verify(record)
        undo(record)
        assert verify(record)

    asyncio.run(story())


def test_a_stop_closes_websockets_with_1001_and_a_crash_says_nothing(stage: Stage) -> None:
    async def story() -> None:
        port = published()
        bridge = ("python", "-m", "chaosrun.reference.mt5_bridge", "--host", "0.0.0.0", "--port", "9101")
        name = stage.run(*bridge, "--terminal", "127.0.0.1:1", ports={9101: port})
        codes = []
        for how in ("stop", "crash"):
            until(lambda: serves(port, "/healthz"), "the bridge listens")
            async with connect(f"ws://127.0.0.1:{port}/ws", proxy=None) as socket:
                await injected(end(how, restart_after_s=0.0), world := world_of(name))
                with pytest.raises(ConnectionClosed) as closed:
                    await asyncio.wait_for(socket.recv(), 30)
                codes.append(closed.value.rcvd.code if closed.value.rcvd else None)
            await world.roles["server"].start()
            await world.roles["server"].wait_ready()
        assert codes == [1001, None]

    asyncio.run(story())


def test_a_frozen_container_that_is_killed_from_outside_is_not_confirmed_while_it_lives_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under cgroup v1 a frozen process takes no signal; under v2 SIGKILL reaches it."""
    monkeypatch.setattr("chaosrun.faults.container_kill._EFFECT_WITHIN_S", 1.0)

    async def story() -> None:
        name = stage.sleeper()
        world, fault = world_of(name), end()
        [before] = world.roles["server"].pids()
        fault.plan(world, "f1")
        stage.api.pause(name)
        await fault.inject(world)
        seen = await fault.confirm(world)
        if stage.api.info()["CgroupVersion"] == "1":
            assert not seen.verified
            assert "frozen process" in seen.how
            assert is_alive(before)
            stage.api.unpause(name)
        until(lambda: not is_alive(before), "the signal was pending")

    asyncio.run(story())


@pytest.mark.parametrize("change", ["stop", "pause"])
def test_what_is_down_or_frozen_already_is_not_ended(stage: Stage, change: str) -> None:
    name = stage.sleeper()
    world = world_of(name)
    getattr(stage.api, change)(name)
    with pytest.raises(Unavailable, match=r"is (exited|paused); first: docker (start|unpause)"):
        end().plan(world, "f1")


def test_a_process_of_another_machine_cannot_be_crashed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the engine were elsewhere: its pids are then other processes' here, or nobody's."""
    world = world_of(stage.sleeper())
    monkeypatch.setattr("chaosrun.containers.is_in_container", lambda _pid, _container: False)
    with pytest.raises(Unavailable, match=r"none of this machine's.*how: kill"):
        end().plan(world, "f1")


def test_an_engine_elsewhere_confirms_by_itself(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        world = world_of(stage.sleeper())
        monkeypatch.setattr("chaosrun.containers.is_in_container", lambda _pid, _container: False)
        fault = end("kill")
        record = fault.plan(world, "f1")
        await fault.inject(world)
        seen = await fault.confirm(world)
        assert seen.verified
        assert "the engine reports" in seen.how
        undo(record)
        assert verify(record)

    asyncio.run(story())


UNDO = """
import sys, msgspec
from chaosrun.records import Undo
from chaosrun.safety.undo import take_away
print(take_away(msgspec.json.decode(sys.argv[1], type=Undo)))
"""


def test_the_record_alone_heals_in_a_process_that_knows_nothing_of_the_run(stage: Stage) -> None:
    name = stage.sleeper()
    record = end("kill").plan(world_of(name), "f1")
    text = msgspec.json.encode(record).decode()
    assert json.loads(text)["identity"]["name"] == name

    def elsewhere() -> str:
        done = subprocess.run(
            [sys.executable, "-c", UNDO, text], env={}, capture_output=True, text=True, timeout=120, check=True
        )
        return done.stdout

    before = stage.pid(name)
    assert "done=True, verified=True" in elsewhere()
    assert stage.pid(name) == before, "it runs, so nothing is done"
    stage.api.kill(name)
    until(lambda: stage.status(name) == "exited", "it is down")
    assert "done=True, verified=True" in elsewhere()
    after = stage.pid(name)
    assert after not in (0, before)
    assert "done=True, verified=True" in elsewhere()
    assert stage.pid(name) == after, "once is enough"


def test_an_undo_beside_a_stop_that_goes_on_waits_for_it(stage: Stage) -> None:
    """The engine stops a container although whoever asked for it is dead: an undo that saw it run was too early."""
    name = stage.stubborn(stop_timeout=3)
    record = end("stop").plan(world_of(name), "f1")
    began = stage.api.inspect_container(name)["State"]["StartedAt"]
    stopping = threading.Thread(target=lambda: stage.api.stop(name, timeout=3))
    stopping.start()
    undo(record)
    stopping.join()
    state = stage.api.inspect_container(name)["State"]
    assert state["Running"]
    assert state["StartedAt"] != began
    assert verify(record)


def test_the_undo_waits_until_the_health_check_says_that_all_is_well(stage: Stage) -> None:
    slow = "import os, signal, time; os.path.exists('/tmp/well') and os.remove('/tmp/well'); time.sleep(2)"
    test = ["CMD", "python", "-c", "import os; raise SystemExit(not os.path.exists('/tmp/well'))"]
    check = {"test": test, "interval": 300_000_000, "retries": 1}
    name = stage.run("python", "-c", f"{slow}; open('/tmp/well', 'w'); signal.pause()", healthcheck=check)
    until(lambda: stage.api.inspect_container(name)["State"]["Health"]["Status"] == "healthy", stage.about(name))
    record = end("kill").plan(world_of(name), "f1")
    stage.api.kill(name)
    until(lambda: stage.status(name) == "exited", "it is down")
    began = time.monotonic()
    undo(record)
    assert time.monotonic() - began >= 2.0
    assert verify(record)


def test_a_container_that_was_removed_is_dirty_and_one_in_its_place_will_do(stage: Stage) -> None:
    name = stage.sleeper()
    record = end("kill").plan(world_of(name), "f1")
    stage.api.remove_container(name, force=True)
    with pytest.raises(Dirty, match="was removed"):
        undo(record)
    with pytest.raises(Unavailable):
        verify(record)
    stage.sleeper(name=name)
    undo(record)
    assert verify(record)


def test_a_kill_that_comes_too_late_is_not_confirmed(stage: Stage) -> None:
    async def story() -> None:
        world = world_of(stage.sleeper())
        fault = end()
        fault.plan(world, "f1")
        [main] = world.roles["server"].pids()
        send_signal(main, signal.SIGKILL)
        until(lambda: not is_alive(main), "it is down")
        await fault.inject(world)
        seen = await fault.confirm(world)
        assert not seen.verified
        assert "had ended before" in seen.how

    asyncio.run(story())


def test_a_run_that_is_stopped_meanwhile_waits_until_the_engine_has_done_it(stage: Stage) -> None:
    """Else the undo would come first, find the container running, and leave it to be ended."""

    async def story() -> None:
        name = stage.stubborn(stop_timeout=2)
        world, fault = world_of(name), end("stop")
        record = fault.plan(world, "f1")
        injecting = asyncio.create_task(fault.inject(world))
        await asyncio.sleep(0.3)
        injecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await injecting
        assert stage.status(name) == "exited"
        undo(record)
        assert verify(record)

    asyncio.run(story())


def test_a_step_of_the_yaml_becomes_the_fault_that_it_describes() -> None:
    step = ContainerKillStep.model_validate(
        {"fault": "container_kill", "role": "server", "restart": {"by": "supervisor", "within": "20s"}}
    )
    fault = make(step)
    assert (fault.name, fault.role, fault.sustained) == ("container_kill server", "server", False)
    assert make(ContainerKillStep(fault="container_kill", role="server")).sustained


def test_who_may_not_signal_the_process_is_told_before_the_load(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if chaosrun were a user of the group docker: the engine obeys it, the kernel does not."""

    async def story() -> None:
        world = world_of(stage.sleeper())
        monkeypatch.setattr("chaosrun.faults.container_kill.may_signal", lambda _process: False)
        with pytest.raises(Unavailable, match=r"another user's.*run chaosrun as root, or write `how: kill`"):
            await end().check(world)
        await end("kill").check(world)

    asyncio.run(story())
