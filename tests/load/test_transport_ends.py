"""Both transports: how a connection ends, by whom, and what each side sees of it."""

from __future__ import annotations

import asyncio
import struct

import pytest
from recording_handler import Recorder
from scripted_server import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Peer, ScriptedServer, close, frame
from transports_under_test import Client, every_client

from chaosrun.load.ending import cause_of


@every_client
@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012, 1013, 3000, 4401, 4999, None])
def test_a_close_frame_ends_it_with_its_code_and_is_answered_with_the_same(client: Client, code: int | None) -> None:
    def script(peer: Peer) -> object:
        peer.accept()
        peer.receive()
        peer.sock.sendall(frame(TEXT, b"last words") + close(code, "because"))
        return peer.close_code()

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(server.url, seen)
        connection.send(b"go")
        assert await seen.end() == ("close", code or 1005)
        assert seen.messages == [(b"last words", False)]
        assert not connection.is_open
        assert not connection.send(b"after")

    with ScriptedServer(script) as server:
        client.run(scenario)
    assert server.outcomes == [code or 1005]


@every_client
@pytest.mark.parametrize(("leave", "cause"), [("reset", "rst"), ("fin", "fin")])
def test_an_end_without_a_close_frame_is_told_apart_and_has_no_code(client: Client, leave: str, cause: str) -> None:
    def script(peer: Peer) -> None:
        peer.accept()
        peer.receive()
        getattr(peer, leave)()

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(server.url, seen)
        connection.send(b"go")
        assert await seen.end() == (cause, None)
        assert not connection.is_open
        assert not connection.send(b"after")
        connection.close()
        connection.reset()
        connection.fin()
        await asyncio.sleep(0.03)
        assert seen.ends == [(cause, None)]

    with ScriptedServer(script) as server:
        client.run(scenario)


@every_client
def test_a_reset_that_only_a_send_can_notice_is_a_reset(client: Client) -> None:
    def script(peer: Peer) -> None:
        peer.accept()
        peer.receive()
        peer.reset()

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(server.url, seen)
        connection._tcp.pause_reading()  # type: ignore[attr-defined]
        connection.send(b"go")
        async with asyncio.timeout(15):
            while not seen.ends:
                connection.send(b"anybody there?")
                await asyncio.sleep(0.01)
        assert await seen.end() == ("rst", None)

    with ScriptedServer(script) as server:
        client.run(scenario)


@every_client
def test_a_reset_by_us_arrives_as_a_reset(client: Client) -> None:
    def script(peer: Peer) -> object:
        peer.accept()
        return peer.end()

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(server.url, seen)
        connection.reset()
        assert not connection.is_open
        assert not connection.send(b"after")
        connection.reset()
        connection.close()
        assert await seen.end() == ("injected", None)

    with ScriptedServer(script) as server:
        client.run(scenario)
    assert server.outcomes == ["reset"]


@every_client
def test_a_fin_by_us_arrives_as_the_end_of_the_stream_even_with_data_unread(client: Client) -> None:
    def script(peer: Peer) -> object:
        peer.accept()
        peer.receive()
        for _ in range(50):
            peer.send(BINARY, b"x" * 1000)
        peer.receive()
        return peer.end()

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(server.url, seen)
        connection._tcp.pause_reading()  # type: ignore[attr-defined]
        connection.send(b"go")
        await asyncio.sleep(0.2)
        connection.send(b"the last")
        connection.fin()
        assert not connection.send(b"after")
        assert await seen.end() == ("injected", None)
        assert seen.messages == []

    with ScriptedServer(script) as server:
        client.run(scenario)
    assert server.outcomes == ["eof"]


@every_client
@pytest.mark.parametrize("cause", ["ours", "deadline"])
def test_our_close_is_a_handshake_and_ends_when_the_server_has_answered(client: Client, cause: str) -> None:
    def script(peer: Peer) -> object:
        peer.accept()
        got = peer.receive()
        peer.sock.sendall(close(1000))
        return got

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(server.url, seen, close_timeout_s=15)
        connection.close(1001, "leaving", cause=cause)
        assert seen.ends == []
        assert not connection.send(b"after")
        assert await seen.end() == (cause, None)

    with ScriptedServer(script) as server:
        client.run(scenario)
    [got] = server.outcomes
    assert (got.opcode, got.payload) == (CLOSE, struct.pack("!H", 1001) + b"leaving")


