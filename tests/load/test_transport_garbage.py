"""Both transports: a connection that is over is gone at once. In a circle of references it would stay until the garbage
collector comes, which stops every client of the process: for 0.1 s where some thousand came and went before."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable
from contextlib import suppress

import pytest
import uvloop
from recording_handler import Recorder
from scripted_server import Peer, ScriptedServer, close
from transports_under_test import Client, every_client

from chaosrun.load.route import Refusal

TIMES = 3


def closed(peer: Peer) -> None:
    peer.accept()
    peer.receive()
    peer.sock.sendall(close(1001))
    peer.close_code()


def left(leave: str) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        peer.accept()
        peer.receive()
        getattr(peer, leave)()

    return script


def dropped(peer: Peer) -> None:
    peer.read_request()
    peer.reset()


async def lived(client: Client, url: str) -> None:
    """One connection from its handshake to its end, or one that is refused."""
    seen = Recorder()
    with suppress(Refusal):
        connection = await client.connect(url, seen)
        connection.send(b"go")
        await seen.end()


def garbage(client: Client, url: str) -> list[object]:
    """What only the collector finds after some connections, of what chaosrun made for them."""

    async def scenario() -> list[object]:
        await lived(client, url)  # what is made once and kept
        await asyncio.sleep(0.05)
        gc.collect()
        gc.disable()
        try:
            for _ in range(TIMES):
                await lived(client, url)
            await asyncio.sleep(0.05)  # the loop lets go of what it held until its next turn
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
        finally:
            gc.set_debug(0)
            gc.enable()
        found = [each for each in gc.garbage if type(each).__module__.startswith("chaosrun.")]
        gc.garbage.clear()
        return found

    found: list[object] = client.run(scenario)
    return found


@every_client
@pytest.mark.parametrize(
    "script",
    [
        pytest.param(closed, id="closed"),
        pytest.param(left("reset"), id="reset"),
        pytest.param(left("fin"), id="fin"),
        pytest.param(dropped, id="dropped in the handshake"),
    ],
)
def test_nothing_is_left_of_a_connection_that_is_over(client: Client, script: Callable[[Peer], object]) -> None:
    with ScriptedServer(script) as server:
        assert garbage(client, server.url) == []
    assert len(server.outcomes) == 1 + TIMES, "each of them was made"


def test_nothing_is_left_of_an_attempt_that_is_refused_by_http() -> None:
    """Of `websockets` there is: it keeps what was wrong with the answer in a circle of its own."""
    with ScriptedServer(lambda peer: peer.refuse(503)) as server:
        assert garbage(Client("picows", uvloop.new_event_loop), server.url) == []


@every_client
def test_nothing_is_left_of_an_attempt_that_finds_nobody(client: Client) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        assert garbage(client, f"ws://127.0.0.1:{nobody.getsockname()[1]}/ws") == []
