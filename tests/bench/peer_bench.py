"""chaosrun beside Artillery, Locust and k6: `make bench-peers`. The same load by each, in turns.

What cannot be had is named, with the reason. It prints figures and asserts none. It begins no round that it could not
end within its time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil
from peer_tools import OURS, Load, Said, Tool, obtained
from peer_world import Client, Service, serving, wait_until

T = TypeVar("T")
WITHIN_S = 870
SERVICES = {
    "pings": ("agents", "agents_pings_total", ()),
    "pages": ("stock_tracker", "stock_tracker_requests_total", ("--max-connections-per-ip", "0")),
}
"""By load: the service, its counter of answers, its options."""
STARTED_WITHIN_S = 90
ENDED_WITHIN_S = 90
DOWN_S = 2.0


@dataclass(frozen=True)
class Size:
    pings: Load
    pages: Load
    crash: Load
    window_s: float
    before_kill_s: float
    rounds: int


FULL = Size(
    pings=Load("pings", clients=300, every_s=1, seconds=30),
    pages=Load("pages", clients=500, every_s=2, seconds=14),
    crash=Load("pings", clients=300, every_s=1, seconds=20),
    window_s=8,
    before_kill_s=6,
    rounds=3,
)
QUICK = Size(
    pings=Load("pings", clients=10, every_s=0.2, seconds=5),
    pages=Load("pages", clients=10, every_s=0.2, seconds=5),
    crash=Load("pings", clients=10, every_s=0.2, seconds=12),
    window_s=1.5,
    before_kill_s=2,
    rounds=1,
)


@dataclass(frozen=True)
class Held:
    """One tool under a load that is held."""

    steady_cpu_s: float
    """CPU seconds of all its processes in 30 s of the load, from a window in which all clients are there."""
    whole_cpu_s: float
    """Of the whole command, its start and its reports included."""
    rss_mb: float
    asked_per_s: float
    """As the service counts it."""
    connect_s: float | None
    """From the first to the last connection of the clients, by the service's log; None: it logs none of HTTP."""


Rounds = dict[str, dict[int, Held]]
"""By tool and round; a round that went wrong is not there."""


@dataclass(frozen=True)
class Crashed:
    """One tool whose service is killed and started again."""

    exit_code: int
    back: int
    """Connections of clients after the restart, as the service logged them; a tool may make several for one."""
    back_s: float | None
    """From the service listening again to the last of as many as there are clients; None: fewer came."""
    said: Said


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="10 clients, 5 s, one round: does the bench itself work?")
    options.add_argument("--rounds", type=int, help="of the figures; the crash is tried once")
    options.add_argument("--no-install", action="store_true", help="with what is installed already")
    given = options.parse_args()
    size = QUICK if given.quick else FULL
    tools, absent = obtained(install=not given.no_install)
    for name, tool in tools.items():
        print(f"{name:10} {tool.version()}")
    for name, why in absent.items():
        print(f"{name:10} not available: {why}")
    print(f"{os.cpu_count()} processors, load average {os.getloadavg()[0]:.1f} before the first round", flush=True)
    began = time.monotonic()
    failures: dict[tuple[str, str], str] = {}
    crashes = in_turns(tools, lambda tool: crash(tool, size), failures, "crash")
    crash_table(crashes, size)
    loads = {"pings": size.pings, "pages": size.pages}
    held: dict[str, Rounds] = {kind: defaultdict(dict) for kind in loads}
    longest = 0.0
    for number in range(given.rounds or size.rounds):
        since = time.monotonic()
        if since - began + longest > WITHIN_S:
            print(f"\nno round {number + 1}: it would not end within {WITHIN_S} s")
            break
        for kind, load in loads.items():
            measured = in_turns(tools, lambda tool, load=load: hold(tool, load, size.window_s), failures, kind)
            for name, one in measured.items():
                held[kind][name][number] = one
        longest = max(longest, time.monotonic() - since)
    for kind, load in loads.items():
        held_table(held[kind], load)
    for (name, what), why in failures.items():
        print(f"\n{name}, {what}: went wrong: {why}")
    print(f"\nwhole bench: {time.monotonic() - began:.0f} s")


def in_turns(
    tools: Mapping[str, Tool], measure: Callable[[Tool], T], failures: dict[tuple[str, str], str], what: str
) -> dict[str, T]:
    """What each tool measures. One that fails leaves the others theirs, is told, and is not asked for this again."""
    done = {}
    for name, tool in tools.items():
        if (name, what) in failures:
            continue
        try:
            done[name] = measure(tool)
        except (OSError, ValueError, KeyError, RuntimeError, subprocess.SubprocessError, psutil.Error) as error:
            failures[name, what] = f"{type(error).__name__}: {error}"
    return done


# ---- what is measured


