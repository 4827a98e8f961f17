"""Both transports: a slow reader takes what its rate allows, and the rest waits where a slow program's would."""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios
import threading

import pytest
from recording_handler import Recorder
from scripted_server import PATIENCE_S, PING, TEXT, Peer, ScriptedServer, close, frame
from test_transport_tls import server_side, trusting
from transports_under_test import Client, every_client

EVERY_S = 0.05


class Timed(Recorder):
    """Notes when each message is taken, and how many there were at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.at: list[float] = []

    def on_message(self, data: memoryview | bytes, binary: bool) -> None:
        super().on_message(data, binary)
        self.at.append(asyncio.get_running_loop().time())


def flood(peer: Peer, message: bytes, most: int) -> int:
    """Send as a program does that never waits: until nothing more fits in the kernel's buffers. How many fitted."""
    peer.sock.settimeout(0.3)
    sent = 0
    try:
        while sent < most:
            peer.send(TEXT, message)
            sent += 1
    except TimeoutError:
        pass
    return sent


def unsent(peer: Peer) -> int:
    """Bytes in the send buffer of the server."""
    return int(struct.unpack("i", fcntl.ioctl(peer.sock, termios.TIOCOUTQ, bytes(4)))[0])


@every_client
def test_as_many_messages_are_taken_as_the_rate_allows_and_all_in_order(client: Client) -> None:
    def script(peer: Peer) -> object:
        peer.accept()
        peer.receive()
        for number in range(12):
            peer.send(TEXT, b"%d" % number)
        return peer.end()

    async def scenario() -> None:
        seen = Timed()
        connection = await client.connect(server.url, seen)
        connection.read_slowly(EVERY_S)
        connection.send(b"go")
        messages = await seen.received(12)
        assert [int(data) for data, _ in messages] == list(range(12))
        # A late timer is made up for by the next one, so that two may be nearer than the rest; never more than that.
        assert all(later - sooner >= 1.8 * EVERY_S for sooner, later in zip(seen.at, seen.at[3:], strict=False))
        assert seen.at[-1] - seen.at[0] >= 10.5 * EVERY_S
        connection.close()
        assert await seen.end() == ("ours", None)

    with ScriptedServer(script) as server:
        client.run(scenario)
    assert server.outcomes == ["close"]


@every_client
@pytest.mark.parametrize("secure", [False, True])
def test_the_servers_buffers_fill_and_what_waited_is_all_there_when_it_is_read(client: Client, *, secure: bool) -> None:
    """Some 64 MB would be read in a second; the kernel holds 10 at most, for both ends."""
    message = b"x" * 16_384
    full, waiting = threading.Event(), []

    def script(peer: Peer) -> object:
        peer.accept()
        peer.receive()
        sent = flood(peer, message, 4000)
        waiting.append(unsent(peer))
        full.set()
        peer.sock.settimeout(PATIENCE_S)
        peer.end()
        return sent

    async def scenario() -> int:
        seen = Timed()
        connection = await client.connect(server.url, seen, tls=trusting() if secure else None, read_buffer=65536)
        connection.read_slowly(EVERY_S)
        connection.send(b"go")
        began = asyncio.get_running_loop().time()
        async with asyncio.timeout(PATIENCE_S):
            while not full.is_set():
                await asyncio.sleep(0.01)
        taken, took = len(seen.messages), asyncio.get_running_loop().time() - began
        assert taken <= took / EVERY_S + 2
        connection.read_freely()
        taken = -1
        async with asyncio.timeout(PATIENCE_S):  # until nothing more comes: a message may be cut off in the middle
            while len(seen.messages) != taken:
                taken = len(seen.messages)
                await asyncio.sleep(0.2)
        connection.reset()
        await seen.end()
        return taken

    with ScriptedServer(script, tls=server_side() if secure else None) as server:
        taken = client.run(scenario)
    (sent,) = server.outcomes
    assert isinstance(sent, int)
    assert sent < 4000
    assert waiting[0] > 100_000, "the server's send buffer has grown"
    assert taken in (sent, sent + 1)


@every_client
@pytest.mark.parametrize("end", ["close", "fin"])
def test_an_end_is_told_after_the_messages_before_it(client: Client, end: str) -> None:
    def script(peer: Peer) -> None:
        peer.accept()
        peer.receive()
        for number in range(5):
            peer.send(TEXT, b"%d" % number)
        if end == "close":
            peer.sock.sendall(close(4000))
        else:
            peer.fin()
        peer.end()

    async def scenario() -> None:
        seen = Timed()
        connection = await client.connect(server.url, seen)
        connection.read_slowly(EVERY_S)
        connection.send(b"go")
        assert await seen.end() == (("close", 4000) if end == "close" else ("fin", None))
        assert [data for data, _ in seen.messages] == [b"%d" % number for number in range(5)]
        assert seen.at[-1] - seen.at[0] >= 3.5 * EVERY_S

    with ScriptedServer(script) as server:
        client.run(scenario)


