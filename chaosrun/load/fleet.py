"""The engine's handle on the load: all clients of a run, wherever its workers run. It passes on orders, and never waits
without an end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from chaosrun.cutting import CutOff, CutOrder, chosen
from chaosrun.errors import ChaosrunError
from chaosrun.identity import Identity
from chaosrun.load.config import GroupLoad
from chaosrun.load.handle import LIVE_SPAN_NS, Worker
from chaosrun.load.live import FleetNow, merge
from chaosrun.load.place import Place
from chaosrun.load.wire import (
    Account,
    Answer,
    ClockRead,
    Cut,
    Cuts,
    Drain,
    Finish,
    Flush,
    Mend,
    Order,
    Ramp,
    Sentinels,
    Setup,
    StopLoad,
    Stopped,
)

S: Final = 1_000_000_000
ORDER_WITHIN_S: Final = 10.0
END_WITHIN_S: Final = 5.0
STOP_AHEAD_NS: Final = 50_000_000
"""How far ahead the end of the load is set, so that a worker that is not starved hears of it before it comes."""

T = TypeVar("T")


class ReadClock(NamedTuple):
    """The clock of one worker's machine, as it was read."""

    writer: str
    """Of the worker's records."""
    node: str
    reading: ClockRead


class Fleet:
    """All clients of a run, dealt out over its workers.

    The order of calls is start, ramp, (sentinels), stop, drain, close. Every wait has a time-out; whatever goes wrong
    with a worker is raised by the call it spoils, and kept in `trouble`.
    """

    def __init__(
        self,
        groups: Sequence[GroupLoad],
        *,
        run_dir: Path,
        origin_ns: int,
        wall_offset_ns: int,
        place: Place,
        workers: int = 1,
        secrets: tuple[str, ...] = (),
    ) -> None:
        """
        Args:
            place: where the workers run.
            workers: how many are wanted; the place may know better.
            secrets: texts that are blanked out in what the workers write down.
        """
        self._origin_ns = origin_ns
        self._wall_offset_ns = wall_offset_ns
        self._run_dir = run_dir
        self._groups = tuple(groups)
        self._reply_timeout_ns = max((group.plan.reply_timeout_ns for group in groups), default=0)
        self._place = place
        self._wanted = workers
        self._secrets = secrets
        self._workers: Sequence[Worker] = ()

    @property
    def processes(self) -> tuple[Identity, ...]:
        """Those that play the clients, and run."""
        return tuple(dict.fromkeys(found for each in self._workers if (found := each.process) is not None))

    @property
    def trouble(self) -> ChaosrunError | None:
        """What first went wrong with a worker: WorkerLost, or Unwritable while it goes on."""
        return next((worker.trouble for worker in self._workers if worker.trouble is not None), None)

    @property
    def live(self) -> FleetNow:
        oldest = self._now() - LIVE_SPAN_NS
        return merge([worker.now(oldest) for worker in self._workers])

    @property
    def heard(self) -> dict[str, int]:
        """When each worker that is not lost last said how it is, by its name, in run time."""
        return {each.name: each.heard for each in self._workers if each.heard is not None and not each.is_lost}

    def clocks_read(self) -> list[ReadClock]:
        """What was read of other machines' clocks since this was last asked."""
        found = []
        for worker in self._workers:
            while worker.clocks:
                assert worker.placed is not None
                found.append(ReadClock(worker.setup.writer, worker.placed.node, worker.clocks.popleft()))
        return found

    def give_up(self, name: str) -> None:
        """Count a worker as lost: it said nothing for too long."""
        for worker in self._workers:
            if worker.name == name:
                worker.give_up()

    async def start(self) -> None:
        """Start the workers and have them check what they need (protocols, descriptors).

        Raises:
            Unavailable: the machine lacks something, with the remedy.
        """
        shards = await self._place.open(self._wanted)
        self._workers = [self._place.worker(self._setup(shard, shards)) for shard in range(shards)]
        await _together(worker.start() for worker in self._workers)

    async def ramp(self, at_ns: int) -> None:
        """Begin: `at_ns` is T0 of the phase `ramp`, in run time."""
        await self._all(Ramp(at=at_ns))

    async def sentinels(self, at_ns: int) -> None:
        """Sentinels, where the plan has them, are due from `at_ns` on."""
        await self._all(Sentinels(at=at_ns))

    async def stop(self, at_ns: int | None = None) -> int:
        """No slot is due at or after the run time returned; returns once it has passed.

        It is `at_ns`, moved to where every worker can still obey: a slot already sent cannot be taken back.
        """
        at = max(at_ns or 0, self._now() + STOP_AHEAD_NS)
        answers = await self._rest(StopLoad(at=at))
        agreed = max((each.at for each in answers if isinstance(each, Stopped)), default=at)
        if agreed > at:  # a worker that was starved heard of it too late; the others serve what is due until then
            await self._rest(StopLoad(at=agreed))
        await asyncio.sleep(max(0, agreed - self._now()) / S)
        return agreed

    async def drain(self, within_s: float | None = None) -> None:
        """Wait for the replies still owed (by default the reply time-out), ask for the heads, take leave politely."""
        within_ns = self._reply_timeout_ns if within_s is None else int(within_s * S)
        order = Drain(within_ns=within_ns, heads_within_ns=2 * S, close_within_ns=5 * S)
        total_ns = order.within_ns + order.heads_within_ns + order.close_within_ns
        await self._rest(order, total_ns / S + ORDER_WITHIN_S)

    async def cut(self, call: str, order: CutOrder, wave: int) -> int:
        """Cut clients off as ordered; returns how many were meant, when the last of them was due.

        Args:
            call: names this call for `cuts` and `mend`.
            wave: of an order that is given again and again, which time it is, from 0.
        """
        group = next(each for each in self._groups if order.group in (None, each.plan.name))
        clients = chosen(order, wave, group.plan.clients)
        began = self._now()
        due = [(c, began + order.over_ns * place // len(clients)) for place, c in enumerate(clients)]
        shares = [
            tuple(each for each in due if each[0] % len(self._workers) == shard) for shard in range(len(self._workers))
        ]
        await _together(
            worker.order(Cut(id=call, group=group.index, how=order.how, code=order.code, clients=share), ORDER_WITHIN_S)
            for worker, share in zip(self._workers, shares, strict=True)
        )
        await asyncio.sleep(max(0, due[-1][1] - self._now()) / S)
        return len(clients)

    async def cuts(self, call: str) -> list[CutOff]:
        """What has become of a cut so far; a client that had no open connection is not in it."""
        answers = await self._all(Account(id=call))
        return [cut for answer in answers if isinstance(answer, Cuts) for cut in answer.cuts]

    async def mend(self, call: str) -> None:
        """Take a cut back: the silent read and write on, and who is not yet cut off will not be."""
        await self._all(Mend(id=call))

    async def flush(self) -> None:
        """All rows and lines so far are on disk; slots not yet decided are in their own `pending` file."""
        await self._all(Flush())

    async def failed(self) -> ChaosrunError:
        """Wait until something goes wrong with a worker."""
        waits = [asyncio.ensure_future(worker.on_trouble.wait()) for worker in self._workers]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        assert self.trouble is not None
        return self.trouble

    async def close(self) -> None:
        """End all workers, each after its last rows and lines. Never raises for a worker that is already lost, or
        that was never heard of."""
        await asyncio.gather(*(self._close(worker) for worker in self._workers))
        await self._place.close()

    async def _close(self, worker: Worker) -> None:
        if worker.is_ready and not worker.is_lost:
            worker.finished()
            with contextlib.suppress(ChaosrunError):
                await worker.order(Finish(), ORDER_WITHIN_S)
        await worker.end(END_WITHIN_S)

    async def _all(self, order: Order, within_s: float = ORDER_WITHIN_S) -> list[Answer]:
        return await _together(worker.order(order, within_s) for worker in self._workers)

    async def _rest(self, order: Order, within_s: float = ORDER_WITHIN_S) -> list[Answer]:
        """As `_all`, to those that are left: what they measured is ended in order, though one of them was lost."""
        return await _together(worker.order(order, within_s) for worker in self._workers if not worker.is_lost)

    def _setup(self, shard: int, shards: int) -> Setup:
        return Setup(
            groups=self._groups,
            run_dir=str(self._run_dir),
            writer=f"load-{shard}",
            shard=shard,
            shards=shards,
            origin_ns=self._origin_ns,
            wall_offset_ns=self._wall_offset_ns,
            secrets=self._secrets,
        )

    def _now(self) -> int:
        return time.monotonic_ns() - self._origin_ns


async def _together(calls: Iterable[Coroutine[None, None, T]]) -> list[T]:
    """Carry out all of them; what the first of them raised is raised when all have ended."""
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