def hold(tool: Tool, load: Load, window_s: float) -> Held:
    module, counter, options = SERVICES[load.kind]
    with tempfile.TemporaryDirectory(prefix="chaosrun-peers-") as name:
        folder = Path(name)
        with serving(module, counter, folder, *options) as service:
            client = started(tool, load, service, folder, crash=False)
            try:
                all_there(client, service, load, tool)
                asked, cpu, began = service.asked(), client.cpu_s(), time.monotonic()
                time.sleep(window_s)
                took = time.monotonic() - began
                steady_cpu = (client.cpu_s() - cpu) / took * 30
                asked_per_s = (service.asked() - asked) / took
                client.wait(load.seconds + ENDED_WITHIN_S)
                whole_cpu = client.whole_cpu_s()
            finally:
                client.end()
        at = service.connections()[-load.clients :]
        connect_s = (at[-1] - at[0]) / 1e9 if load.kind == "pings" else None
        return Held(steady_cpu, whole_cpu, client.peak_mb, asked_per_s, connect_s)


def crash(tool: Tool, size: Size) -> Crashed:
    load = size.crash
    module, counter, options = SERVICES[load.kind]
    with tempfile.TemporaryDirectory(prefix="chaosrun-peers-") as name:
        folder = Path(name)
        with serving(module, counter, folder, *options) as service:
            client = started(tool, load, service, folder, crash=True)
            try:
                all_there(client, service, load, tool)
                if not tool.kills:
                    time.sleep(size.before_kill_s)
                    service.kill()
                wait_until("the service is killed", lambda: not (service.running and client.running), ENDED_WITHIN_S)
                if service.running:
                    raise RuntimeError(f"it ended with {client.wait(1)} and had not killed the service")
                time.sleep(DOWN_S)
                service.start()
                exit_code = client.wait(load.seconds + ENDED_WITHIN_S)
            finally:
                client.end()
            up = service.listening_ns()
            back = service.connections(since_ns=up)[tool.own_connections :]
        enough = back[load.clients - 1 : load.clients]
        return Crashed(exit_code, len(back), (enough[0] - up) / 1e9 if enough else None, heard(tool, folder))


def heard(tool: Tool, folder: Path) -> Said:
    try:
        return tool.said(folder)
    except (OSError, ValueError, KeyError):
        return Said(report=False)


def started(tool: Tool, load: Load, service: Service, folder: Path, *, crash: bool) -> Client:
    environment = load.environment(service.port) | {"ARTILLERY_DISABLE_TELEMETRY": "true"}
    return Client(tool.command(load, service.port, folder, crash=crash), folder / "output", environment)


def all_there(client: Client, service: Service, load: Load, tool: Tool) -> None:
    """Wait until all clients are connected, or have polled as often as there are clients, and then for a period."""

    def are_there() -> bool:
        if not client.running:
            raise RuntimeError("it ended before its clients were there")
        if load.kind == "pings":
            return len(service.connections()) >= load.clients + tool.own_connections
        return service.asked() >= load.clients

    wait_until(f"{load.clients} clients", are_there, STARTED_WITHIN_S)
    time.sleep(load.every_s)


# ---- the tables


def crash_table(crashes: Mapping[str, Crashed], size: Size) -> None:
    print(f"\nThe service is killed under {size.crash.clients} clients and started again {DOWN_S:g} s later")
    heads = ("exit", "errors", "p99 ms", "back", "last, s")
    print(f"  {'':10}{''.join(f'{head:>9}' for head in heads)}  {'time to recover':20}  lost")
    for name, one in crashes.items():
        said = one.said
        cells = (str(one.exit_code), shown(said.errors, 0), shown(said.p99_ms, 0), str(one.back), shown(one.back_s, 2))
        told = f"{said.recovery or 'not told':20}  {said.lost or 'not told'}" if said.report else "left no report"
        print(f"  {name:10}{''.join(f'{cell:>9}' for cell in cells)}  {told}")
    print(
        "  errors, p99: as the tool reports them (-: it does not). back: connections that were held after the restart,"
    )
    print("  by the service's log; last: until there were as many of them as clients (-: fewer came)")


def held_table(held: Rounds, load: Load) -> None:
    print(
        f"\n{load.kind}: {load.clients} clients, one in {load.every_s:g} s each: median (lowest to highest), ÷ {OURS}"
    )
    rows: list[tuple[str, Callable[[Held], float | None], int]] = [
        ("CPU s in 30 s of it", lambda one: one.steady_cpu_s, 2),
        ("CPU s, whole command", lambda one: one.whole_cpu_s, 2),
        ("peak resident MB", lambda one: one.rss_mb, 0),
        ("asked a second", lambda one: one.asked_per_s, 0),
        ("s to connect all", lambda one: one.connect_s, 2),
    ]
    for title, figure, digits in rows:
        ours = {number: figure(one) for number, one in held.get(OURS, {}).items()}
        for name, rounds in held.items():
            values = {number: value for number, one in rounds.items() if (value := figure(one)) is not None}
            if not values:
                continue
            ratios = [value / base for number, value in values.items() if (base := ours.get(number))]
            ratio = shown(statistics.median(ratios) if ratios else None, 2)
            low, middle, high = min(values.values()), statistics.median(values.values()), max(values.values())
            spread = f"({shown(low, digits)} to {shown(high, digits)})"
            head = title if name == next(iter(held)) else ""
            print(f"  {head:22}{name:10}{shown(middle, digits):>9}  {spread:22}{ratio:>6}")


def shown(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


if __name__ == "__main__":
    main()
