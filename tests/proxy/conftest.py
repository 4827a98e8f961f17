"""Makes the helper modules of this folder importable, and starts what the tests talk to."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from peers import Service
from proxy_servers import Server, start_embedded, start_real

EITHER = [pytest.param("embedded"), pytest.param("real", marks=pytest.mark.live)]


class Servers:
    """One server of each kind for all tests of a process: a start takes longer than most tests."""

    def __init__(self, end: ExitStack) -> None:
        self._end = end
        self._running: dict[str, Server] = {}

    def get(self, kind: str) -> Server:
        """Running and without proxies."""
        server = self._running.get(kind)
        if server is None or server.process.poll() is not None:
            server = self._end.enter_context(start_embedded("--seed", "7") if kind == "embedded" else start_real())
            self._running[kind] = server
        return server


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    with ExitStack() as end:
        yield Servers(end)


@pytest.fixture(params=EITHER)
def server(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Server]:
    """The embedded proxy, and the original: what a test with this fixture claims holds for both."""
    started = servers.get(request.param)
    yield started
    started.clear()


@pytest.fixture
def embedded(servers: Servers) -> Iterator[Server]:
    """The embedded proxy, with the seed 7."""
    started = servers.get("embedded")
    yield started
    started.clear()


@pytest.fixture
def service() -> Iterator[Service]:
    """A TCP service on 127.0.0.1 whose connections the test holds in its hands."""
    with Service("127.0.0.1") as listening:
        yield listening
