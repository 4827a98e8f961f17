"""A probe in place of a fault's own confirmation: it must see a difference, on real sockets and a real process."""

from __future__ import annotations

import asyncio
import http.server
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chaosrun.effect import Probe
from chaosrun.targets.command import CommandRole
from chaosrun.targets.output import Output
from chaosrun.targets.ports import free_port
from chaosrun.targets.readiness import Ready


@contextmanager
def listening(port: int) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", port)):
        yield


def test_a_port_that_goes_down_shows_the_effect() -> None:
    async def story() -> tuple[bool, str]:
        port = free_port()
        probe = Probe(Ready("tcp", f"127.0.0.1:{port}", 20), "down")
        with listening(port):
            await probe.prepare()
        return (await probe.confirm())[:2]

    verified, how = asyncio.run(story())
    assert verified
    assert how.endswith("is down")


def test_what_was_so_before_the_fault_shows_no_effect() -> None:
    async def story() -> tuple[bool, str]:
        probe = Probe(Ready("tcp", f"127.0.0.1:{free_port()}", 20), "down")
        await probe.prepare()
        return (await probe.confirm())[:2]

    verified, how = asyncio.run(story())
    assert not verified
    assert "as it was before the fault" in how


def test_what_does_not_happen_is_given_up_with_what_was_seen_instead() -> None:
    async def story() -> tuple[bool, str]:
        port = free_port()
        probe = Probe(Ready("tcp", f"127.0.0.1:{port}", 0.2), "down")
        with listening(port):
            await probe.prepare()
            return (await probe.confirm())[:2]

    verified, how = asyncio.run(story())
    assert not verified
    assert how.startswith("not within 0.2 s: tcp 127.0.0.1:")
    assert how.endswith("(it still works)")


class _Maintenance(http.server.BaseHTTPRequestHandler):
    """Answers 200 once it was told that it is in maintenance, and 503 before."""

    on = False

    def do_GET(self) -> None:
        self.send_response(200 if type(self).on else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_an_address_that_comes_up_shows_the_effect() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Maintenance)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    async def story() -> tuple[bool, str]:
        probe = Probe(Ready("http", f"http://127.0.0.1:{server.server_port}/maintenance", 20))
        await probe.prepare()
        _Maintenance.on = True
        return (await probe.confirm())[:2]

    try:
        verified, how = asyncio.run(story())
    finally:
        server.shutdown()
        server.server_close()
    assert verified
    assert how.endswith("/maintenance is up")


def test_only_lines_after_the_preparation_count(tmp_path: Path) -> None:
    talker = "import sys\nprint('maintenance on', flush=True)\nfor line in sys.stdin: print(line, end='', flush=True)"

    async def story() -> tuple[tuple[bool, str], tuple[bool, str]]:
        role = CommandRole("r", [sys.executable, "-c", talker], run=str(tmp_path), output=Output(tmp_path / "r.log"))
        await role.start()
        try:
            while "maintenance on" not in role.tail():
                await asyncio.sleep(0.02)
            stale = Probe(Ready("log", "maintenance on", 0.3), output=lambda: role.output)
            await stale.prepare()
            before = (await stale.confirm())[:2]
            fresh = Probe(Ready("log", "maintenance (on|now)", 20), output=lambda: role.output)
            await fresh.prepare()
            assert role._process is not None and role._process.popen.stdin is not None
            role._process.popen.stdin.write(b"maintenance now\n")
            role._process.popen.stdin.flush()
            return before, (await fresh.confirm())[:2]
        finally:
            await role.stop()

    before, after = asyncio.run(story())
    assert not before[0]
    assert after == (True, "output matches maintenance (on|now)")
