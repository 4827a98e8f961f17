"""The bench of chaosrun's load: `make bench`. Everything is compared within one run on one machine, in turns.

It prints figures and asserts none: what a machine does in a second is no claim of the code.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from load_under_test import load
from processes import HERE, Program, TickServer, compiled, cpu_s, raise_descriptors, rss_mb

from chaosrun.load.config import Backoff

ROUNDS = 3
RATE = 20_000
CLIENTS = 300
SETTLE_S = 0.7
WINDOW_S = 3.0
MANY = 10_000
PING_SETTLE_S = 2.5
"""Locust's users begin within a second; the collection after the ramp is over."""
PING_WINDOW_S = 6.0
STEADY_RATE = 10_000
AWAY_S = 1.0
EAGER = Backoff(first_ns=5_000_000, max_ns=5_000_000, factor=1.0, jitter="none")
"""No backoff: whoever is refused tries again 5 ms later, always."""

LOWEST = "C, epoll"
OURS = "chaosrun load worker"


@dataclass(frozen=True)
class Programs:
    """What is compiled for the bench: the server, and the least that any client must do."""

    server: Path
    client: Path

    @contextmanager
    def serving(self) -> Iterator[TickServer]:
        server = TickServer(self.server)
        try:
            yield server
        finally:
            server.end()


def main() -> None:
    if shutil.which("gcc") is None:
        sys.exit("the bench compiles its server and its lower bound: install gcc")
    began = time.monotonic()
    limit = raise_descriptors(MANY + 500)
    with tempfile.TemporaryDirectory(prefix="chaosrun-bench-") as folder:
        programs = Programs(compiled("tick_server", Path(folder)), compiled("tick_client", Path(folder)))
        per_message(programs)
        memory_per_1000(programs)
        connect_many(programs, min(MANY, limit - 500))
        ping_pong(programs)
        steady(programs)
        back(programs)
    startup()
    print(f"\nwhole bench: {time.monotonic() - began:.0f} s")


# ---- CPU per message


def per_message(programs: Programs) -> None:
    """CPU seconds of each client per 10,000 ticks received, in turns against a server of its own each."""
    candidates: Candidates = {
        LOWEST: lambda server: program_cost(server, [programs.client]),
        "bare asyncio, uvloop": lambda server: program_cost(server, [sys.executable, HERE / "bare_client.py"]),
        "chaosrun transport": lambda server: program_cost(server, [sys.executable, HERE / "transport_client.py"]),
        OURS: worker_cost,
    }
    costs = in_turns(programs, candidates)
    title(f"CPU seconds per 10,000 messages of 156 bytes, {RATE:,}/s over {CLIENTS} clients", f"÷ {LOWEST}")
    expected = {"bare asyncio, uvloop": "1.4", OURS: "ratio <= 1.8, aim 1.5"}
    for name, values in costs.items():
        row(name, values, ratios(values, costs[LOWEST]), expected.get(name, ""), digits=3)


async def program_cost(server: TickServer, command: list[str | Path]) -> float:
    client = Program([*command, str(server.port), str(CLIENTS)])
    try:
        return await cost_of(server, client.pid)
    finally:
        server.rate(0)
        client.end()


async def worker_cost(server: TickServer) -> float:
    async with load(server.port, CLIENTS) as running:
        try:
            return await cost_of(server, running.pid)
        finally:
            server.rate(0)


async def cost_of(server: TickServer, pid: int) -> float:
    server.rate(RATE)
    await asyncio.sleep(SETTLE_S)
    sent, cpu = server.count()[0], cpu_s(pid)
    await asyncio.sleep(WINDOW_S)
    return (cpu_s(pid) - cpu) / (server.count()[0] - sent) * 10_000


# ---- many connections


def memory_per_1000(programs: Programs) -> None:
    """Resident memory of the load process, the difference of many clients and few."""
    few, many = 100, 4100

    async def settled_rss(server: TickServer, clients: int) -> float:
        async with load(server.port, clients) as running:
            await asyncio.sleep(1.5)  # the collection after the ramp is over
            return rss_mb(running.pid)

    values = []
    for _ in range(ROUNDS):
        with programs.serving() as server:
            low, high = (asyncio.run(settled_rss(server, clients)) for clients in (few, many))
            values.append((high - low) / (many - few) * 1000)
    title("resident MB of the load process per 1,000 clients", "")
    row(OURS, values, None, "<= 12", digits=1)


