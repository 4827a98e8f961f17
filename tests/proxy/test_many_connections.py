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

MANY = 10_000
FILES = 2 * MANY + 500
"""Of the proxy, and of the test, which is client and service: two for each connection."""

MESSAGE = bytes(range(100))


@pytest.fixture
def many_files() -> Iterator[None]:
    """A limit of open files that the proxy inherits."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, max(FILES, before[1])))
    except (ValueError, PermissionError) as error:
        pytest.skip(f"{FILES} open files are not permitted here ({error}): raise `ulimit -Hn`")
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[0], max(FILES, before[1])))


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


async def ten_thousand(server: Server) -> None:
    loop = asyncio.get_running_loop()
    process = psutil.Process(server.process.pid)
    service = await loop.create_server(Echo, "127.0.0.1", 0, backlog=4096)
    port = service.sockets[0].getsockname()[1]
    host, port = await asyncio.to_thread(server.proxy, f"127.0.0.1:{port}")
    before = process.num_fds()
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
    assert process.num_fds() == before + 2 * MANY
    assert not any(client.gone for client in clients)
    await asyncio.to_thread(server.ask, "PATCH", "/proxies/p", {"enabled": False})
    while not all(client.gone for client in clients):
        await asyncio.sleep(0.05)
    assert process.num_fds() < before  # its listener is closed as well
    service.close()


@pytest.mark.slow
@pytest.mark.usefixtures("many_files")
def test_ten_thousand_connections_pass_a_toxic_and_leave_nothing_behind() -> None:
    with start_embedded() as server:
        uvloop.run(asyncio.wait_for(ten_thousand(server), 100))
