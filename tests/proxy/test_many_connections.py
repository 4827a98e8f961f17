"""Ten thousand connections at once through the embedded proxy."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterator
from typing import cast

import psutil
import pytest
import uvloop
from proxy_servers import Server, start_embedded

LIMIT = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
MANY = 10_000 if LIMIT == resource.RLIM_INFINITY else min(10_000, (LIMIT - 200) // 200 * 100)
"""Connections, as far as the limit of open files permits: two files each, in the proxy and in the test, which is both
client and service."""

FEW = 40
"""Files that the proxy has open without any connection, and some more."""

MESSAGE = bytes(range(100))


@pytest.fixture
def many_files() -> Iterator[None]:
    """The limit of open files raised as far as it may be; the proxy does that for itself."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Client(Echo):
    """Counts what comes back."""

    def __init__(self) -> None:
        self.got = b""
        self.gone = False

    def data_received(self, data: bytes) -> None:
        self.got += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True


async def until(clients: list[Client], got: int) -> None:
    while any(len(client.got) < got for client in clients):
        await asyncio.sleep(0.05)


async def pass_through(server: Server) -> None:
    loop = asyncio.get_running_loop()
    process = psutil.Process(server.process.pid)
    service = await loop.create_server(Echo, "127.0.0.1", 0, backlog=4096)
    port = service.sockets[0].getsockname()[1]
    host, port = await asyncio.to_thread(server.proxy, f"127.0.0.1:{port}")
    clients: list[Client] = []
    for _ in range(MANY // 100):
        made = await asyncio.gather(*(loop.create_connection(Client, host, port) for _ in range(100)))
        clients += [client for _, client in made]
    for round_ in (1, 2):
        for client in clients:
            client.transport.write(MESSAGE)
        await until(clients, round_ * len(MESSAGE))
        # The second round passes a toxic that was laid on all of them while they were open.
        await asyncio.to_thread(server.toxic, "latency", f"{'up' if round_ == 1 else 'down'}stream", latency=200)
    assert all(client.got == 2 * MESSAGE for client in clients)
    assert process.num_fds() > 2 * MANY
    assert not any(client.gone for client in clients)
    await asyncio.to_thread(server.ask, "PATCH", "/proxies/p", {"enabled": False})
    while not all(client.gone for client in clients):
        await asyncio.sleep(0.05)
    while process.num_fds() > FEW:
        await asyncio.sleep(0.05)
    service.close()


@pytest.mark.slow
@pytest.mark.usefixtures("many_files")
def test_ten_thousand_connections_pass_a_toxic_and_leave_nothing_behind() -> None:
    if MANY < 5000:
        pytest.skip(f"{LIMIT} open files are too few: raise `ulimit -Hn` to 20,200")
    with start_embedded() as server:
        uvloop.run(asyncio.wait_for(pass_through(server), 100))
