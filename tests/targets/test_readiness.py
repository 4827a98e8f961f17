"""Readiness: four ways to tell, and an error that says what was seen."""

from __future__ import annotations

import asyncio
import contextlib
import http
import socket
import threading
import time
from pathlib import Path

import pytest
from role_processes import HTTP_SERVER, SLEEPER, command_role, python
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Response

from chaosrun.errors import Unavailable
from chaosrun.targets.ports import free_port
from chaosrun.targets.readiness import Ready, look, wait_ready

ALIVE = {"is_alive": lambda: True}


def failure(ready: Ready, **more: object) -> str:
    with pytest.raises(Unavailable) as caught:
        asyncio.run(wait_ready("server", ready, **{**ALIVE, **more}))  # type: ignore[arg-type]
    return str(caught.value)


def test_http_wants_a_2xx_and_tells_the_status_it_got_instead(tmp_path: Path) -> None:
    port = free_port()
    role = command_role(tmp_path, python(HTTP_SERVER, str(port)), ready=Ready("http", f"http://127.0.0.1:{port}/good"))

    async def scenario() -> str:
        await role.start()
        try:
            await role.wait_ready()
            role.ready = Ready("http", f"http://127.0.0.1:{port}/bad", 1)
            with pytest.raises(Unavailable) as caught:
                await role.wait_ready()
            return str(caught.value)
        finally:
            await role.stop()

    text = asyncio.run(scenario())
    assert f"role server is not ready within 1 s: http http://127.0.0.1:{port}/bad: status 503 (" in text
    assert "GET /bad" in text  # the server's own log is its output


def test_nobody_listening_is_told_by_each_probe() -> None:
    port = free_port()
    for how, what in (("tcp", ""), ("http", "http://"), ("websocket", "ws://")):
        text = failure(Ready(how, f"{what}127.0.0.1:{port}", 0.5))  # type: ignore[arg-type]
        assert "not ready within 0.5 s" in text
        assert "refused" in text.lower() or "Connect call failed" in text


def test_a_server_that_accepts_and_says_nothing_is_not_ready() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        at = f"127.0.0.1:{mute.getsockname()[1]}"
        assert "not ready" in failure(Ready("http", f"http://{at}/", 0.3))
        assert "not ready" in failure(Ready("websocket", f"ws://{at}/", 0.3))
        assert asyncio.run(wait_ready("server", Ready("tcp", at), **ALIVE)) > 0  # type: ignore[arg-type]


def test_a_redirect_leads_a_websocket_probe_nowhere() -> None:
    """Not even to this machine: where it leads, nobody has named."""
    came: list[object] = []

    async def elsewhere(socket: ServerConnection) -> None:
        came.append(socket)

    async def scenario() -> str | None:
        async with serve(elsewhere, "127.0.0.1", 0) as other:
            there = f"ws://127.0.0.1:{other.sockets[0].getsockname()[1]}/"

            def redirect(connection: ServerConnection, request: object) -> Response:
                response = connection.respond(http.HTTPStatus.FOUND, "over there")
                response.headers["Location"] = there
                return response

            async with serve(elsewhere, "127.0.0.1", 0, process_request=redirect) as server:
                port = server.sockets[0].getsockname()[1]
                return await look(Ready("websocket", f"ws://127.0.0.1:{port}/"))

    assert "302" in str(asyncio.run(scenario()))
    assert not came


def test_an_answer_that_drips_in_holds_no_thread_and_no_run_up() -> None:
    """Six threads serve all of a run: a `ready` that never ends must not keep an undo waiting for one of them."""
    gone = threading.Event()

    def drip(sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            while not gone.wait(0.05):
                sock.sendall(b"H")

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=drip, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        began = time.monotonic()
        text = failure(Ready("http", f"http://127.0.0.1:{listener.getsockname()[1]}/", 0.3))
        gone.set()
        listener.shutdown(socket.SHUT_RDWR)
    assert "no answer" in text
    assert time.monotonic() - began < 20


def test_websocket_wants_a_handshake() -> None:
    async def scenario() -> None:
        async with serve(lambda socket: socket.wait_closed(), "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            await wait_ready("server", Ready("websocket", f"ws://127.0.0.1:{port}/"), is_alive=lambda: True)

    asyncio.run(scenario())


def test_a_log_line_counts_only_from_this_start_on(tmp_path: Path) -> None:
    once = """
import os, sys, time
said = 'still' if os.path.exists(sys.argv[1]) else 'I am up'
open(sys.argv[1], 'a').close()  # before it says so: it is ended as soon as it has
print(said)
time.sleep(600)
"""
    role = command_role(tmp_path, python(once, str(tmp_path / "mark")), ready=Ready("log", "^I am .p$", 60))

    async def scenario() -> str:
        await role.start()
        await role.wait_ready()
        await role.stop()
        role.ready = Ready("log", "^I am .p$", 0.5)
        await role.start()
        try:
            with pytest.raises(Unavailable) as caught:
                await role.wait_ready()
        finally:
            await role.stop()
        return str(caught.value)

    assert "no such line in its output" in asyncio.run(scenario())


def test_a_role_that_dies_while_it_starts_tells_its_last_words_at_once(tmp_path: Path) -> None:
    dies = python("import sys; print('reading configuration'); sys.exit('no database at db:5432')")
    role = command_role(tmp_path, dies, ready=Ready("tcp", f"127.0.0.1:{free_port()}", 600))

    async def scenario() -> str:
        await role.start()
        with pytest.raises(Unavailable) as caught:
            await role.wait_ready()
        return str(caught.value)

    text = asyncio.run(scenario())
    assert "role server ended after" in text
    assert text.endswith("reading configuration\nno database at db:5432")
    assert str(role.output.path) in text


def test_a_role_without_a_condition_is_ready_as_soon_as_it_is_started(tmp_path: Path) -> None:
    role = command_role(tmp_path, python(SLEEPER))

    async def scenario() -> None:
        await role.start()
        assert await role.wait_ready() == 0
        await role.stop()

    asyncio.run(scenario())