@every_client
def test_our_close_ends_in_time_though_the_server_never_answers(client: Client) -> None:
    done = asyncio.Event()

    def script(peer: Peer) -> object:
        peer.accept()
        peer.receive()
        return peer.end()

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(server.url, seen, close_timeout_s=0.1)
        connection.close()
        assert await seen.end() == ("ours", None)
        done.set()

    with ScriptedServer(script) as server:
        client.run(scenario)
    assert done.is_set()


@every_client
def test_heartbeats_that_are_answered_keep_it_open(client: Client) -> None:
    def script(peer: Peer) -> object:
        peer.accept()
        peer.send(PONG, b"nobody asked")
        pings = []
        for _ in range(5):
            ping = peer.receive()
            pings.append((ping.opcode, ping.payload))
            peer.send(PONG, ping.payload)
        peer.send(TEXT, b"enough")
        peer.end()
        return pings

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(server.url, seen, heartbeat_every_s=0.03, heartbeat_timeout_s=10)
        await seen.received(1)
        assert connection.is_open
        connection.close()
        assert await seen.end() == ("ours", None)

    with ScriptedServer(script) as server:
        client.run(scenario)
    [pings] = server.outcomes
    assert {opcode for opcode, _ in pings} == {PING}
    assert len({payload for _, payload in pings}) == 5


@every_client
@pytest.mark.parametrize("answer", [None, b"wrong"])
def test_a_heartbeat_not_answered_is_a_ping_timeout_though_data_flows(client: Client, answer: bytes | None) -> None:
    def script(peer: Peer) -> object:
        peer.accept(then=frame(TEXT, b"data is no pong"))
        while peer.receive().opcode != CLOSE:
            peer.send(TEXT, b"nor is more of it")
            if answer is not None:
                peer.send(PONG, answer)
        return peer.end()

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(server.url, seen, heartbeat_every_s=0.05, heartbeat_timeout_s=0.1)
        assert await seen.end() == ("ping_timeout", None)
        assert seen.messages
        assert not connection.send(b"after")

    with ScriptedServer(script) as server:
        client.run(scenario)


VIOLATIONS = {
    "masked": (frame(TEXT, b"x", masked=True), 1002),
    "reserved-opcode": (frame(0x3, b"x"), 1002),
    "fragmented-control": (frame(PING, b"x", fin=False), 1002),
    "long-control": (frame(PING, b"x" * 126), 1002),
    "continuation-of-nothing": (frame(CONTINUATION, b"x"), 1002),
    "message-inside-message": (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
    "close-code-1006": (close(1006), 1002),
    "close-code-0": (close(0), 1002),
    "close-code-5000": (close(5000), 1002),
    "close-of-one-byte": (frame(CLOSE, b"x"), 1002),
    "too-large": (frame(BINARY, b"x" * 1001), 1009),
    "too-large-in-pieces": (frame(TEXT, b"x" * 600, fin=False) + frame(CONTINUATION, b"x" * 600), 1009),
    "endless-fragments": (frame(TEXT, b"x" * 600, fin=False) + frame(CONTINUATION, b"x" * 600, fin=False), 1009),
}


@every_client
@pytest.mark.parametrize("violation", VIOLATIONS)
def test_a_breach_of_the_protocol_ends_it_with_the_code_that_the_server_is_sent(client: Client, violation: str) -> None:
    data, code = VIOLATIONS[violation]

    def script(peer: Peer) -> object:
        peer.accept()
        peer.receive()
        peer.sock.sendall(data)
        return peer.close_code()

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(server.url, seen, max_size=1000)
        connection.send(b"go")
        assert await seen.end() == ("protocol", code)
        assert seen.messages == []
        assert not connection.send(b"after")

    with ScriptedServer(script) as server:
        client.run(scenario)
    assert server.outcomes == [code]


@every_client
def test_a_message_of_exactly_the_largest_size_is_taken(client: Client) -> None:
    def script(peer: Peer) -> None:
        peer.accept()
        peer.send(TEXT, b"x" * 1000)
        peer.send(TEXT, b"y" * 500, fin=False)
        peer.send(CONTINUATION, b"y" * 500)
        peer.end()

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(server.url, seen, max_size=1000)
        assert await seen.received(2) == [(b"x" * 1000, False), (b"y" * 1000, False)]
        connection.close()
        await seen.end()

    with ScriptedServer(script) as server:
        client.run(scenario)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (None, "fin"),
        (ConnectionResetError(), "rst"),
        (BrokenPipeError(), "rst"),
        (TimeoutError(), "deadline"),
        (OSError("no route to host"), "other"),
    ],
)
def test_the_systems_reasons_have_causes(error: Exception | None, cause: str) -> None:
    assert cause_of(error) == cause
