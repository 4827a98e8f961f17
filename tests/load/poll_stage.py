"""A shop in the test's own process that is asked by HTTP, and a real load process's work on the same loop.

Differs from a real web server: it answers with the bytes that a test gives it, right or wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from chaosrun.journal import Journal
from chaosrun.load.config import GroupLoad
from chaosrun.load.wire import Drain, Live, Message, Order, Ramp, Sentinels, Setup, StopLoad
from chaosrun.load.worker import Worker
from chaosrun.plan import GroupPlan, Plan, StagePlan
from chaosrun.recorded import read_run
from chaosrun.records import Began, Ended, History, LoadStopped, Phase
from chaosrun.spec.http import HttpRequest, Polls

MS = 1_000_000
SECOND = 1_000 * MS
FOUND = b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"stocks": [1]}'


@dataclass(frozen=True)
class Asked:
    """One request as the server read it, whole."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int


class HangUp(Exception):
    """End the connection instead of an answer, by a FIN."""


Answering = Callable[[Asked], Awaitable[bytes]]


async def found(asked: Asked) -> bytes:
    return FOUND


@dataclass
class Shop:
    answering: Answering = found
    closes: bool = False
    """It ends the connection after each answer, as one does that was asked nothing more."""
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, reuse_address=True)
        self.port = self._server.sockets[0].getsockname()[1]

    async def kill(self) -> None:
        """Nobody listens any more, every connection is reset."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        self._writers.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, HangUp):
            while True:
                asked = await self._read(reader, number)
                self.asked.append(asked)
                writer.write(await self.answering(asked))
                await writer.drain()
                if self.closes:
                    break
        self._writers.discard(writer)
        writer.close()

    async def _read(self, reader: asyncio.StreamReader, number: int) -> Asked:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        body = await reader.readexactly(int(headers.get("Content-Length", 0)))
        return Asked(head[0], headers, body, number)


@dataclass
class Polled:
    """What a run left."""

    plan: GroupPlan
    history: History
    shop: Shop
    live: Any = None
    """The last live picture of the group, where it was waited for."""

    @property
    def endings(self) -> dict[tuple[str, int | None], int]:
        """How many exchanges ended in each way that their rows do not tell."""
        counts: dict[tuple[str, int | None], int] = {}
        for line in self.history.exchanges:
            counts[line.how, line.status] = counts.get((line.how, line.status), 0) + line.count
        return counts


@dataclass
class Run:
    """A load process at work, in this one: on its own loop, with nobody to give it orders but the test."""

    shop: Shop
    origin_ns: int
    worker: Worker | None = None
    lives: list[Live] = field(default_factory=list)

    def hear(self, message: Message) -> None:
        assert isinstance(message, Live), message
        self.lives.append(message)

    def now(self) -> int:
        return time.monotonic_ns() - self.origin_ns

    async def order(self, order: Order) -> Any:
        assert self.worker is not None
        return await self.worker.obey(order)

    @property
    def group(self) -> Any:
        return self.lives[-1].groups[0] if self.lives else None

    async def until(self, done: Callable[[], bool], within_s: float = 30.0) -> None:
        async with asyncio.timeout(within_s):
            while not done():
                await asyncio.sleep(0.01)

    async def served(self, many: int) -> None:
        """Until that many requests have come to the shop from now on."""
        wanted = len(self.shop.asked) + many
        await self.until(lambda: len(self.shop.asked) >= wanted)


def requests(*written: dict[str, Any]) -> str:
    return Polls(http=tuple(HttpRequest.model_validate_json(json.dumps(each)) for each in written)).wire()


def poll(
    run_dir: Path,
    during: Callable[[Run], Awaitable[None]],
    *written: dict[str, Any],
    shop: Shop | None = None,
    clients: int = 3,
    period_ns: int = 50 * MS,
    drain_s: float = 1.0,
    latency_limit_ns: int = 500 * MS,
    reply_timeout_ns: int = 5 * SECOND,
    sentinel_period_ns: int | None = None,
    watched: bool = False,
    stages: tuple[StagePlan, ...] = (),
    **load: Any,
) -> Polled:
    """One run: start, ramp, whatever `during` does, stop, drain, close; then what was recorded of it."""
    shop = shop or Shop()
    polls = requests(*written or ({"path": "/stocks"},))
    plan = GroupPlan(
        name="pollers",
        kind="http",
        clients=clients,
        period_ns=period_ns,
        requests=tuple(each.called() for each in Polls.from_wire(polls).http),
        latency_limit_ns=latency_limit_ns,
        reply_timeout_ns=reply_timeout_ns,
        sentinel_period_ns=sentinel_period_ns,
        ramp_over_ns=100 * MS,
        stages=stages,
    )

    async def act() -> Any:
        await shop.start()
        run = Run(shop, time.monotonic_ns())
        group = GroupLoad(index=0, plan=plan, url=f"ws://127.0.0.1:{shop.port}", http=polls, **load)
        journal = Journal(run_dir, "engine")
        journal.append(Began(t=0, run="r", chaosrun_version="0", title="t", plan=Plan(groups=(plan,))))
        setup = Setup(
            groups=(group,),
            run_dir=str(run_dir),
            writer="load-0",
            shard=0,
            shards=1,
            origin_ns=run.origin_ns,
            wall_offset_ns=time.time_ns(),
        )
        run.worker = Worker(setup, run.hear)
        try:
            began = run.now()
            journal.append(Phase(t=began, name="ramp"))
            await run.order(Ramp(at=began))
            await run.order(Sentinels(at=began))
            await during(run)
            stopped = (await run.order(StopLoad(at=run.now() + 20 * MS))).at
            await asyncio.sleep(max(0, stopped - run.now()) / SECOND)
            within = Drain(within_ns=int(drain_s * SECOND), heads_within_ns=SECOND, close_within_ns=SECOND)
            await run.order(within)
            drained = run.now()
            if watched:
                await run.until(lambda: run.lives[-1].t > drained)
        finally:
            await run.worker.end()
            await shop.kill()
        journal.append(LoadStopped(t=stopped))
        journal.append(Ended(t=run.now()))
        journal.close()
        return run.group

    live = uvloop.run(act())
    return Polled(plan, read_run(run_dir).history, shop, live)
