"""The engine's end of the conversation with one worker, wherever that runs: orders and answers, snapshots, trouble.

A worker lives as long as its end of the socket does, so none outlives the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import Final

from chaosrun.errors import ChaosrunError, Exit, Unavailable, Unwritable
from chaosrun.identity import Identity
from chaosrun.load.wire import (
    MAX_LINE,
    Answer,
    ClockRead,
    Cuts,
    Done,
    Failed,
    Fatal,
    Live,
    Order,
    Placed,
    Report,
    Setup,
    Stopped,
    decode_report,
    line,
)

S: Final = 1_000_000_000
LIVE_SPAN_NS: Final = S
START_WITHIN_S: Final = 30.0


class WorkerLost(ChaosrunError):
    """A worker ended or fell silent in the middle of a run: what it had not yet written is not known."""

    exit = Exit.DEFECT


class Worker(ABC):
    """One worker and the conversation with it. Each kind says how it is begun, how it ended, and how it is ended."""

    def __init__(self, name: str, setup: Setup) -> None:
        """
        Args:
            name: in words, for errors: `load process 0`.
        """
        self.name = name
        self.setup = setup
        self.snapshots: deque[Live] = deque()
        self.heard: int | None = None
        """When the newest snapshot was made, in run time."""
        self.trouble: ChaosrunError | None = None
        self.placed: Placed | None = None
        """Where it plays, if that is another machine's to say."""
        self.clocks: deque[ClockRead] = deque()
        """What its clock was read as, before the load and after it; empty where it has the engine's own."""
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: deque[asyncio.Future[Answer]] = deque()
        self._listening: asyncio.Task[None] | None = None
        self._ready = False
        self._finished = False
        self._gone = False
        """Its end of the socketpair is closed."""
        self.on_trouble: asyncio.Event = asyncio.Event()

    # ---- what each way of working has of its own

    @property
    @abstractmethod
    def process(self) -> Identity | None:
        """What plays its clients, while it runs."""

    @property
    @abstractmethod
    def _called(self) -> str:
        """Its name, with what it can be found by."""

    @abstractmethod
    async def _begin(self, theirs: socket.socket) -> None:
        """Start it with its end of the socket, over which it is told everything, its `Setup` first."""

    @abstractmethod
    async def _how_it_ended(self) -> str:
        """In words, once its end of the socket is closed and nobody had asked for that."""

    @abstractmethod
    async def _end(self, within_s: float) -> None:
        """Our end of the socket is closed: see to it that it ends, or that nothing waits for it any more."""

    # ---- the conversation

    @property
    def is_ready(self) -> bool:
        """It was set up and can be given orders, though it need not live to obey them."""
        return self._ready

    @property
    def is_lost(self) -> bool:
        return isinstance(self.trouble, WorkerLost)

    async def start(self) -> None:
        """Begin it, and have it make ready what it was set up for.

        Raises:
            WorkerLost: it did not.
            Unavailable: the machine lacks something, with the remedy.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                await self._begin(theirs)
            reader, self._writer = await asyncio.open_connection(sock=ours, limit=MAX_LINE)
        except BaseException:
            ours.close()
            raise
        self._listening = asyncio.create_task(self._listen(reader))
        await self.order(self.setup, START_WITHIN_S)
        self._ready = True

    async def order(self, order: Order, within_s: float) -> Answer:
        """Have an order carried out; the answer to it.

        Raises:
            WorkerLost: the process ended, or did not answer in time.
            Unavailable, ChaosrunError: it said that it cannot.
        """
        if self.trouble is not None and not isinstance(self.trouble, Unwritable):
            raise self.trouble
        if self._gone:
            raise WorkerLost(f"{self.name} has ended")
        assert self._writer is not None
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        self._writer.write(line(order))
        try:
            async with asyncio.timeout(within_s):
                return await answer
        except TimeoutError:
            self._fail(self._lost(f"{self.name} did not answer {type(order).__name__} within {within_s:g} s"))
            assert self.trouble is not None
            raise self.trouble from None

    async def end(self, within_s: float) -> None:
        """Close the socket, which ends the worker; no longer than `within_s` is waited for it."""
        self._finished = True
        if self._writer is not None:
            self._writer.close()
        await self._end(within_s)
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        self._gone = True

    def give_up(self) -> None:
        """It is not to be waited for any more; every order says so from now on."""
        self._fail(self._lost(f"{self._called} has fallen silent"))

    def finished(self) -> None:
        """Its end is expected from now on."""
        self._finished = True

    def now(self, oldest: int) -> Sequence[Live]:
        """Its snapshots from that run time on."""
        while self.snapshots and self.snapshots[0].t < oldest:
            self.snapshots.popleft()
        return self.snapshots

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            while raw := await reader.readline():
                self._hear(decode_report(raw))
        self._gone = True
        if self._finished:
            self._refuse(WorkerLost(f"{self.name} has ended"))
        else:
            self._fail(self._lost(f"{self._called} {await self._how_it_ended()}"))

    def _hear(self, report: Report) -> None:
        match report:
            case Live():
                self.snapshots.append(report)
                self.heard = report.t
                self.now(report.t - LIVE_SPAN_NS)
            case Done() | Cuts() | Stopped():
                self._answer(report)
            case Placed():
                self.placed = report
            case ClockRead():
                self.clocks.append(report)
            case Failed(why=why, unavailable=unavailable):
                self._answer(Unavailable(why) if unavailable else ChaosrunError(why))
            case Fatal(kind="unwritable", why=why):
                self._note(Unwritable(why))
            case Fatal(why=why):
                self._note(self._lost(f"{self._called}: {why}"))

    def _lost(self, how: str) -> WorkerLost:
        """With how many clients are lost with it: they are the load's loss and never the service's."""
        mine = sum(len(range(self.setup.shard, load.plan.clients, self.setup.shards)) for load in self.setup.groups)
        all_ = sum(load.plan.clients for load in self.setup.groups)
        told, end, details = how.partition("\n")
        return WorkerLost(f"{told}; {mine} of {all_} clients are lost with it{end}{details}")

    def _answer(self, report: Answer | ChaosrunError) -> None:
        answer = self._waiting.popleft()
        if answer.done():
            return
        if isinstance(report, ChaosrunError):
            answer.set_exception(report)
        else:
            answer.set_result(report)

    def _note(self, error: ChaosrunError) -> None:
        self.trouble = self.trouble or error
        self.on_trouble.set()

    def _fail(self, error: ChaosrunError) -> None:
        self._note(error)
        self._refuse(error)

    def _refuse(self, error: ChaosrunError) -> None:
        """No order still waiting will be answered."""
        while self._waiting:
            self._answer(error)
