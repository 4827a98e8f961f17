"""Cutting a container off on a real engine: nothing passes, and afterwards it is in the network as it was."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import msgspec
import pytest
from docker_stage import SERVER, Stage, World, published, serves, until

from chaosrun.containers import Sought
from chaosrun.errors import Dirty, Unavailable
from chaosrun.faults.container_network import ContainerNetwork, make, undo, verify
from chaosrun.records import Undo
from chaosrun.spec.steps import ContainerNetworkStep
from chaosrun.targets.container import ContainerRole

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

ASK = "import sys, urllib.request as u; sys.exit(u.urlopen(sys.argv[1], timeout=3).status != 200)"


def world_of(name: str) -> World:
    role = ContainerRole("server", Sought(name=name))
    role.resolve()
    return World(role)


def cut(network: str | None = None) -> ContainerNetwork:
    return ContainerNetwork("cut it off", role="server", network=network)


def subnet(stage: Stage) -> tuple[str, str]:
    """A network whose addresses we may choose, and the first part of them."""
    from docker.types import IPAMConfig, IPAMPool

    prefix = f"10.{secrets.randbelow(200) + 20}.{secrets.randbelow(250)}"
    return stage.network(ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=f"{prefix}.0/24")])), prefix


def within(stage: Stage, network: str, **endpoint: Any) -> Any:
    return stage.api.create_networking_config({network: stage.api.create_endpoint_config(**endpoint)})


def endpoint_of(stage: Stage, name: str, network: str) -> dict[str, Any]:
    return stage.api.inspect_container(name)["NetworkSettings"]["Networks"][network]  # type: ignore[no-any-return]


def test_nobody_reaches_it_and_afterwards_it_has_its_names_and_its_address_back(stage: Stage) -> None:
    async def story() -> None:
        network, prefix = subnet(stage)
        networking = within(stage, network, aliases=["shop", "till"], ipv4_address=f"{prefix}.77")
        name = stage.run(*SERVER, networking=networking, network_mode=network)
        client = stage.sleeper(networking=within(stage, network), network_mode=network)

        def reached(host: str) -> bool:
            return stage.execute(client, "python", "-c", ASK, f"http://{host}:8000/")[0] == 0

        until(lambda: reached("shop"), "it answers to its alias")
        world, fault = world_of(name), cut()
        record = fault.plan(world, "f1")
        assert reached("till"), "a plan touches nothing"
        await fault.inject(world)
        seen = await fault.confirm(world)
        assert seen.verified
        assert network in seen.how
        assert not reached(f"{prefix}.77")
        assert not reached("shop")
        assert not verify(record)
        assert world.roles["server"].is_alive(), "it runs on"
        await fault.remove(world)
        assert verify(record)
        for host in ("shop", "till", f"{prefix}.77"):
            until(lambda host=host: reached(host), host)  # type: ignore[misc]

    asyncio.run(story())


def test_the_record_alone_connects_it_again_and_only_if_it_is_cut_off(stage: Stage) -> None:
    network, prefix = subnet(stage)
    networking = within(stage, network, aliases=["shop"], ipv4_address=f"{prefix}.9")
    name = stage.sleeper(networking=networking, network_mode=network)
    record = cut(network).plan(world_of(name), "f1")
    record = msgspec.json.decode(msgspec.json.encode(record), type=Undo)
    before = endpoint_of(stage, name, network)
    undo(record)
    assert endpoint_of(stage, name, network)["EndpointID"] == before["EndpointID"], "it is connected, nothing is done"
    stage.api.disconnect_container_from_network(name, network)
    assert not verify(record)
    undo(record)
    undo(record)
    assert verify(record)
    after = endpoint_of(stage, name, network)
    assert after["IPAddress"] == before["IPAddress"] == f"{prefix}.9"
    assert set(before["Aliases"]) <= set(after["Aliases"])


def test_a_reconnect_by_hand_without_the_names_does_not_count_as_undone(stage: Stage) -> None:
    network, prefix = subnet(stage)
    networking = within(stage, network, aliases=["shop"], ipv4_address=f"{prefix}.9")
    name = stage.sleeper(networking=networking, network_mode=network)
    record = cut().plan(world_of(name), "f1")
    stage.api.disconnect_container_from_network(name, network)
    stage.api.connect_container_to_network(name, network)
    assert not verify(record)


def test_a_published_port_answers_again_after_the_cut(stage: Stage) -> None:
    async def story() -> None:
        port = published()
        world = world_of(stage.run(*SERVER, ports={8000: port}))
        until(lambda: serves(port), "it answers")
        fault = cut()
        record = fault.plan(world, "f1")
        await fault.inject(world)
        assert not serves(port)
        await fault.remove(world)
        until(lambda: serves(port), "it answers again")
        assert verify(record)

    asyncio.run(story())


def test_of_several_networks_one_must_be_named_and_only_that_is_cut(stage: Stage) -> None:
    async def story() -> None:
        one, two = stage.network(), stage.network()
        name = stage.sleeper(networking=within(stage, one), network_mode=one)
        stage.api.connect_container_to_network(name, two)
        world = world_of(name)
        with pytest.raises(Unavailable, match="is in 2 networks; say which with `network`"):
            cut().plan(world, "f1")
        with pytest.raises(Unavailable, match=f"is not in network elsewhere; it is in: .*{one}"):
            cut("elsewhere").plan(world, "f1")
        fault = cut(two)
        record = fault.plan(world, "f1")
        await fault.inject(world)
        assert list(stage.api.inspect_container(name)["NetworkSettings"]["Networks"]) == [one]
        undo(record)
        assert verify(record)

    asyncio.run(story())


def test_a_container_without_a_network_of_its_own_is_refused(stage: Stage) -> None:
    name = stage.sleeper(network_mode="host")
    with pytest.raises(Unavailable, match="no network of its own"):
        cut().plan(world_of(name), "f1")


def test_what_cannot_be_put_back_is_said(stage: Stage) -> None:
    network, prefix = subnet(stage)
    networking = within(stage, network, ipv4_address=f"{prefix}.9")
    name = stage.sleeper(networking=networking, network_mode=network)
    record = cut().plan(world_of(name), "f1")
    stage.api.disconnect_container_from_network(name, network)
    stage.sleeper(networking=networking, network_mode=network)
    with pytest.raises(Unavailable, match=r"cannot connect .*in use"):
        undo(record)
    assert not verify(record)
    stage.api.remove_container(name, force=True)
    with pytest.raises(Dirty, match="was removed"):
        undo(record)


def test_a_step_of_the_yaml_becomes_the_fault_that_it_describes() -> None:
    fault = make(ContainerNetworkStep(fault="container_network", role="server"))
    assert (fault.name, fault.role, fault.sustained) == ("container_network server", "server", True)
