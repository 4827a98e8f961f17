"""Freezing a container on a real engine: it neither answers nor goes away, and thaws whatever became of the run."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from docker_stage import SERVER, Stage, World, published, serves, until

from chaosrun.containers import Sought
from chaosrun.errors import Unavailable
from chaosrun.faults.container_pause import ContainerPause, make, undo, verify
from chaosrun.records import Undo
from chaosrun.spec.steps import ContainerPauseStep
from chaosrun.targets.container import ContainerRole

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]


def world_of(name: str) -> World:
    role = ContainerRole("server", Sought(name=name))
    role.resolve()
    return World(role)


def test_a_frozen_server_is_silent_and_answers_again_when_it_is_removed(stage: Stage) -> None:
    async def story() -> None:
        port = published()
        world = world_of(stage.run(*SERVER, ports={8000: port}))
        until(lambda: serves(port), "it answers")
        [before] = world.roles["server"].pids()
        fault = ContainerPause("freeze it", role="server")
        record = fault.plan(world, "f1")
        assert serves(port), "a plan touches nothing"
        await fault.inject(world)
        assert (await fault.confirm(world)).verified
        assert not serves(port)
        assert not verify(record)
        await fault.remove(world)
        until(lambda: serves(port), "it answers again")
        assert verify(record)
        assert world.roles["server"].pids() == [before], "it never ended"

    asyncio.run(story())


def test_the_record_alone_thaws_it_and_only_if_it_is_frozen(stage: Stage) -> None:
    name = stage.sleeper()
    record = ContainerPause("freeze it", role="server").plan(world_of(name), "f1")
    record = msgspec.json.decode(msgspec.json.encode(record), type=Undo)
    undo(record)
    assert verify(record)
    stage.api.pause(name)
    assert not verify(record)
    undo(record)
    undo(record)
    assert verify(record)
    assert stage.status(name) == "running"


def test_what_is_frozen_already_is_not_frozen_again(stage: Stage) -> None:
    name = stage.sleeper()
    world = world_of(name)
    stage.api.pause(name)
    with pytest.raises(Unavailable, match=f"is paused; first: docker unpause {name}"):
        ContainerPause("freeze it", role="server").plan(world, "f1")
    stage.api.unpause(name)


def test_a_container_that_ended_before_is_not_confirmed_as_frozen(stage: Stage) -> None:
    async def story() -> None:
        name = stage.sleeper()
        world, fault = world_of(name), ContainerPause("freeze it", role="server")
        fault.plan(world, "f1")
        stage.api.stop(name)
        with pytest.raises(Unavailable, match="cannot pause"):
            await fault.inject(world)
        seen = await fault.confirm(world)
        assert not seen.verified
        assert "exited" in seen.how

    asyncio.run(story())


def test_a_container_that_was_removed_is_frozen_no_more(stage: Stage) -> None:
    name = stage.sleeper()
    record = ContainerPause("freeze it", role="server").plan(world_of(name), "f1")
    stage.api.remove_container(name, force=True)
    undo(record)
    assert verify(record)


def test_a_step_of_the_yaml_becomes_the_fault_that_it_describes() -> None:
    fault = make(ContainerPauseStep(fault="container_pause", role="server"))
    assert (fault.name, fault.role, fault.sustained) == ("container_pause server", "server", True)
