"""A Ray cluster as the engine sees it: a driver process that is given one end of each worker's conversation."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import socket
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Final

import msgspec

from chaosrun.errors import Unavailable
from chaosrun.identity import Identity, identify
from chaosrun.load.handle import Worker
from chaosrun.load.on_ray.wire import Join, Joined, Options, Take, decode_answer
from chaosrun.load.place import Place
from chaosrun.load.surroundings import environment
from chaosrun.load.tail import Tail
from chaosrun.load.wire import Setup

JOIN_WITHIN_S: Final = 30.0
ENDED_WITHIN_S: Final = 12.0
"""What is lost is killed by Ray, which takes its time."""
PACKET: Final = 64 * 1024
TAKE_LOOK_S: Final = 0.02
TAKE_LOOKS: Final = 500
"""10 s."""


class RayCluster(Place):
    def __init__(
        self, options: Options, *, run_dir: Path, origin_ns: int, most: int, hidden: Collection[str] = ()
    ) -> None:
        """
        Args:
            most: workers; more would have no clients.
            hidden: variables of the environment that the driver does not get.
        """
        self._options = options
        self._run_dir = run_dir
        self._origin_ns = origin_ns
        self._most = most
        self._hidden = hidden
        self._control: socket.socket | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._tail: Tail | None = None
        self._joined = False

    async def open(self, workers: int) -> int:
        if importlib.util.find_spec("ray") is None:
            raise Unavailable("a fleet on Ray needs the package ray: pip install 'chaosrun[ray]' on every node")
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setblocking(False)
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # the working directory is of others, whose modules may have the names of ours
                "-m",
                "chaosrun.load.on_ray.driver",
                str(theirs.fileno()),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env=environment(str(self._run_dir), self._hidden),
                start_new_session=True,
            )
        assert self._process.stderr is not None
        self._tail = Tail(self._process.stderr)
        asked = Join(
            options=self._options,
            wanted=workers,
            most=self._most,
            run_dir=str(self._run_dir),
            origin_ns=self._origin_ns,
        )
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(JOIN_WITHIN_S):
                await loop.sock_sendall(self._control, msgspec.json.encode(asked))
                answer = await loop.sock_recv(self._control, PACKET)
        except ConnectionError:  # it ended before it had read what it was asked
            answer = b""
        except TimeoutError:
            raise Unavailable(
                f"no answer from the Ray cluster at {self._options.address!r} within {JOIN_WITHIN_S:g} s; "
                "`ray status` tells whether it is there"
            ) from None
        if not answer:
            raise Unavailable(f"the driver of the Ray cluster {await self.how_it_ended()}")
        told = decode_answer(answer)
        if not isinstance(told, Joined):
            raise Unavailable(told.why)
        self._joined = True
        return told.workers

    def worker(self, setup: Setup) -> Worker:
        return OnRay(self, setup)

    async def take(self, shard: int, theirs: socket.socket) -> None:
        """Give the driver its end of a worker's conversation.

        Raises:
            Unavailable: it has ended, or takes none.
        """
        assert self._control is not None
        for _ in range(TAKE_LOOKS):
            try:
                socket.send_fds(self._control, [msgspec.json.encode(Take(shard=shard))], [theirs.fileno()])
                return
            except BlockingIOError:  # many at once
                await asyncio.sleep(TAKE_LOOK_S)
            except ConnectionError:
                raise Unavailable(f"the driver of the Ray cluster {await self.how_it_ended()}") from None
        raise Unavailable("the driver of the Ray cluster takes no more workers; it may be stopped")

    @property
    def driver(self) -> Identity | None:
        """The process without which nothing of the fleet lives for long."""
        return None if self._process is None else identify(self._process.pid)

    async def how_it_ended(self) -> str:
        """In words."""
        assert self._process is not None and self._tail is not None
        return await self._tail.how_ended(self._process)

    async def close(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            try:
                # Before it has joined there is nothing that it would have to bring home.
                async with asyncio.timeout(ENDED_WITHIN_S if self._joined else 0):
                    await self._process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
                await self._process.wait()
        if self._tail is not None:
            await self._tail.close()


class OnRay(Worker):
    """One worker on a node of the cluster."""

    def __init__(self, cluster: RayCluster, setup: Setup) -> None:
        super().__init__(f"load worker {setup.shard}", setup)
        self._cluster = cluster

    @property
    def process(self) -> Identity | None:
        return self._cluster.driver

    @property
    def _called(self) -> str:
        return self.name if self.placed is None else f"{self.name} (node {self.placed.node}, pid {self.placed.pid})"

    async def _begin(self, theirs: socket.socket) -> None:
        await self._cluster.take(self.setup.shard, theirs)

    async def _how_it_ended(self) -> str:
        return f"is lost: the cluster's driver {await self._cluster.how_it_ended()}"

    async def _end(self, within_s: float) -> None:
        """The driver sees to it, and `RayCluster.close` waits for the driver."""
