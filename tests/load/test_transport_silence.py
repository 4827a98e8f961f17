"""Both transports: half-open connections. What the server's own socket says of a client that is silent, or gone."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import select
import socket
import struct
import termios
import threading
import time
from collections.abc import Callable

import pytest
from recording_handler import Recorder
from scripted_server import CLOSE, PONG, TEXT, Peer, ScriptedServer
from transports_under_test import Client, every_client

PATIENCE_S = 15.0
QUIET_S = 0.3
"""How long nothing must happen."""


def unacknowledged(sock: socket.socket) -> int:
    """Bytes that the kernel of the other side has not acknowledged."""
    return int(struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0])


def heard(sock: socket.socket) -> str:
    """What the server's socket has to tell right now: nothing, data, eof, reset."""
    if not select.select([sock], [], [], 0)[0]:
        return "nothing"
    try:
        return "data" if sock.recv(1, socket.MSG_PEEK) else "eof"
    except ConnectionResetError:
        return "reset"


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0.005)


class Stage:
    """A server whose connection the test itself plays, from the client's loop: nothing of it blocks."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.peer: Peer | None = None
        self.server = ScriptedServer(self._script)

    def _script(self, peer: Peer) -> None:
        peer.accept()
        self.peer = peer
        self.done.wait(PATIENCE_S)

    @property
    def sock(self) -> socket.socket:
        assert self.peer is not None
        return self.peer.sock

    def play(self, client: Client, scenario: Callable[[], object]) -> None:
        with self.server:
            try:
                client.run(scenario)  # type: ignore[arg-type]
            finally:
                self.done.set()


hows = pytest.mark.parametrize("vanished", [False, True], ids=["silent", "vanished"])


@every_client
@hows
def test_nothing_passes_in_either_direction_and_then_everything_does(client: Client, vanished: bool) -> None:
    stage = Stage()

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(stage.server.url, seen)
        await until(lambda: stage.peer is not None)
        assert stage.peer is not None
        connection.silence(vanished=vanished)
        connection.silence(vanished=vanished)
        before = connection.passed
        assert before is not None
        assert connection.send(b"held")
        assert connection.send(b"back")
        for number in range(100):
            stage.peer.send(TEXT, str(number).encode())
        await asyncio.sleep(QUIET_S)
        assert (seen.messages, seen.ends, connection.is_open) == ([], [], True)
        assert connection.passed == before, "the kernel has counted no byte"
        assert heard(stage.sock) == "nothing"
        connection.unsilence()
        assert [data for data, _ in await seen.received(100)] == [str(number).encode() for number in range(100)]
        assert [stage.peer.receive().payload for _ in range(2)] == [b"held", b"back"]
        assert connection.passed != before
        connection.reset()
        await seen.end()

    stage.play(client, scenario)


@every_client
@hows
def test_a_program_that_hangs_acknowledges_what_it_does_not_read_and_a_machine_that_is_gone_does_not(
    client: Client, vanished: bool
) -> None:
    stage = Stage()

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(stage.server.url, seen)
        await until(lambda: stage.peer is not None)
        assert stage.peer is not None
        connection.silence(vanished=vanished)
        stage.peer.send(TEXT, b"anybody there?")
        if vanished:
            await asyncio.sleep(QUIET_S)
            assert unacknowledged(stage.sock) == 16
        else:
            await until(lambda: unacknowledged(stage.sock) == 0)
        connection.reset()
        await seen.end()

    stage.play(client, scenario)


@every_client
def test_a_silent_clients_kernel_takes_what_fits_into_its_buffers_and_then_the_server_can_send_no_more(
    client: Client,
) -> None:
    stage = Stage()

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(stage.server.url, seen)
        await until(lambda: stage.peer is not None)
        connection.silence()
        taken, full = 0, False
        stage.sock.setblocking(False)
        end = time.monotonic() + PATIENCE_S
        while not full and time.monotonic() < end:
            try:
                taken += stage.sock.send(bytes(65536))
            except BlockingIOError:
                await asyncio.sleep(QUIET_S)  # the kernels may still move some from one buffer to the other
                with contextlib.suppress(BlockingIOError):
                    taken += stage.sock.send(bytes(65536))
                    continue
                full = True
        assert full
        assert taken > 65536
        assert unacknowledged(stage.sock) > 0, "the window is shut"
        assert heard(stage.sock) == "nothing"
        connection.reset()
        await seen.end()

    stage.play(client, scenario)


@every_client
@hows
def test_a_client_whose_heartbeat_gives_up_leaves_the_server_with_an_open_connection(
    client: Client, vanished: bool
) -> None:
    stage = Stage()

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(stage.server.url, seen, heartbeat_every_s=0.05, heartbeat_timeout_s=0.1)
        await until(lambda: stage.peer is not None)
        assert stage.peer is not None
        connection.silence(vanished=vanished)
        stage.peer.send(TEXT, b"unread")
        assert await seen.end() == ("ping_timeout", None)
        assert not connection.is_open
        assert not connection.send(b"after")
        await asyncio.sleep(QUIET_S)
        assert heard(stage.sock) == "nothing"
        connection.unsilence()
        await until(lambda: heard(stage.sock) == "reset")
        assert seen.messages == []

    stage.play(client, scenario)


@every_client
def test_a_silent_connection_that_the_client_gives_up_itself_ends_for_the_client_alone(client: Client) -> None:
    stage = Stage()

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(stage.server.url, seen)
        await until(lambda: stage.peer is not None)
        connection.silence()
        connection.close(1000, cause="deadline")
        assert await seen.end() == ("deadline", None)
        await asyncio.sleep(QUIET_S)
        assert heard(stage.sock) == "nothing"
        connection.unsilence()
        await until(lambda: heard(stage.sock) == "reset")

    stage.play(client, scenario)


@every_client
def test_our_own_close_at_the_end_of_a_run_is_heard_though_the_connection_was_silent(client: Client) -> None:
    stage = Stage()

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(stage.server.url, seen, close_timeout_s=0.2)
        await until(lambda: stage.peer is not None)
        assert stage.peer is not None
        connection.silence(vanished=True)
        connection.close(1001)
        await until(lambda: heard(stage.sock) == "data")
        assert stage.peer.receive().opcode == CLOSE
        assert await seen.end() == ("ours", None)

    stage.play(client, scenario)


@every_client
def test_a_heartbeat_that_was_owed_when_it_fell_silent_is_answered_when_it_speaks_again(client: Client) -> None:
    def script(peer: Peer) -> object:
        peer.accept()
        pings = 0
        while True:
            got = peer.receive()
            if got.opcode == CLOSE:
                return pings
            pings += 1
            peer.send(PONG, got.payload)

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(
            server.url, seen, heartbeat_every_s=0.05, heartbeat_timeout_s=5, close_timeout_s=0.2
        )
        connection.silence()
        await asyncio.sleep(0.2)
        connection.unsilence()
        await asyncio.sleep(0.3)
        assert connection.is_open
        connection.close()
        await seen.end()

    with ScriptedServer(script) as server:
        client.run(scenario)
    assert server.outcomes[0] > 1, "the heart beats on"  # type: ignore[operator]


@every_client
def test_a_pong_that_lies_unread_after_a_stall_counts(client: Client) -> None:
    """The loop stands still in a handler while the time for the answer runs out, and the answer comes meanwhile."""

    def script(peer: Peer) -> None:
        peer.accept()
        ping = peer.receive()
        peer.send(TEXT, b"stall")
        assert stalled.wait(PATIENCE_S)
        time.sleep(0.3)
        peer.send(PONG, ping.payload)
        answered.set()
        peer.end()

    stalled, answered = threading.Event(), threading.Event()

    class Stalls(Recorder):
        def on_message(self, data: memoryview | bytes, binary: bool) -> None:
            stalled.set()
            assert answered.wait(PATIENCE_S)
            time.sleep(0.05)

    async def scenario() -> None:
        seen = Stalls()
        connection = await client.connect(server.url, seen, heartbeat_every_s=0.05, heartbeat_timeout_s=0.2)
        while not answered.is_set():
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.02)
        assert connection.is_open, seen.ends
        connection.reset()
        await seen.end()

    with ScriptedServer(script) as server:
        client.run(scenario)
