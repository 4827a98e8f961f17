"""What the coordinator pays for many workers: `make bench-workers`, about two minutes.

Workers that play no clients, a hundred in a process, each with a socket of its own, say every 200 ms what a real one
says; one coordinator hears them with the code that the engine uses: `Fleet`, its workers' conversations, the merged
picture five times a second, and who is silent. The records of the load do not come this way: workers write them.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from processes import cpu_s, raise_descriptors, rss_mb

from chaosrun.identity import Identity
from chaosrun.load.config import GroupLoad
from chaosrun.load.fleet import Fleet
from chaosrun.load.handle import Worker
from chaosrun.load.place import Place
from chaosrun.load.silence import LOOKS_A_SECOND, Silence
from chaosrun.load.wire import Done, GroupLive, Live, Setup, line
from chaosrun.plan import GroupPlan
from chaosrun.scoring.histogram import bucket_of

MANY = (100, 300, 1_000)
ROUNDS = 3
OF_A_PROCESS = 100
SETTLE_S = 2.0
WINDOW_S = 8.0
DELTA_S = 0.2
CLIENTS = 1_000
"""Of each worker, as it says."""
BUCKETS = 60
"""Of the histogram in each snapshot: response times within about 0.5 to 1 ms, a bucket a hundredth."""


class Talker(Worker):
    """A worker that is one of many in a process which plays no clients."""

    seats: asyncio.Queue[socket.socket]
    """Sockets to hand on, as numbers that the process inherits."""

    @property
    def process(self) -> Identity | None:
        return None

    @property
    def _called(self) -> str:
        return self.name

    async def _begin(self, theirs: socket.socket) -> None:
        self.seats.put_nowait(theirs.dup())

    async def _how_it_ended(self) -> str:
        return "ended"

    async def _end(self, within_s: float) -> None:
        return


class Talkers(Place):
    def worker(self, setup: Setup) -> Worker:
        return Talker(f"worker {setup.shard}", setup)


# ---- the process that talks -----------------------------------------------------------------------------------------


def snapshot(t: int, number: int) -> bytes:
    """As of a worker whose clients ask once a second, after `number` of its snapshots."""
    answered = CLIENTS * number // 5
    group = GroupLive(
        name="accounts", clients=CLIENTS, planned=CLIENTS, counted=CLIENTS, open=CLIENTS, usable=CLIENTS, in_flight=3,
        due=answered, good=answered, replies=answered, pushes=5 * answered, attempts=CLIENTS, errors={"rst": 3},
        latency={bucket_of(500_000 + 10_000 * each): 1 + each % 7 for each in range(BUCKETS)},
    )  # fmt: skip
    return line(Live(t=t, groups=(group,), lag_max_ns=1_000_000))


async def talk(origin_ns: int, descriptors: list[int]) -> None:
    loop = asyncio.get_running_loop()
    writers = []
    for descriptor in descriptors:
        sock = socket.socket(fileno=descriptor)
        reader, writer = await asyncio.open_connection(sock=sock, limit=1 << 24)
        await reader.readline()  # its setup
        writer.write(line(Done()))
        writers.append(writer)
    began = loop.time()
    for number in range(1, 1_000_000):
        for place, writer in enumerate(writers):
            # Workers that start one after another speak one after another.
            due = began + DELTA_S * (number + place / len(writers))
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            if writer.is_closing():
                return
            writer.write(snapshot(time.monotonic_ns() - origin_ns, number))


# ---- the coordinator ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    cpu: float
    """Share of a core."""
    memory_mb: float
    late_p50_ms: float
    """Snapshots, from when they were made until the coordinator had decoded them."""
    late_p99_ms: float
    loop_max_ms: float
    """How late the coordinator's own loop was at most."""
    silent: int
    """Workers that were told as silent, and were not."""
    missing: int
    """Workers of which no snapshot of the last second was there, at the worst look."""