def connect_many(programs: Programs, clients: int) -> None:
    """All clients at once, beside a C client that connects one after the other and waits for no answer but the HTTP."""
    if clients < MANY:
        print(f"\nRLIMIT_NOFILE allows {clients:,} connections a process, not {MANY:,}; raise `ulimit -Hn`")
    failures = 0

    async def lowest(server: TickServer) -> float:
        began = time.perf_counter()
        client = Program([programs.client, str(server.port), str(clients)])
        took = time.perf_counter() - began
        client.end()
        return took

    async def ours(server: TickServer) -> float:
        nonlocal failures
        async with load(server.port, clients) as running:
            failures += running.failures
            return running.connected_s

    seconds = in_turns(programs, {LOWEST: lowest, OURS: ours})
    title(f"seconds until {clients:,} clients are connected, authenticated and subscribed", f"÷ {LOWEST}")
    for name, values in seconds.items():
        row(name, values, ratios(values, seconds[LOWEST]), "<= 1.5 s" if name == OURS else "", digits=2)
    print(f"  failed attempts of chaosrun in {ROUNDS} runs: {failures}")


# ---- ping-pong


def ping_pong(programs: Programs) -> None:
    """CPU of the load process for one ping-pong a second and client."""

    async def lowest(server: TickServer) -> float:
        client = Program([programs.client, str(server.port), str(CLIENTS), str(CLIENTS)])
        try:
            return await cpu_of_30_s(client.pid)
        finally:
            client.end()

    async def ours(server: TickServer) -> float:
        async with load(server.port, CLIENTS, period_s=1.0) as running:
            return await cpu_of_30_s(running.pid)

    async def locust(server: TickServer) -> float:
        users = ["--headless", "--skip-log-setup", "--users", str(CLIENTS), "--spawn-rate", "100"]
        client = Program(["locust", "-f", HERE / "locustfile.py", *users], BENCH_PORT=str(server.port))
        try:
            return await cpu_of_30_s(client.pid)
        finally:
            client.terminate()

    candidates: Candidates = {LOWEST: lowest, OURS: ours}
    if shutil.which("locust") is not None:
        candidates = {**candidates, "Locust": locust}
    else:
        print("\nno locust on PATH, so no row of it; in an environment of its own: pip install locust websocket-client")
    seconds = in_turns(programs, candidates)
    title(f"CPU seconds of 30 s of {CLIENTS} clients with a ping-pong a second each", f"÷ {LOWEST}")
    for name, values in seconds.items():
        expected = "<= 0.7 of Locust" if name == OURS else ""
        row(name, values, ratios(values, seconds[LOWEST]), expected, digits=2)
    if "Locust" in seconds:
        print(f"  chaosrun ÷ Locust: {statistics.median(ratios(seconds[OURS], seconds['Locust'])):.2f}")


async def cpu_of_30_s(pid: int) -> float:
    await asyncio.sleep(PING_SETTLE_S)
    before, began = cpu_s(pid), time.perf_counter()
    await asyncio.sleep(PING_WINDOW_S)
    return (cpu_s(pid) - before) / (time.perf_counter() - began) * 30


# ---- a steady stream


