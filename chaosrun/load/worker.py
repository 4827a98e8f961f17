"""The load process: plays its share of the clients as the engine orders, and records what they saw.

`python -m chaosrun.load.worker FD` talks to the engine over the inherited socket FD (see `wire`). It lives no longer
than that socket: when the engine is gone it stops at once, with what it has measured on disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import uvloop

from chaosrun.errors import ChaosrunError
from chaosrun.load.agenda import Agenda
from chaosrun.load.config import GroupLoad
from chaosrun.load.gate import Gate
from chaosrun.load.group import Group
from chaosrun.load.http_group import HttpGroup
from chaosrun.load.lag import LagTicker
from chaosrun.load.limits import shortage
from chaosrun.load.recorder import Recorder
from chaosrun.load.severing import Severing
from chaosrun.load.websocket_group import WebSocketGroup
from chaosrun.load.wire import (
    MAX_LINE,
    Account,
    Cut,
    Done,
    Drain,
    Failed,
    Fatal,
    Finish,
    Flush,
    Live,
    Mend,
    Message,
    Order,
    Ramp,
    Sentinels,
    Setup,
    StopLoad,
    Stopped,
    decode_order,
    line,
)
from chaosrun.protocols._base import Clocks
from chaosrun.spec.masking import Mask

LIVE_NS: Final = 200_000_000
FLUSH_NS: Final = 1_000_000_000
"""What a worker that is killed may lose."""
POLL_S: Final = 0.01
ARRIVE_S: Final = 0.25
"""After the high-water marks: messages published before them may still be under way to other clients."""
GC_AFTER_RAMP_NS: Final = 1_000_000_000
GC_THRESHOLD: Final = 50_000


class Worker:
    """One load process from its `Setup` to its last line."""

    def __init__(self, setup: Setup, tell: Callable[[Message], None]) -> None:
        """Raises ChaosrunError: a protocol cannot be found, or a file cannot be written."""
        self._tell = tell
        self._agenda = Agenda(asyncio.get_running_loop(), setup.origin_ns + setup.ahead_ns, self._defect)
        self._recorder = Recorder(Path(setup.run_dir), setup.writer, self._unwritable, Mask(setup.secrets))
        self._accounts = [account for load in setup.groups for account in load.accounts] or [{}]
        gate = Gate(self._agenda)
        self._groups = [
            _group(load, setup, agenda=self._agenda, gate=gate, recorder=self._recorder) for load in setup.groups
        ]
        self._severing = Severing(self._agenda)
        self._longest_ramp_ns = max((load.plan.ramp_over_ns for load in setup.groups), default=0)
        self._ended = False
        self._lag = LagTicker(self._agenda, self._recorder.append)
        self._say_live(None)
        self._flush_rows(None)

    async def obey(self, order: Order) -> Message:
        """Carry out one order of the engine; the answer to it."""
        match order:
            case Ramp(at=at):
                for group in self._groups:
                    group.ramp(at)
                self._agenda.at(at + self._longest_ramp_ns + GC_AFTER_RAMP_NS, _settle_gc, None)
            case Sentinels(at=at):
                for group in self._groups:
                    group.sentinels(at)
            case Cut() | Account() | Mend():
                return self._severing.obey(order, self._groups)
            case StopLoad(at=at):
                self._severing.mend_all()  # of a run that was stopped: what it still silences is owed its replies
                return Stopped(at=max((group.stop(at) for group in self._groups), default=at))
            case Drain():
                await self._drain(order)
            case Flush():
                self._recorder.write_pending(slot for group in self._groups for slot in group.pending())
                self._flush()
            case Finish():
                await self.end()
            case Setup():
                raise ChaosrunError("a worker is set up once")
        return Done()

    async def end(self) -> None:
        """Decide what is undecided, write the last line. Safe to call twice."""
        if self._ended:
            return
        self._ended = True
        self._lag.stop()
        self._severing.mend_all()
        for group in self._groups:
            group.cut()
        await _until(lambda: not any(group.connected for group in self._groups), 1.5)
        for group in self._groups:
            group.decide_rest()
            group.flush()
        self._recorder.end(self._agenda.now(), [group.counts.malformed for group in self._groups])
        self._agenda.close()

    async def _drain(self, order: Drain) -> None:
        self._lag.report_now()  # slow readers catch up all at once
        for group in self._groups:
            group.settle_slots()
            group.catch_up()
        await _until(lambda: not any(group.in_flight for group in self._groups), order.within_ns / 1e9)
        for group in self._groups:
            group.ask_heads()
        await _until(lambda: not any(group.heads_owed for group in self._groups), order.heads_within_ns / 1e9)
        await asyncio.sleep(ARRIVE_S)
        for group in self._groups:
            await group.leave()
        await _until(lambda: not any(group.connected for group in self._groups), order.close_within_ns / 1e9)

    # ---- once in a while

    def _say_live(self, _: None) -> None:
        if self._ended:
            return
        now = self._agenda.now()
        groups = tuple(group.live() for group in self._groups)
        self._tell(Live(t=now, groups=groups, lag_max_ns=self._lag.take_max()))
        self._agenda.at(now + LIVE_NS, self._say_live, None)

    def _flush_rows(self, _: None) -> None:
        self._flush()
        self._agenda.at(self._agenda.now() + FLUSH_NS, self._flush_rows, None)

    def _flush(self) -> None:
        for group in self._groups:
            group.flush()
        self._recorder.flush()

    # ---- trouble

    def _unwritable(self, why: str) -> None:
        self._tell(Fatal(kind="unwritable", why=why))

    def _defect(self, error: Exception) -> None:
        self._tell(Fatal(kind="defect", why=self._masked("".join(traceback.format_exception(error)[-3:]).strip())))

    def handle(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What nobody caught on the event loop."""
        error = context.get("exception")
        if isinstance(error, Exception):
            self._defect(error)
        else:
            self._tell(Fatal(kind="defect", why=self._masked(str(context.get("message")))))

    def _masked(self, text: str) -> str:
        """Anybody's password may be in the words of a defect."""
        for account in self._accounts:
            text = self._recorder.told(text, account)
        return text