async def coordinate(many: int) -> Cost:
    origin_ns = time.monotonic_ns()
    talkers: list[asyncio.subprocess.Process] = []
    group = GroupLoad(index=0, plan=GroupPlan(name="accounts", clients=CLIENTS * many), url="ws://127.0.0.1:1")
    Talker.seats = asyncio.Queue()
    late: list[float] = []
    heard = Talker._hear

    def hear(self: Worker, report: object) -> None:
        if isinstance(report, Live):
            late.append((time.monotonic_ns() - origin_ns - report.t) / 1e6)
        heard(self, report)  # type: ignore[arg-type]

    Talker._hear = hear  # type: ignore[method-assign, assignment]
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet(
            [group], run_dir=Path(folder), origin_ns=origin_ns, wall_offset_ns=0, place=Talkers(), workers=many
        )
        starting = asyncio.create_task(fleet.start())
        try:
            for first in range(0, many, OF_A_PROCESS):
                seats = [await Talker.seats.get() for _ in range(min(OF_A_PROCESS, many - first))]
                numbers = [seat.fileno() for seat in seats]
                talkers.append(
                    await asyncio.create_subprocess_exec(
                        sys.executable, __file__, "--talk", str(origin_ns), *map(str, numbers), pass_fds=numbers
                    )
                )
                for seat in seats:
                    seat.close()
            await starting
            await asyncio.sleep(SETTLE_S)
            late.clear()
            return await measured(fleet, late, many)
        finally:
            Talker._hear = heard  # type: ignore[method-assign]
            for worker in fleet._workers:
                await worker.end(0)
            for talker in talkers:
                talker.kill()
                await talker.wait()


async def measured(fleet: Fleet, late: list[float], many: int) -> Cost:
    """What the engine does five times a second, for a while."""
    loop, silence, silent, missing, worst = asyncio.get_running_loop(), Silence(), 0, 0, 0.0
    before, began = cpu_s(os.getpid()), loop.time()
    looks = int(WINDOW_S * LOOKS_A_SECOND)
    for look in range(1, looks + 1):
        live = fleet.live
        missing = max(missing, many - live.groups[0].counts.clients // CLIENTS)
        silent += sum(1 for _ in silence.look(fleet.heard))
        due = began + look / LOOKS_A_SECOND
        await asyncio.sleep(max(0.0, due - loop.time()))
        worst = max(worst, loop.time() - due)
    cpu = (cpu_s(os.getpid()) - before) / (loop.time() - began)
    assert fleet.trouble is None
    cuts = statistics.quantiles(late, n=100) if len(late) > 1 else [math.nan] * 99
    return Cost(cpu, rss_mb(os.getpid()), cuts[49], cuts[98], worst * 1e3, silent, missing)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--talk", nargs="+", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--many", type=int, nargs="+", default=MANY, help="numbers of workers")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    said = parser.parse_args()
    if said.talk:
        asyncio.run(talk(said.talk[0], said.talk[1:]))
        return
    raise_descriptors(3 * max(said.many) + 100)
    if said.one:
        found = asyncio.run(coordinate(said.one))
        print(*(getattr(found, name) for name in Cost.__dataclass_fields__))
        return
    print(f"a snapshot is {len(snapshot(10**12, 1_000)):,} bytes")
    print("workers  cores used          MB   median late, ms   p99 late, ms       loop late, ms   silent   missing")
    for many in said.many:
        costs = [one(many) for _ in range(said.rounds)]
        columns = [sorted(values) for values in zip(*costs, strict=True)]
        cells = [f"{statistics.median(each):.3g} ({each[0]:.3g} to {each[-1]:.3g})" for each in columns[:-2]]
        print(f"{many:>7}  {'   '.join(cells)}   {columns[-2][-1]:.0f}   {columns[-1][-1]:.0f}", flush=True)


def one(many: int) -> list[float]:
    """A round in a process of its own, whose memory is not that of the round before."""
    done = subprocess.run([sys.executable, __file__, "--one", str(many)], check=True, stdout=subprocess.PIPE, text=True)
    return [float(cell) for cell in done.stdout.split()]


if __name__ == "__main__":
    main()
