"""The process that is a Ray cluster's driver for one run.

`python -m chaosrun.load.on_ray.driver FD` is told over the inherited socket FD what to join and which workers to have
played. It lives no longer than that socket and what it still has to bring home.
"""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from chaosrun.load.on_ray.host import Host
from chaosrun.load.on_ray.relay import Relay, told
from chaosrun.load.on_ray.wire import Join, Joined, Options, Refused, Take, decode_request
from chaosrun.processes import RUN_TAG
from chaosrun.spec.fleet import is_host_and_port

PACKET: Final = 64 * 1024
KNOCK_WITHIN_S: Final = 5.0
NO_CLUSTER: Final = (
    "no Ray cluster at {address} ({why}); this machine must be a node of one: "
    "`ray start --head --node-ip-address=127.0.0.1` makes it a cluster of its own"
)


OTHER_VERSION: Final = "{told}; the same Ray and the same Python, to the last digit, have to be on every node"


class Impossible(Exception):
    """The cluster is not there, or not as it is wanted; with the remedy."""


def join(asked: Join) -> list[str | None]:
    """Join the cluster; for each worker the node it is to play on, None: where Ray likes.

    Raises:
        Impossible: there is none, or it has no node for them.
    """
    options = asked.options
    _knock((os.environ.get("RAY_ADDRESS") or "auto") if options.address == "auto" else options.address)
    try:
        ray.init(address=options.address, log_to_driver=False, logging_level="FATAL")
    except (ConnectionError, RuntimeError, ValueError, AssertionError) as error:
        if "Version mismatch" in str(error):
            raise Impossible(OTHER_VERSION.format(told=" ".join(str(error).split()))) from error
        raise Impossible(NO_CLUSTER.format(address=options.address, why=told(error))) from error
    nodes = [str(node["NodeID"]) for node in ray.nodes() if node["Alive"] and _has(node["Resources"], options)]
    if not nodes:
        raise Impossible(
            f"no node of the Ray cluster has {_words(options.resources)}; `ray status` tells what they have, "
            "and `resources` of `fleet.ray` what is asked for"
        )
    workers = options.workers or max(asked.wanted, len(nodes))
    workers = min(workers, asked.most)
    return [nodes[shard % len(nodes)] if options.spread else None for shard in range(workers)]


def _knock(address: str) -> None:
    """Ray itself tries for a minute or more where nobody is.

    Raises:
        Impossible: nobody listens there.
    """
    if address == "auto":
        return
    if not is_host_and_port(address):  # Ray would take `local` for one to be made, and `ray://` for its client
        raise Impossible(
            f"the address {address!r} of the Ray cluster, from RAY_ADDRESS, is not the HOST:PORT of its head"
        )
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), KNOCK_WITHIN_S).close()
    except OSError as error:
        raise Impossible(NO_CLUSTER.format(address=address, why=error.strerror or error)) from error


def _has(there: dict[str, float], options: Options) -> bool:
    return all(there.get(name, 0) >= many for name, many in options.resources.items())


def _words(resources: dict[str, float]) -> str:
    return " and ".join(f"{name} {many:g}" for name, many in resources.items())


def actor(options: Options, node: str | None, run_dir: str) -> Any:
    """An actor for one worker: not detached, so that it ends with this process; never begun anew, since the clients
    that it played would be others."""
    resources = dict(options.resources)
    strategy = "DEFAULT" if node is None else NodeAffinitySchedulingStrategy(node_id=node, soft=False)
    return (
        ray.remote(Host)
        .options(
            num_cpus=resources.pop("CPU", 0),
            num_gpus=resources.pop("GPU", 0),
            memory=resources.pop("memory", None),
            resources=resources,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy=strategy,
            runtime_env={"env_vars": {RUN_TAG: run_dir}},
        )
        .remote()
    )


async def drive(control: socket.socket, asked: Join, nodes: Sequence[str | None]) -> None:
    """Relay each worker that is to be taken, until the engine is gone and all that came with it is kept."""
    loop = asyncio.get_running_loop()
    relays: list[asyncio.Task[None]] = []
    gone = asyncio.Event()

    def take() -> None:
        data, sockets, _, _ = socket.recv_fds(control, PACKET, 1)
        if not data:
            gone.set()
            return
        taken = decode_request(data)
        assert isinstance(taken, Take)
        begin = functools.partial(actor, asked.options, nodes[taken.shard], asked.run_dir)
        relay = Relay(begin, socket.socket(fileno=sockets[0]), Path(asked.run_dir), asked.origin_ns)
        relays.append(asyncio.create_task(relay.run()))

    loop.add_reader(control, take)
    await gone.wait()
    loop.remove_reader(control)
    outcomes = await asyncio.gather(*relays, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


def main() -> None:
    """Exit code 0 unless something is wrong with chaosrun itself."""
    control = socket.socket(fileno=int(sys.argv[1]))
    asked = decode_request(control.recv(PACKET))
    assert isinstance(asked, Join)
    try:
        nodes = join(asked)
    except Impossible as error:
        control.send(msgspec.json.encode(Refused(why=str(error))))
        return
    control.send(msgspec.json.encode(Joined(workers=len(nodes))))
    asyncio.run(drive(control, asked, nodes))
    ray.shutdown()


if __name__ == "__main__":
    main()