@every_client
def test_what_was_not_taken_when_we_end_it_never_is(client: Client) -> None:
    def script(peer: Peer) -> object:
        peer.accept()
        peer.receive()
        for _ in range(5):
            peer.send(TEXT, b"news")
        return peer.close_code()

    async def scenario() -> None:
        seen = Timed()
        connection = await client.connect(server.url, seen)
        connection.read_slowly(30.0)
        connection.send(b"go")
        await seen.received(1)
        connection.close(4001)
        assert await seen.end() == ("ours", None)
        assert len(seen.messages) == 1

    with ScriptedServer(script) as server:
        client.run(scenario)
    assert server.outcomes == [4001]


@every_client
def test_a_close_of_ours_makes_a_slow_reader_come_to_the_end_that_the_peer_has_made(client: Client) -> None:
    def script(peer: Peer) -> None:
        peer.accept()
        peer.receive()
        peer.sock.sendall(4 * frame(TEXT, b"news") + close(1001))  # at once, so that it is read at once
        peer.end()

    async def scenario() -> None:
        seen = Timed()
        connection = await client.connect(server.url, seen)
        connection.read_slowly(30.0)
        connection.send(b"go")
        async with asyncio.timeout(PATIENCE_S):
            while connection.is_open:
                await asyncio.sleep(0.01)
        assert not seen.ends
        connection.close()
        assert await seen.end() == ("close", 1001)
        assert len(seen.messages) == 4

    with ScriptedServer(script) as server:
        client.run(scenario)


@every_client
def test_a_slow_reader_answers_pings_and_is_answered_when_it_comes_to_them(client: Client) -> None:
    def script(peer: Peer) -> object:
        peer.accept()
        peer.receive()
        opcodes = []
        for _ in range(3):
            peer.send(TEXT, b"news")
            peer.send(PING, b"there?")
        while len(opcodes) < 4:
            opcodes.append(peer.receive().opcode)
            if opcodes[-1] == PING:
                peer.send(0xA, struct.pack("!I", 1))
        peer.end()
        return sorted(opcodes)

    async def scenario() -> None:
        seen = Timed()
        connection = await client.connect(server.url, seen, heartbeat_every_s=0.3, heartbeat_timeout_s=10)
        connection.read_slowly(EVERY_S)
        connection.send(b"go")
        await seen.received(3)
        await asyncio.sleep(0.4)
        assert connection.is_open
        connection.close()
        assert await seen.end() == ("ours", None)

    with ScriptedServer(script) as server:
        client.run(scenario)
    assert server.outcomes == [[PING, 0xA, 0xA, 0xA]]


@every_client
def test_a_silent_slow_reader_takes_nothing_and_goes_on_where_it_was(client: Client) -> None:
    def script(peer: Peer) -> None:
        peer.accept()
        peer.receive()
        for number in range(6):
            peer.send(TEXT, b"%d" % number)
        peer.end()

    async def scenario() -> None:
        seen = Timed()
        connection = await client.connect(server.url, seen)
        connection.read_slowly(EVERY_S)
        connection.send(b"go")
        await seen.received(2)
        connection.silence()
        taken = len(seen.messages)
        await asyncio.sleep(4 * EVERY_S)
        assert len(seen.messages) == taken
        connection.unsilence()
        assert [int(data) for data, _ in await seen.received(6)] == list(range(6))
        connection.close()
        await seen.end()

    with ScriptedServer(script) as server:
        client.run(scenario)


@every_client
def test_a_message_that_is_too_large_ends_a_slow_reader_too(client: Client) -> None:
    def script(peer: Peer) -> object:
        peer.accept()
        peer.receive()
        peer.send(TEXT, b"small")
        peer.send(TEXT, b"x" * 2000)
        return peer.close_code()

    async def scenario() -> None:
        seen = Timed()
        connection = await client.connect(server.url, seen, max_size=1000)
        connection.read_slowly(EVERY_S)
        connection.send(b"go")
        assert await seen.end() == ("protocol", 1009)
        assert seen.messages == [(b"small", False)]

    with ScriptedServer(script) as server:
        client.run(scenario)
    assert server.outcomes == [1009]


@every_client
def test_a_handler_that_fails_on_a_message_that_waited_ends_its_connection(client: Client) -> None:
    class Failing(Timed):
        def on_message(self, data: memoryview | bytes, binary: bool) -> None:
            super().on_message(data, binary)
            if len(self.messages) == 2:
                raise RuntimeError("a defect")

    def script(peer: Peer) -> object:
        peer.accept()
        peer.receive()
        for _ in range(4):
            peer.send(TEXT, b"news")
        return peer.close_code()

    async def scenario() -> None:
        seen = Failing()
        connection = await client.connect(server.url, seen)
        connection.read_slowly(EVERY_S)
        connection.send(b"go")
        assert await seen.end() == ("other", 1011)
        assert len(seen.messages) == 2

    with ScriptedServer(script) as server:
        client.run(scenario, complaints=1)
    assert server.outcomes == [1011]
