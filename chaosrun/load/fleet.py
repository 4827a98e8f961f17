"""The engine's handle on the load: starts the worker processes, passes on orders, and never waits without an end.

A worker lives as long as its end of a socketpair does, so none outlives the engine; it leads a session of its own, so
that Ctrl-C in the terminal reaches the engine alone, which then stops the load in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from collections import deque
from collections.abc import Collection, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from chaosrun.cutting import CutOff, CutOrder, chosen
from chaosrun.errors import ChaosrunError, Exit, Unavailable, Unwritable
from chaosrun.identity import Identity, identify
from chaosrun.load.config import GroupLoad
from chaosrun.load.live import FleetNow, merge
from chaosrun.load.surroundings import environment
from chaosrun.load.wire import (
    MAX_LINE,
    Account,
    Answer,
    Cut,
    Cuts,
    Done,
    Drain,
    Failed,
    Fatal,
    Finish,
    Flush,
    Live,
    Mend,
    Order,
    Ramp,
    Report,
    Sentinels,
    Setup,
    StopLoad,
    Stopped,
    decode_report,
    line,
)

S: Final = 1_000_000_000
LIVE_SPAN_NS: Final = S
START_WITHIN_S: Final = 30.0
ORDER_WITHIN_S: Final = 10.0
END_WITHIN_S: Final = 5.0
STOP_AHEAD_NS: Final = 50_000_000
"""How far ahead the end of the load is set, so that a worker that is not starved hears of it before it comes."""
TAIL_BYTES: Final = 4096

T = TypeVar("T")


class WorkerLost(ChaosrunError):
    """A load process ended or fell silent in the middle of a run: what it had not yet written is not known."""

    exit = Exit.DEFECT


class _Worker:
    """One load process and the conversation with it."""

    def __init__(self, name: str, setup: Setup, hidden: Collection[str]) -> None:
        self.name = name
        self.setup = setup
        self._hidden = hidden
        self.snapshots: deque[Live] = deque()
        self.heard: int | None = None
        """When the newest snapshot was made, in run time."""
        self.trouble: ChaosrunError | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: deque[asyncio.Future[Answer]] = deque()
        self._tasks: list[asyncio.Task[None]] = []
        self._tail = bytearray()
        self._finished = False
        self._gone = False
        """Its end of the socketpair is closed."""
        self.on_trouble: asyncio.Event = asyncio.Event()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def is_connected(self) -> bool:
        """It can be given orders, though it need not live to obey them."""
        return self._writer is not None

    @property
    def is_lost(self) -> bool:
        return isinstance(self.trouble, WorkerLost)

    async def start(self) -> None:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "chaosrun.load.worker",
                    str(theirs.fileno()),
                    pass_fds=[theirs.fileno()],
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.PIPE,
                    env=environment(self.setup.run_dir, self._hidden),
                    start_new_session=True,
                )
            reader, self._writer = await asyncio.open_connection(sock=ours, limit=MAX_LINE)
        except BaseException:
            ours.close()
            raise
        self._tasks = [asyncio.create_task(self._listen(reader)), asyncio.create_task(self._keep_tail())]
        await self.order(self.setup, START_WITHIN_S)

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
            self._fail(WorkerLost(f"{self.name} did not answer {type(order).__name__} within {within_s:g} s"))
            assert self.trouble is not None
            raise self.trouble from None

    async def end(self, within_s: float) -> None:
        """Close the socketpair, which ends the process; kill what does not end."""
        self._finished = True
        if self._writer is not None:
            self._writer.close()
        if self._process is not None:
            try:
                async with asyncio.timeout(within_s):
                    await self._process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
                await self._process.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def give_up(self) -> None:
        """It is not to be waited for any more; every order says so from now on."""
        self._fail(WorkerLost(f"{self.name} (pid {self.pid}) has fallen silent"))

    def finished(self) -> None:
        """Its end is expected from now on."""
        self._finished = True

    def now(self, oldest: int) -> Sequence[Live]:
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
            assert self._process is not None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    await self._process.wait()
                    await self._tasks[1]
            # Where it was cut, there may be the end of a secret.
            whole = self._tail if len(self._tail) < TAIL_BYTES else self._tail.partition(b"\n")[2]
            tail = whole.decode(errors="replace").strip()
            code = self._process.returncode
            how = "closed its line" if code is None else f"ended with {code}"
            self._fail(WorkerLost(f"{self.name} (pid {self.pid}) {how}{': ' + tail if tail else ''}"))

    def _hear(self, report: Report) -> None:
        match report:
            case Live():
                self.snapshots.append(report)
                self.heard = report.t
                self.now(report.t - LIVE_SPAN_NS)
            case Done() | Cuts() | Stopped():
                self._answer(report)
            case Failed(why=why, unavailable=unavailable):
                self._answer(Unavailable(why) if unavailable else ChaosrunError(why))
            case Fatal(kind="unwritable", why=why):
                self._note(Unwritable(why))
            case Fatal(why=why):
                self._note(WorkerLost(f"{self.name}: {why}"))

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

    async def _keep_tail(self) -> None:
        assert self._process is not None and self._process.stderr is not None
        while data := await self._process.stderr.read(TAIL_BYTES):
            self._tail += data
            del self._tail[:-TAIL_BYTES]


class Fleet:
    """All clients of a run, in `workers` processes.

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
        workers: int = 1,
        secrets: tuple[str, ...] = (),
        hidden: Collection[str] = (),
    ) -> None:
        """
        Args:
            secrets: texts that are blanked out in what the workers write down.
            hidden: variables of the environment that they do not get.
        """
        self._origin_ns = origin_ns
        self._groups = tuple(groups)
        self._reply_timeout_ns = max((group.plan.reply_timeout_ns for group in groups), default=0)
        self._workers = [
            _Worker(
                f"load process {shard}",
                Setup(
                    groups=tuple(groups),
                    run_dir=str(run_dir),
                    writer=f"load-{shard}",
                    shard=shard,
                    shards=workers,
                    origin_ns=origin_ns,
                    wall_offset_ns=wall_offset_ns,
                    secrets=secrets,
                ),
                hidden,
            )
            for shard in range(workers)
        ]

    @property
    def pids(self) -> tuple[int, ...]:
        return tuple(worker.pid for worker in self._workers if worker.pid is not None)

    @property
    def processes(self) -> tuple[Identity, ...]:
        """Those of them that run."""
        return tuple(found for pid in self.pids if (found := identify(pid)) is not None)

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

    def give_up(self, name: str) -> None:
        """Count a worker as lost: it said nothing for too long."""
        for worker in self._workers:
            if worker.name == name:
                worker.give_up()

    async def start(self) -> None:
        """Start the processes and have them check what they need (protocols, descriptors).

        Raises:
            Unavailable: the machine lacks something, with the remedy.
        """
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
        """End all processes, each after its last rows and lines. Never raises for a worker that is already lost, or
        that was never heard of."""
        await asyncio.gather(*(self._close(worker) for worker in self._workers))

    async def _close(self, worker: _Worker) -> None:
        if worker.is_connected and not worker.is_lost:
            worker.finished()
            with contextlib.suppress(ChaosrunError):
                await worker.order(Finish(), ORDER_WITHIN_S)
        await worker.end(END_WITHIN_S)

    async def _all(self, order: Order, within_s: float = ORDER_WITHIN_S) -> list[Answer]:
        return await _together(worker.order(order, within_s) for worker in self._workers)

    async def _rest(self, order: Order, within_s: float = ORDER_WITHIN_S) -> list[Answer]:
        """As `_all`, to those that are left: what they measured is ended in order, though one of them was lost."""
        return await _together(worker.order(order, within_s) for worker in self._workers if not worker.is_lost)

    def _now(self) -> int:
        return time.monotonic_ns() - self._origin_ns


async def _together(calls: Iterable[Coroutine[None, None, T]]) -> list[T]:
    """Carry out all of them; what the first of them raised is raised when all have ended."""
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