def steady(programs: Programs) -> None:
    """What 10,000 messages a second take of a core, and how much later than the C client they are stamped."""
    late: dict[str, list[float]] = {LOWEST: [], OURS: []}

    async def lowest(server: TickServer) -> float:
        client = Program([programs.client, str(server.port), str(CLIENTS)])
        try:
            share = await share_of_core(server, client.pid)
        finally:
            server.rate(0)
            said = client.end()
        late[LOWEST].append(int(said.split()[-1]) / 1e6)
        return share

    async def ours(server: TickServer) -> float:
        async with load(server.port, CLIENTS) as running:
            share = await share_of_core(server, running.pid)
            server.rate(0)
            await asyncio.sleep(0.7)  # what it received is on disk
            delays = sorted(running.push_delays_s())
        late[OURS].append(delays[int(len(delays) * 0.99)] * 1000)
        return share

    shares = in_turns(programs, {LOWEST: lowest, OURS: ours})
    title(f"% of a core at {STEADY_RATE:,} messages/s over {CLIENTS} clients", f"÷ {LOWEST}")
    for name, values in shares.items():
        row(name, values, ratios(values, shares[LOWEST]), "<= 15" if name == OURS else "", digits=1)
    title("ms from the server's time stamp to the client's, 99% of the messages", f"- {LOWEST}")
    for name, values in late.items():
        over = [value - low for value, low in zip(values, late[LOWEST], strict=True)]
        row(name, values, over, "difference < 1" if name == OURS else "", digits=2)


async def share_of_core(server: TickServer, pid: int) -> float:
    server.rate(STEADY_RATE)
    await asyncio.sleep(SETTLE_S)
    cpu, began = cpu_s(pid), time.perf_counter()
    await asyncio.sleep(WINDOW_S)
    return (cpu_s(pid) - cpu) / (time.perf_counter() - began) * 100


# ---- a restart


def back(programs: Programs) -> None:
    """How soon all clients are back after the server listens again, and after the first of them is."""
    after_listening, after_first = [], []

    async def restarted() -> None:
        server = TickServer(programs.server)
        async with load(server.port, CLIENTS, reconnect=EAGER) as running:
            server.kill()
            await asyncio.sleep(AWAY_S)
            again = TickServer(programs.server, server.port)
            listening = time.monotonic()
            try:
                await asyncio.sleep(1.5)  # all are back, and it is on disk
                opened = running.opened_s()[CLIENTS:]
            finally:
                again.end()
        if len(opened) != CLIENTS:
            raise RuntimeError(f"{len(opened)} of {CLIENTS} came back")
        after_listening.append((opened[-1] - listening) * 1000)
        after_first.append((opened[-1] - opened[0]) * 1000)

    for _ in range(ROUNDS):
        asyncio.run(restarted())
    title(f"ms until all of {CLIENTS} clients are back after a restart, without backoff", "")
    row("since it listens", after_listening, None, "", digits=0)
    row("since the first is back", after_first, None, "<= 100", digits=0)


# ---- start


def startup() -> None:
    commands = {"python -c pass": ["-c", "pass"], "chaosrun --help": ["-m", "chaosrun", "--help"]}
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(7):
        for name, arguments in commands.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            seconds[name].append((time.perf_counter() - began) * 1000)
    title("milliseconds to start", "÷ bare")
    for name, values in seconds.items():
        expected = "<= 150" if "help" in name else ""
        row(name, values, ratios(values, seconds["python -c pass"]), expected, digits=0)


# ---- the table


Candidates = Mapping[str, Callable[[TickServer], Coroutine[Any, Any, float]]]


def in_turns(programs: Programs, candidates: Candidates) -> dict[str, list[float]]:
    """What each candidate measures, once a round, each time against a server of its own."""
    values: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(ROUNDS):
        for name, measure in candidates.items():
            with programs.serving() as server:
                values[name].append(asyncio.run(measure(server)))
    return values


def ratios(values: list[float], base: list[float]) -> list[float]:
    """Of each round with itself: what slows the machine for a moment slows both."""
    return [value / low for value, low in zip(values, base, strict=True)]


def title(what: str, ratio: str) -> None:
    print(f"\n{what}")
    print(f"  {'':24}{'min':>8}{'median':>8}{'max':>8}  {ratio:>12}  expected")


def row(name: str, values: list[float], ratio: list[float] | None, expected: str, *, digits: int) -> None:
    three = (min(values), statistics.median(values), max(values))
    cells = "".join(f"{value:>8.{digits}f}" for value in three)
    middle = "" if ratio is None else f"{statistics.median(ratio):.2f}"
    print(f"  {name:24}{cells}  {middle:>12}  {expected}".rstrip())


if __name__ == "__main__":
    main()
