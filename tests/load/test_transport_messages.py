"""Both transports: what is sent and received while a connection is open."""

from __future__ import annotations

import asyncio

import pytest
from recording_handler import Recorder
from scripted_server import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Peer, ScriptedServer, frame
from transports_under_test import Client, every_client

from chaosrun.load.transport import transport


def test_an_unknown_transport_is_refused_with_the_known_names() -> None:
    with pytest.raises(ValueError, match="known: picows, websockets"):
        transport("quic")


@every_client
@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 300_000])
def test_a_message_of_any_size_crosses_both_ways_unchanged(client: Client, size: int) -> None:
    payload = bytes(ord("a") + i % 26 for i in range(size))

    def script(peer: Peer) -> object:
        peer.accept()
        got = [peer.receive(), peer.receive()]
        peer.send(TEXT, payload)
        peer.send(BINARY, payload)
        peer.end()
        return got

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(server.url, seen)
        assert connection.send(payload)
        assert connection.send(payload, True)
        assert await seen.received(2) == [(payload, False), (payload, True)]
        connection.close()
        await seen.end()

    with ScriptedServer(script) as server:
        client.run(scenario)
    [(text, binary)] = server.outcomes
    assert (text.opcode, text.payload, text.masked, text.fin) == (TEXT, payload, True, True)
    assert (binary.opcode, binary.payload, binary.masked, binary.fin) == (BINARY, payload, True, True)


@every_client
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_fragments_are_joined_even_with_a_ping_between_them(client: Client, opcode: int) -> None:
    def script(peer: Peer) -> object:
        peer.accept()
        peer.send(opcode, b"one ", fin=False)
        peer.send(PING, b"between")
        peer.send(CONTINUATION, b"two ", fin=False)
        peer.send(CONTINUATION, b"", fin=False)
        peer.send(CONTINUATION, b"three")
        peer.send(TEXT, b"whole")
        pong = peer.receive()
        peer.end()
        return pong

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(server.url, seen)
        assert await seen.received(2) == [(b"one two three", opcode == BINARY), (b"whole", False)]
        connection.close()
        await seen.end()

    with ScriptedServer(script) as server:
        client.run(scenario)
    [pong] = server.outcomes
    assert (pong.opcode, pong.payload) == (PONG, b"between")


@every_client
@pytest.mark.parametrize("payload", [b"", b"\x00\xff\x00 any bytes", b"x" * 125])
def test_a_ping_of_the_server_is_answered_byte_for_byte(client: Client, payload: bytes) -> None:
    def script(peer: Peer) -> object:
        peer.accept()
        peer.send(PING, payload)
        pong = peer.receive()
        peer.send(TEXT, b"done")
        peer.end()
        return pong

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(server.url, seen)
        await seen.received(1)
        connection.close()
        await seen.end()

    with ScriptedServer(script) as server:
        client.run(scenario)
    assert server.outcomes == [(PONG, payload, True, True)]


@every_client
def test_messages_keep_their_order_however_the_segments_cut_them(client: Client) -> None:
    numbers = [str(i).encode() for i in range(300)]

    def script(peer: Peer) -> None:
        peer.accept()
        stream = b"".join(frame(TEXT, number) for number in numbers)
        for start in range(0, len(stream), 7):
            peer.sock.sendall(stream[start : start + 7])
        peer.end()

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(server.url, seen)
        assert [data for data, _ in await seen.received(len(numbers))] == numbers
        connection.close()
        await seen.end()

    with ScriptedServer(script) as server:
        client.run(scenario)


@every_client
def test_what_comes_with_the_handshake_is_told_after_connect_has_returned_and_in_order(client: Client) -> None:
    def script(peer: Peer) -> None:
        peer.accept(then=frame(TEXT, b"first") + frame(BINARY, b"second"))
        peer.send(TEXT, b"third")
        peer.end()

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(server.url, seen)
        assert seen.messages == []
        assert [data for data, _ in await seen.received(3)] == [b"first", b"second", b"third"]
        connection.close()
        await seen.end()

    with ScriptedServer(script) as server:
        client.run(scenario)


