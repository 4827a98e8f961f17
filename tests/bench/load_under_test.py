"""chaosrun's own load process, started as the engine starts it, with all of its accounting."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from chaosrun.journal import SAMPLES, PushRows, read_rows
from chaosrun.load.config import Backoff, GroupLoad
from chaosrun.load.fleet import Fleet
from chaosrun.load.own_process import OwnProcesses
from chaosrun.plan import GroupPlan
from chaosrun.protocols import find
from chaosrun.recorded import read_lines
from chaosrun.records import Opened

S = 1_000_000_000
USUAL = Backoff()


@dataclass(frozen=True)
class Load:
    fleet: Fleet
    folder: Path
    origin_ns: int
    """CLOCK_MONOTONIC of run time 0."""
    connected_s: float
    """From the order to connect until the worker said that all were open; seen every 200 ms."""
    failures: int

    @property
    def pid(self) -> int:
        return self.fleet.processes[0].pid

    def push_delays_s(self) -> list[float]:
        """From the server's time stamp in a pushed message to its receipt, of each that is on disk by now."""
        rows, _ = read_rows(next((self.folder / SAMPLES).glob("*.pushes")), PushRows)
        columns = PushRows.columns
        return [(at - sent_at) / S for at, sent_at in zip(rows[0::columns], rows[3::columns], strict=True)]

    def opened_s(self) -> list[float]:
        """CLOCK_MONOTONIC in seconds at which clients were through their opening conversation, in that order."""
        return sorted((self.origin_ns + line.t) / S for line in read_lines(self.folder).of(Opened))


@asynccontextmanager
async def load(
    port: int, clients: int, *, period_s: float | None = None, reconnect: Backoff = USUAL, http: str | None = None
) -> AsyncIterator[Load]:
    """One worker with `clients` subscribed clients that all connect at once; with `http`, pollers that ask it."""
    plan = GroupPlan(
        name="bench",
        clients=clients,
        kind="websocket" if http is None else "http",
        period_ns=None if period_s is None else int(period_s * S),
        streams=find("mt5").streams if http is None else (),
        ramp_over_ns=1,
        ramp_start=clients,
    )
    url = f"ws://127.0.0.1:{port}"
    channels = ("EURUSD",) if http is None else ()
    protocol = "mt5" if http is None else ""
    group = GroupLoad(index=0, plan=plan, url=url, protocol=protocol, http=http, channels=channels, reconnect=reconnect)
    origin_ns = time.monotonic_ns()
    with tempfile.TemporaryDirectory(prefix="chaosrun-bench-") as folder:
        fleet = Fleet(
            (group,), run_dir=Path(folder), origin_ns=origin_ns, wall_offset_ns=time.time_ns(), place=OwnProcesses()
        )
        try:
            await fleet.start()
            began = time.monotonic_ns()
            await fleet.ramp(began - origin_ns)
            connected_ns, failures = await _all_open(fleet, origin_ns, clients)
            yield Load(fleet, Path(folder), origin_ns, (connected_ns - began) / S, failures)
        finally:
            await fleet.close()


async def _all_open(fleet: Fleet, origin_ns: int, clients: int) -> tuple[int, int]:
    async with asyncio.timeout(60):
        while True:
            live = fleet.live
            if live.groups and live.groups[0].counts.open == clients:
                return origin_ns + live.t, live.groups[0].counts.refused
            await asyncio.sleep(0.01)
