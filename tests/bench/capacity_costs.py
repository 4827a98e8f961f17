"""What the figures of `chaosrun plan` are measured by: `python tests/bench/capacity_costs.py`, about two minutes.

Each is the cost of the load process alone, as the engine starts it, with all of its records. It prints what belongs
into `MEASURED` of chaosrun/capacity.py, and asserts nothing.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

from load_under_test import load
from peer_world import Service
from processes import TickServer, compiled, cpu_s, raise_descriptors, rss_mb

from chaosrun.spec.http import HttpRequest, Polls

ROUNDS = 3
MANY = 5_000
CLIENTS = 300
PUSH_RATES = (2_000, 10_000, 20_000)
PING_RATES = (300, 1_500)
POLL_RATES = (250, 1_000)
SETTLE_S = 2.5
"""The collection after the ramp is over."""
WINDOW_S = 4.0


async def cpu_share(pid: int) -> float:
    """Of one core, once all has settled."""
    await asyncio.sleep(SETTLE_S)
    loop = asyncio.get_running_loop()
    began, before = loop.time(), cpu_s(pid)
    await asyncio.sleep(WINDOW_S)
    return (cpu_s(pid) - before) / (loop.time() - began)


async def alone(server: TickServer) -> tuple[float, float, float]:
    """A process with one client that only listens: CPU used until it is connected, share of a core, MB."""
    async with load(server.port, 1) as running:
        started = cpu_s(running.pid)
        return started, await cpu_share(running.pid), rss_mb(running.pid)


async def many(server: TickServer) -> tuple[float, float, float]:
    """The same with many."""
    async with load(server.port, MANY) as running:
        started = cpu_s(running.pid)
        return started, await cpu_share(running.pid), rss_mb(running.pid)


async def pushed(server: TickServer, rate: int) -> float:
    async with load(server.port, CLIENTS) as running:
        server.rate(rate)
        try:
            return await cpu_share(running.pid)
        finally:
            server.rate(0)


async def asked(port: int, rate: int, http: str | None = None) -> float:
    async with load(port, CLIENTS, period_s=CLIENTS / rate, http=http) as running:
        return await cpu_share(running.pid)


def told(name: str, values: Iterable[float], unit: str) -> None:
    found = sorted(values)
    print(f"{name:44} {statistics.median(found):8.1f} {unit:4} ({found[0]:.1f} to {found[-1]:.1f})", flush=True)


def main() -> None:
    raise_descriptors(MANY + 500)
    polls = Polls(http=(HttpRequest(path="/api/vn30-components"),)).wire()

    def of(act: Callable[[TickServer], Coroutine[Any, Any, Any]]) -> Any:
        server = TickServer(program)
        try:
            return asyncio.run(act(server))
        finally:
            server.end()

    with tempfile.TemporaryDirectory(prefix="chaosrun-bench-") as folder:
        program = compiled("tick_server", Path(folder))
        ones = [of(alone) for _ in range(ROUNDS)]
        crowds = [of(many) for _ in range(ROUNDS)]
        start, idle, base = (statistics.median(column) for column in zip(*ones, strict=True))
        told("a process: memory", (each[2] for each in ones), "MB")
        told("a process: CPU", (each[1] * 1e3 for each in ones), "ms/s")
        told("a client that connects: CPU", ((each[0] - start) / MANY * 1e6 for each in crowds), "µs")
        told("a client that is there: CPU", ((each[1] - idle) / MANY * 1e6 for each in crowds), "µs/s")
        told("a client that is there: memory", ((each[2] - base) / MANY * 1e3 for each in crowds), "KB")
        there = statistics.median(each[1] - idle for each in crowds) / MANY * CLIENTS + idle
        for rate in PUSH_RATES:
            shares = [of(lambda server, rate=rate: pushed(server, rate)) for _ in range(ROUNDS)]
            told(f"a message at {rate:,}/s: CPU", ((share - there) / rate * 1e6 for share in shares), "µs")
        for rate in PING_RATES:
            shares = [of(lambda server, rate=rate: asked(server.port, rate)) for _ in range(ROUNDS)]
            told(f"a request with its reply at {rate:,}/s: CPU", ((s - there) / rate * 1e6 for s in shares), "µs")
        service = Service("stock_tracker", "http_requests_total", Path(folder))
        try:
            for rate in POLL_RATES:
                shares = [asyncio.run(asked(service.port, rate, polls)) for _ in range(ROUNDS)]
                told(f"an exchange by HTTP at {rate:,}/s: CPU", ((s - there) / rate * 1e6 for s in shares), "µs")
        finally:
            service.end()


if __name__ == "__main__":
    main()