@every_client
def test_a_server_that_accepts_and_closes_at_once_is_a_connection_that_ended(client: Client) -> None:
    def script(peer: Peer) -> object:
        peer.accept(then=frame(TEXT, b"busy") + frame(CLOSE, b"\x03\xf5later"))
        return peer.close_code()

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(server.url, seen)
        assert (seen.messages, seen.ends) == ([], [])
        assert not connection.send(b"too late")
        assert await seen.end() == ("close", 1013)
        assert seen.messages == [(b"busy", False)]

    with ScriptedServer(script) as server:
        client.run(scenario)
    assert server.outcomes == [1013]


@every_client
def test_nothing_is_delivered_after_our_own_close(client: Client) -> None:
    def script(peer: Peer) -> object:
        peer.accept()
        peer.receive()
        peer.sock.sendall(frame(TEXT, b"one") + frame(TEXT, b"two"))
        return peer.close_code()

    async def scenario() -> None:
        class ClosesOnFirst(Recorder):
            def on_message(self, data: memoryview | bytes, binary: bool) -> None:
                super().on_message(data, binary)
                connection.close(1001)

        seen = ClosesOnFirst()
        connection = await client.connect(server.url, seen)
        connection.send(b"go")
        assert await seen.end() == ("ours", None)
        assert seen.messages == [(b"one", False)]

    with ScriptedServer(script) as server:
        client.run(scenario)
    assert server.outcomes == [1001]


@every_client
def test_the_handshake_says_what_it_was_told_to_say(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY", "ws_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    def script(peer: Peer) -> object:
        headers = peer.accept(subprotocol="b")
        peer.end()
        return peer.request[0], headers, peer.sock.getpeername()[0]

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(
            f"{server.url}/x?account=1001&t=%20",
            seen,
            headers=(("Authorization", "Bearer t"), ("Host", "example.test")),
            subprotocols=("a", "b"),
            source_address="127.0.0.2",
        )
        assert connection.subprotocol == "b"
        connection.close()
        await seen.end()

    with ScriptedServer(script) as server:
        client.run(scenario)
    [(line, headers, source)] = server.outcomes
    assert line == "GET /ws/x?account=1001&t=%20 HTTP/1.1"
    assert headers["authorization"] == "Bearer t"
    assert headers["host"] == "example.test"
    assert headers["sec-websocket-protocol"] == "a, b"
    assert "sec-websocket-extensions" not in headers
    assert source == "127.0.0.2"


@every_client
def test_a_handler_that_fails_is_loud_and_ends_its_connection(client: Client) -> None:
    def script(peer: Peer) -> object:
        peer.accept()
        peer.receive()
        peer.send(TEXT, b"poison")
        return peer.close_code()

    async def scenario() -> None:
        class Fails(Recorder):
            def on_message(self, data: memoryview | bytes, binary: bool) -> None:
                raise RuntimeError("a defect")

        seen = Fails()
        connection = await client.connect(server.url, seen)
        connection.send(b"go")
        assert (await seen.end())[0] == "other"

    with ScriptedServer(script) as server:
        client.run(scenario, complaints=1)
    assert server.outcomes == [1011]


def test_only_the_strict_transport_offers_compression() -> None:
    def script(peer: Peer) -> object:
        headers = peer.accept()
        peer.end()
        return headers.get("sec-websocket-extensions", "")

    async def scenario() -> None:
        seen = Recorder()
        with pytest.raises(ValueError, match="websockets"):
            await Client("picows", asyncio.new_event_loop).connect(server.url, seen, compression=True)
        connection = await strict.connect(server.url, seen, compression=True)
        connection.close()
        await seen.end()

    strict = Client("websockets", asyncio.new_event_loop)
    with ScriptedServer(script) as server:
        strict.run(scenario)
    assert "permessage-deflate" in server.outcomes[0]