def _group(load: GroupLoad, setup: Setup, *, agenda: Agenda, gate: Gate, recorder: Recorder) -> Group:
    clocks, shard, shards = Clocks(setup.origin_ns, setup.wall_offset_ns), setup.shard, setup.shards
    if load.http is not None:
        return HttpGroup(load, shard=shard, shards=shards, clocks=clocks, agenda=agenda, recorder=recorder)
    return WebSocketGroup(load, shard=shard, shards=shards, clocks=clocks, agenda=agenda, gate=gate, recorder=recorder)


async def _until(done: Callable[[], bool], within_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while not done():  # noqa: ASYNC110 - what is waited for is a sum over clients, looked at a few times
                await asyncio.sleep(POLL_S)


def _settle_gc(_: None) -> None:
    """What exists by now stays: a collection need not go through all clients again and again, each time for long."""
    gc.freeze()


async def serve(sock: socket.socket) -> None:
    """Obey the engine at the other end of `sock` until it says so or is gone."""
    reader, writer = await asyncio.open_connection(sock=sock, limit=MAX_LINE)

    def tell(message: Message) -> None:
        if not writer.is_closing():
            writer.write(line(message))

    setup = decode_order(await reader.readline())
    assert isinstance(setup, Setup)
    lack = shortage(setup.groups, setup.shard, setup.shards)
    if lack is not None:
        tell(Failed(why=lack, unavailable=True))
        return
    try:
        worker = Worker(setup, tell)
    except ChaosrunError as error:
        tell(Failed(why=str(error)))
        return
    asyncio.get_running_loop().set_exception_handler(worker.handle)
    tell(Done())
    orders: asyncio.Queue[Order] = asyncio.Queue()
    obeying = asyncio.create_task(_obey_all(worker, orders, tell))
    with contextlib.suppress(ConnectionError):
        while raw := await reader.readline():
            orders.put_nowait(decode_order(raw))
    obeying.cancel()
    await worker.end()
    writer.close()


async def _obey_all(worker: Worker, orders: asyncio.Queue[Order], tell: Callable[[Message], None]) -> None:
    while True:
        order = await orders.get()
        try:
            answer = await worker.obey(order)
        except Exception as error:
            answer = Failed(why=f"{type(order).__name__}: {type(error).__name__}: {error}")
        tell(answer)


def seldom_collect() -> None:
    """For a process that plays clients: hardly anything there is both short-lived and cyclic, and what collections cost
    is seen as latency."""
    gc.set_threshold(GC_THRESHOLD, 20, 100)


def main() -> None:
    seldom_collect()
    uvloop.run(serve(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    main()
