"""A WebSocket service, a Toxiproxy before it, and a world of one link, for the tests of the fault."""

from __future__ import annotations

import contextlib
import os
import shutil
import ssl
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from websockets.asyncio.server import ServerConnection, serve

from chaosrun import proxy
from chaosrun.identity import Identity, identify
from chaosrun.targets.ports import free_port
from chaosrun.toxics import Link, Server, Unreachable

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "chaosrun" / "bin"
"""Where .ci/run puts the original."""
PATIENCE_S = 30.0


class World:
    """Implements `chaosrun.faults._base.World`, with nothing in it but links."""

    roles: Mapping[str, object] = MappingProxyType({})

    def __init__(self, *links: Link) -> None:
        self.links = {link.name: link for link in links}
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def now(self) -> int:
        return time.monotonic_ns()


def real_program() -> str:
    """The original's program; skips the test, by name, where it is not installed."""
    program = shutil.which("toxiproxy-server") or shutil.which("toxiproxy-server", path=str(CACHE))
    if program is None:
        pytest.skip(f"toxiproxy-server is neither on the PATH nor in {CACHE}; .ci/run installs it")
    return program


@contextlib.contextmanager
def started(kind: str) -> Iterator[tuple[Server, Identity]]:
    """A proxy server, `embedded` or `real`, that ends with the test."""
    port = free_port()
    argv = [real_program(), "-host", "127.0.0.1", "-port", str(port)] if kind == "real" else [*proxy.argv(port=port)]
    env = {**os.environ, "LOG_LEVEL": "error"}
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=env) as process:
        try:
            server = Server(f"http://127.0.0.1:{port}")
            _until_it_answers(server)
            identity = identify(process.pid)
            assert identity is not None
            yield server, identity
        finally:
            process.kill()


def _until_it_answers(server: Server) -> None:
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            server.version()
        except Unreachable:
            assert time.monotonic() < end, f"{server.url} does not answer"
            time.sleep(0.01)
        else:
            return


@contextlib.asynccontextmanager
async def service(tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A WebSocket service that answers pings; its port."""

    async def stay(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async with serve(stay, "127.0.0.1", 0, compression=None, ssl=tls) as server:
        yield server.sockets[0].getsockname()[1]


def link_to(server: Server, port: int, *, url: str | None = None, process: Identity | None = None) -> Link:
    """A link to the service at `port`, made at `server`; with `process` as if the run had started that."""
    listen = f"127.0.0.1:{free_port()}"
    name = f"chaosrun-test-{uuid.uuid4().hex}"
    server.create(name, listen=listen, upstream=f"127.0.0.1:{port}")
    return Link(
        name="server",
        api=server.url,
        proxy=name,
        listen=listen,
        bind=listen,
        upstream=f"127.0.0.1:{port}",
        url=f"ws://127.0.0.1:{port}/" if url is None else url,
        process=process,
    )
