"""How exactly a proxy delays: one-way times through it, against the latency that was asked for.

    python tests/bench/proxy_accuracy.py [--server PATH] [--connections 300] [--rate 10] [--latency 100] [--seconds 20]

A service in a process of its own pushes stamped messages on every connection; the clients in this process subtract the
stamp from their own clock, which is the same. Printed are the quantiles of what a message took above the latency that
was asked for, so the way through the kernel and both event loops counts as error; with a latency of 0 it is all there
is. `--server` measures the original toxiproxy-server instead of the embedded proxy. *stolen* is the CPU time that the
hypervisor took away meanwhile: a line with more than a little of it says nothing of a proxy. On a busy machine run it
under `chrt -f 10`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import uvloop

from chaosrun import proxy

STAMP = struct.Struct("!q56x")
"""A message: the sender's clock, and as much again as a small WebSocket message has."""


class Pusher(asyncio.Protocol):
    """Sends a stamped message every `every` seconds, beginning at a random time."""

    def __init__(self, every: float) -> None:
        self._every = every

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() + random.random() * self._every
        self._loop.call_at(self._due, self._push)

    def _push(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(STAMP.pack(time.monotonic_ns()))
            self._due += self._every
            self._loop.call_at(self._due, self._push)


class Reader(asyncio.Protocol):
    """Appends what each message took, in ns, to `taken`."""

    def __init__(self, taken: list[int]) -> None:
        self._taken = taken
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        data = self._rest + data
        whole = len(data) - len(data) % STAMP.size
        self._taken += [now - stamp for (stamp,) in STAMP.iter_unpack(data[:whole])]
        self._rest = data[whole:]


async def push(rate: float) -> None:
    """The service; tells its port, and runs until it is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Pusher(1 / rate), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def read(port: int, connections: int, seconds: float) -> list[int]:
    """What each message took, without those of the first second."""
    loop = asyncio.get_running_loop()
    taken: list[int] = []
    made = [await loop.create_connection(lambda: Reader(taken), "127.0.0.1", port) for _ in range(connections)]
    await asyncio.sleep(1)
    taken.clear()
    await asyncio.sleep(seconds)
    for transport, _ in made:
        transport.close()
    return taken


@contextlib.contextmanager
def process(*argv: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


@contextlib.contextmanager
def api(server: str | None) -> Iterator[str]:
    """The URL of a proxy's API."""
    if server is None:
        with process(*proxy.argv(seed=1)) as started:
            assert started.stdout is not None
            yield f"http://127.0.0.1:{json.loads(started.stdout.readline())['port']}"
    else:
        # It would log each connection, into a pipe that nobody reads.
        with process("env", "LOG_LEVEL=error", server, "-host", "127.0.0.1", "-port", "18474"):
            time.sleep(1)
            yield "http://127.0.0.1:18474"


def post(url: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def lead(url: str, upstream: str, latency: int | None) -> int:
    """The port of a new proxy with that latency; None: of the service itself."""
    if latency is None:
        where = upstream
    else:
        name = f"p{latency}"
        where = post(f"{url}/proxies", {"name": name, "listen": "127.0.0.1:0", "upstream": upstream})["listen"]
        if latency:
            post(f"{url}/proxies/{name}/toxics", {"type": "latency", "attributes": {"latency": latency}})
    return int(where.rpartition(":")[2])


def stolen_ms() -> int:
    """CPU time that the hypervisor has taken away from all cores: proc(5), `steal`."""
    return int(Path("/proc/stat").read_text().split()[8]) * 1000 // os.sysconf("SC_CLK_TCK")


def quantiles(taken: list[int], requested_ms: float) -> str:
    errors = sorted(each / 1e6 - requested_ms for each in taken)
    at = {f"p{100 * q:g}": errors[min(len(errors) - 1, int(q * len(errors)))] for q in (0.5, 0.9, 0.99, 0.999)}
    return "  ".join(f"{name} {value:6.3f}" for name, value in {"min": errors[0], **at, "max": errors[-1]}.items())


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--server", help="the original's program, instead of the embedded proxy")
    options.add_argument("--connections", type=int, default=300)
    options.add_argument("--rate", type=float, default=10)
    options.add_argument("--latency", type=int, default=100)
    options.add_argument("--seconds", type=float, default=20)
    options.add_argument("--push", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.push:
        uvloop.run(push(given.rate))
        return
    with process(sys.executable, __file__, "--push", "--rate", str(given.rate)) as service, api(given.server) as url:
        assert service.stdout is not None
        upstream = f"127.0.0.1:{service.stdout.readline().strip()}"
        what = given.server or "embedded"
        print(
            f"{what}, {given.connections} connections, {given.rate:g} messages/s each; ms above the requested latency"
        )
        for name, latency in (("direct", None), ("no toxic", 0), (f"{given.latency} ms", given.latency)):
            port = lead(url, upstream, latency)
            before = stolen_ms()
            taken = uvloop.run(read(port, given.connections, given.seconds))
            stolen = stolen_ms() - before
            print(f"{name:>9}  {quantiles(taken, latency or 0)}  n {len(taken)}  stolen {stolen} ms", flush=True)


if __name__ == "__main__":
    main()
