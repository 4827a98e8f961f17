"""What can go wrong on a cluster: each time the right clients are told as lost, and nobody goes on without an engine.

What every fleet does, Ray's too, is in `test_fleet_conformance.py`. These nodes share one machine and one network.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray_stage
from fleet_stage import MS, SECOND, Bridge, Run, begin, play

from chaosrun.errors import Unavailable
from chaosrun.identity import Identity, identify, is_alive
from chaosrun.load.handle import WorkerLost
from chaosrun.load.silence import LOOKS_A_SECOND, Silence
from chaosrun.records import NONE, Kind
from chaosrun.scoring.pacing import due_times
from chaosrun.spec.fleet import Ray

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    with ray_stage.cluster(nodes=2) as made:
        yield made


Step = Callable[[Run, Bridge], Awaitable[None]]


def disturbed(tmp_path: Path, made: Any, during: Step, *, clients: int = 6, workers: int = 2, **ray: Any) -> Run:
    """A fleet on Ray with something happening to it; closed, nothing of it is left."""

    async def act() -> Run:
        bridge = Bridge()
        await bridge.start()
        load = {"kind": "ray", "ray": Ray(address=made.address, **ray)}
        run = await begin(tmp_path, bridge, clients=clients, workers=workers, period_ns=100 * MS, load=load)
        players: list[Identity] = []
        try:
            await run.fleet.start()
            players = [playing(run, shard) for shard in range(len(run.fleet._workers))]
            await run.fleet.ramp(run.now())
            await run.all_usable()
            await during(run, bridge)
        finally:
            await run.fleet.close()
            await bridge.kill()
        assert run.fleet.processes == ()
        ray_stage.until(lambda: not any(map(is_alive, players)))
        return run

    return asyncio.run(act())


def playing(run: Run, shard: int) -> Identity:
    """The process of an actor."""
    placed = run.fleet._workers[shard].placed
    assert placed is not None
    found = identify(placed.pid)
    assert found is not None
    return found


def driver(run: Run) -> Identity:
    (found,) = run.fleet.processes
    return found


async def lost(run: Run, within_s: float) -> str:
    trouble = await asyncio.wait_for(run.fleet.failed(), within_s)
    assert isinstance(trouble, WorkerLost)
    return str(trouble)


async def rest_goes_on(run: Run, bridge: Bridge) -> None:
    """Those that are left ask on, and are ended in order."""
    before = bridge.pings
    await run.until(lambda: bridge.pings > before + 20)
    await run.fleet.stop()
    await run.fleet.drain(0.2)


def test_a_worker_that_is_killed_is_told_with_its_clients_and_the_rest_goes_on(tmp_path: Path, nodes: Any) -> None:
    async def during(run: Run, bridge: Bridge) -> None:
        player = playing(run, 1)
        await asyncio.sleep(1.5)  # what it says is written once a second
        os.kill(player.pid, signal.SIGKILL)
        told = await lost(run, 1)
        assert told.startswith(f"load worker 1 (node {run.fleet._workers[1].placed.node}, pid {player.pid}): ")
        assert told.endswith("; 3 of 6 clients are lost with it")
        assert "worker process has died" in told
        await rest_goes_on(run, bridge)

    disturbed(tmp_path, nodes, during)
    ended = [line for line in lines(tmp_path) if line["type"] == "ended"]
    assert [line["w"] for line in ended] == ["load-0"]
    assert {line["w"] for line in lines(tmp_path)} >= {"load-0", "load-1"}, "what the other said before is kept"


def test_clients_wait_for_nobody_elses_work(tmp_path: Path, nodes: Any) -> None:
    """Ray gives its workers a niceness of 15."""

    async def during(run: Run, bridge: Bridge) -> None:
        threads = Path(f"/proc/{playing(run, 0).pid}/task").iterdir()
        assert {os.getpriority(os.PRIO_PROCESS, int(each.name)) for each in threads} == {0}

    disturbed(tmp_path, nodes, during)


def test_a_node_that_dies_takes_its_clients_with_it(tmp_path: Path, nodes: Any) -> None:
    async def during(run: Run, bridge: Bridge) -> None:
        await asyncio.to_thread(nodes.remove_node, doomed, allow_graceful=False)
        told = await lost(run, 5)
        assert f"({new[:8]})" in told
        assert told.endswith("; 2 of 6 clients are lost with it")
        await rest_goes_on(run, bridge)

    before = ray_stage.alive(nodes)
    doomed = nodes.add_node(num_cpus=2, node_ip_address="127.0.0.1", include_dashboard=False)
    (new,) = ray_stage.alive(nodes) - before
    disturbed(tmp_path, nodes, during, workers=3)
    ray_stage.until(lambda: ray_stage.alive(nodes) == before)


def test_a_worker_that_is_stopped_is_noticed_within_a_second_and_killed_in_the_end(tmp_path: Path, nodes: Any) -> None:
    async def during(run: Run, bridge: Bridge) -> None:
        silence = Silence()
        assert list(silence.look(run.fleet.heard)) == []
        os.kill(playing(run, 0).pid, signal.SIGSTOP)
        stopped = time.monotonic()
        while not (silent := list(silence.look(run.fleet.heard))):
            await asyncio.sleep(1 / LOOKS_A_SECOND)
        assert [each.name for each in silent] == ["load worker 0"]
        assert time.monotonic() - stopped < 1.5, "a second, and the look that finds it"
        run.fleet.give_up("load worker 0")
        assert "has fallen silent; 3 of 6 clients are lost with it" in await lost(run, 1)
        await rest_goes_on(run, bridge)

    disturbed(tmp_path, nodes, during)


def test_a_worker_that_was_stopped_for_less_goes_on_where_it_was(tmp_path: Path, nodes: Any) -> None:
    async def during(run: Run, bridge: Bridge) -> None:
        player = playing(run, 0)
        os.kill(player.pid, signal.SIGSTOP)
        await asyncio.sleep(2.5)
        os.kill(player.pid, signal.SIGCONT)
        since = run.fleet.heard["load worker 0"]
        await run.until(lambda: run.fleet.heard["load worker 0"] > since + 2 * SECOND)
        assert run.fleet.trouble is None
        await run.all_usable()

    disturbed(tmp_path, nodes, during)


def test_a_driver_that_is_killed_is_told_at_once_and_its_workers_let_go(tmp_path: Path, nodes: Any) -> None:
    async def during(run: Run, bridge: Bridge) -> None:
        os.kill(driver(run).pid, signal.SIGKILL)
        killed = time.monotonic()
        assert ") is lost: the cluster's driver ended with -9" in await lost(run, 3)
        await run.until(lambda: not bridge._clients, within_s=5)
        assert time.monotonic() - killed < 2, "let go within 2 s"

    disturbed(tmp_path, nodes, during)


def test_workers_whose_driver_says_nothing_let_go_within_2_s_with_all_that_they_measured(
    tmp_path: Path, nodes: Any
) -> None:
    """As where the network to it is cut, so that Ray does not know it either."""

    async def during(run: Run, bridge: Bridge) -> None:
        process = driver(run).pid
        os.kill(process, signal.SIGSTOP)
        stopped = time.monotonic()
        try:
            await run.until(lambda: not bridge._clients, within_s=5)
            assert time.monotonic() - stopped < 2, "let go within 2 s"
        finally:
            os.kill(process, signal.SIGCONT)
        assert (
            "it heard nothing of its driver for 1.5 s, and let its clients go; 3 of 6 clients are lost"
            in await lost(run, 5)
        )

    disturbed(tmp_path, nodes, during)
    assert sum(line["type"] == "ended" for line in lines(tmp_path)) == 2


def test_clocks_that_are_an_hour_apart_give_one_record(tmp_path: Path, nodes: Any) -> None:
    """One worker's node is an hour ahead. Every slot that was due is there once, at its time; the server counted as
    many; and what the clock was read as is right to within what is said."""

    async def during(run: Run) -> None:
        await run.all_usable()
        await asyncio.sleep(1.0)

    bridge = Bridge(rate=50)
    with ray_stage.node_of_another_time(nodes, 3600):
        ray = Ray(address=nodes.address, workers=4)
        run, history = play(tmp_path, during, bridge=bridge, clients=8, period_ns=100 * MS, kind="ray", ray=ray)
    slots = [slot for slot in history.slots if slot.kind is Kind.SLOT]
    wanted = {(c, due) for c in range(8) for due in due_times(c, run.plan, run.t0, run.stopped)}
    assert {(slot.client, slot.due) for slot in slots} == wanted
    assert len(slots) == len(wanted)
    assert sum(slot.sent != NONE for slot in history.slots) == bridge.pings, "the server's own count"
    assert history.lost_records == 0
    late = [abs(slot.sent - slot.due) for slot in slots if slot.sent != NONE]
    assert max(late) < SECOND
    received = [push.at for push in history.pushes]
    assert all(run.t0 <= at <= run.stopped + SECOND for at in received)


def test_a_cluster_that_is_not_there_is_told_with_the_remedy(tmp_path: Path, nodes: Any) -> None:
    del nodes  # which is somewhere else
    told = refused(tmp_path, Ray(address="127.0.0.1:1"))
    assert "no Ray cluster at 127.0.0.1:1 (Connection refused); " in told and "`ray start --head" in told


def test_resources_that_no_node_has_are_told_before_any_load(tmp_path: Path, nodes: Any) -> None:
    told = refused(tmp_path, Ray(address=nodes.address, resources={"CPU": 1, "loadgen": 1}))
    assert "no node of the Ray cluster has CPU 1 and loadgen 1" in told


def test_a_cluster_without_room_is_told_before_any_load(tmp_path: Path, nodes: Any) -> None:
    told = refused(tmp_path, Ray(address=nodes.address, resources={"CPU": 2}, workers=4), workers=4)
    assert "Ray found no room for load worker " in told and "`ray status`" in told


def test_what_ray_itself_refuses_of_a_worker_is_told_at_once(tmp_path: Path, nodes: Any) -> None:
    began = time.monotonic()
    told = refused(tmp_path, Ray(address=nodes.address, resources={"object_store_memory": 5}))
    assert told.startswith("Ray takes no load worker 0: ") and "object_store_memory" in told
    assert time.monotonic() - began < 15


def test_memory_is_reserved_by_its_name_in_ray(tmp_path: Path, nodes: Any) -> None:
    disturbed(tmp_path, nodes, rest_goes_on, resources={"CPU": 0.5, "memory": 1e6})


@pytest.mark.parametrize("address", ["local", "ray://127.0.0.1:10001"])
def test_an_address_from_the_environment_makes_no_cluster_and_joins_no_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert f"the address {address!r} of the Ray cluster, from RAY_ADDRESS, is not" in refused(tmp_path, Ray())


def test_who_stops_while_ray_still_looks_for_room_does_not_wait_for_it(tmp_path: Path, nodes: Any) -> None:
    async def act() -> None:
        bridge = Bridge()
        await bridge.start()
        load = {"kind": "ray", "ray": Ray(address=nodes.address, resources={"CPU": 2}, workers=4)}
        run = await begin(tmp_path, bridge, clients=6, workers=4, period_ns=SECOND, load=load)
        starting = asyncio.create_task(run.fleet.start())
        await run.until(lambda: any(worker.placed for worker in run.fleet._workers))
        starting.cancel()
        stopped = time.monotonic()
        await run.fleet.close()
        assert time.monotonic() - stopped < 6
        assert run.fleet.processes == ()
        await bridge.kill()

    asyncio.run(act())


def test_a_driver_that_ends_before_it_hears_anything_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'no module' >&2\nexit 3\n")
    broken.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(broken))
    assert refused(tmp_path, Ray()) == "the driver of the Ray cluster ended with 3: no module"


def refused(tmp_path: Path, ray: Ray, workers: int = 1) -> str:
    async def act() -> str:
        bridge = Bridge()
        await bridge.start()
        load = {"kind": "ray", "ray": ray}
        run = await begin(tmp_path, bridge, clients=6, workers=workers, period_ns=SECOND, load=load)
        try:
            with pytest.raises(Unavailable) as refusal:
                await run.fleet.start()
            return str(refusal.value)
        finally:
            await run.fleet.close()
            await bridge.kill()

    return asyncio.run(act())


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
