"""The actor: one worker on its node, with the clients on a thread and an event loop of their own.

It lives as long as its lease is renewed: a driver that is gone without Ray's knowing, or behind a network that is cut,
holds no load.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import time
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec
import uvloop

import chaosrun
from chaosrun.load.on_ray.scratch import Scratch
from chaosrun.load.on_ray.shipping import Growing, is_cut_short
from chaosrun.load.on_ray.whereabouts import network_here
from chaosrun.load.on_ray.wire import Delta, Seen
from chaosrun.load.wire import MAX_LINE, Fatal, Live, Setup, decode_order, line
from chaosrun.load.worker import seldom_collect, serve

PICTURE: Final = line(Live(t=0, groups=())).partition(b",")[0]
LOOK_S: Final = 0.1
LEASE_LOOKS: Final = 15
"""So many looks in vain for a renewal, of five that are due each second, and the load is let go."""


class Host:
    """What the driver calls, each call by one that waits for nothing else."""

    def __init__(self) -> None:
        self._renewed = False
        self._told = asyncio.Event()
        self._lines: list[bytes] = []
        self._over = False
        self._writer: asyncio.StreamWriter | None = None
        self._early: dict[int, bytes] = {}
        self._passed = 0
        self._folder: Scratch | None = None
        self._records: Growing | None = None
        self._failure: BaseException | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def hello(self) -> bytes:
        """Who and where it is: `Seen` as JSON."""
        import ray  # noqa: PLC0415 - all else of it works without, and is tested where there is none

        node = f"{socket.gethostname()} ({ray.get_runtime_context().get_node_id()[:8]})"
        seen = Seen(version=chaosrun.__version__, node=node, pid=os.getpid(), network=network_here())
        return msgspec.json.encode(seen)

    async def probe_clock(self) -> int:
        """Its node's monotonic clock, ns."""
        return time.monotonic_ns()

    async def prepare(self, setup: bytes) -> None:
        """Begin the worker.

        Args:
            setup: its `Setup` as JSON, which says how far this node's clock is ahead.
        """
        asked = decode_order(setup)
        assert isinstance(asked, Setup)
        _wait_for_nobody()
        self._folder = Scratch()
        self._records = Growing(self._folder.path, asked.writer)
        ours, theirs = socket.socketpair()
        threading.Thread(target=self._work, args=(theirs,), name="load", daemon=True).start()
        reader, self._writer = await asyncio.open_connection(sock=ours, limit=MAX_LINE)
        self._tasks = [
            asyncio.create_task(self._listen(reader)),
            asyncio.create_task(self._watch_lease()),
        ]
        self._writer.write(line(msgspec.structs.replace(asked, run_dir=str(self._folder.path))))

    def _work(self, sock: socket.socket) -> None:
        seldom_collect()
        try:
            uvloop.run(serve(sock))
        except BaseException as error:
            self._failure = error
            sock.close()

    async def order(self, number: int, raw: bytes) -> None:
        """Pass a line on to the worker. Ray promises no order, so lines are numbered, from 0."""
        self._early[number] = raw
        assert self._writer is not None
        while (following := self._early.pop(self._passed, None)) is not None:
            self._writer.write(following)
            self._passed += 1

    async def renew(self) -> int:
        """The driver is there: due every 200 ms. The answer is as that of `probe_clock`."""
        self._renewed = True
        return time.monotonic_ns()

    async def close(self) -> None:
        """Let the load go at once; what it has measured still comes."""
        if self._writer is not None and not self._over:
            self._writer.write_eof()  # and read on: it has last words

    async def deltas(self) -> AsyncIterator[bytes]:
        """What the worker says, five times a second by itself, until it has ended: each a `Delta`, packed."""
        assert self._records is not None
        number = 0
        over = False
        while not over:
            await self._told.wait()
            self._told.clear()
            over = self._over
            lines, self._lines = tuple(self._lines), []
            # After the lines were taken: what they say is recorded has come with them, or before.
            pieces = self._records.take()
            while is_cut_short(pieces) and not all(map(_is_picture, lines)):
                yield _packed(Delta(number=number, pieces=pieces, lines=()))
                number += 1
                pieces = self._records.take()
            yield _packed(Delta(number=number, pieces=pieces, lines=lines))
            number += 1
        for pieces in self._records.take_all():
            yield _packed(Delta(number=number, pieces=pieces, lines=()))
            number += 1
        assert self._folder is not None
        self._folder.remove()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            while raw := await reader.readline():
                self._lines.append(raw)
                self._told.set()
        if self._failure is not None:
            why = f"{type(self._failure).__name__}: {self._failure}"
            self._lines.append(line(Fatal(kind="defect", why=why)))
        self._over = True
        self._told.set()
        if self._writer is not None:
            self._writer.close()

    async def _watch_lease(self) -> None:
        """Counts looks and reads no clock: where this process itself was held up, nobody's renewal was heard."""
        in_vain = 0
        while in_vain < LEASE_LOOKS and not self._over:
            await asyncio.sleep(LOOK_S)
            in_vain = 0 if self._renewed else in_vain + 1
            self._renewed = False
        if not self._over:
            why = f"it heard nothing of its driver for {LEASE_LOOKS * LOOK_S:g} s, and let its clients go"
            self._lines.append(line(Fatal(kind="defect", why=why)))
            await self.close()


def _wait_for_nobody() -> None:
    """Ray has its workers wait for all others (niceness 15), and a load that waits is late. Root may take that back."""
    with contextlib.suppress(PermissionError):
        for thread in Path("/proc/self/task").iterdir():  # niceness is each thread's own; new ones have their maker's
            os.setpriority(os.PRIO_PROCESS, int(thread.name), 0)


def _is_picture(said: bytes) -> bool:
    """It tells how things are, whatever has been recorded of them."""
    return said.startswith(PICTURE)


def _packed(delta: Delta) -> bytes:
    return zlib.compress(msgspec.msgpack.encode(delta), 1)
