"""Both transports against a server that sends what it should not: one end with its right name, in bounded time and
memory. More breaches of RFC 6455 are in test_transport_ends.py."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import threading
import time
import zlib

import pytest
from recording_handler import Recorder
from scripted_server import CLOSE, PING, TEXT, Gone, Peer, ScriptedServer, frame
from transports_under_test import Client, every_client

from chaosrun.load import link as link_module

MUCH_LATER_S = 10.0
"""What nothing bounded takes, however busy the machine."""

BREACHES = {
    "compressed-though-not-negotiated": (frame(TEXT, zlib.compress(b"x" * 100), flags=0x40), 1002),
    "second-reserved-bit": (frame(TEXT, b"x", flags=0x20), 1002),
    "third-reserved-bit-of-a-ping": (frame(PING, b"x", flags=0x10), 1002),
    "length-of-64-bits-and-its-sign": (b"\x82\x7f" + struct.pack("!Q", 1 << 63), (1002, 1009)),
    "length-beyond-all-memory": (b"\x82\x7f" + struct.pack("!Q", (1 << 63) - 1), 1009),
    "close-code-1015": (frame(CLOSE, struct.pack("!H", 1015)), 1002),
    "close-code-999": (frame(CLOSE, struct.pack("!H", 999)), 1002),
    "close-code-2999": (frame(CLOSE, struct.pack("!H", 2999)), 1002),
    "close-reason-not-UTF-8": (frame(CLOSE, struct.pack("!H", 1000) + b"\xff\xfe"), 1007),
}


@every_client
@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_is_named_at_once_though_the_server_goes_on_sending(client: Client, breach: str) -> None:
    data, code = BREACHES[breach]
    codes = code if isinstance(code, tuple) else (code,)
    gone = threading.Event()

    def script(peer: Peer) -> None:
        peer.accept()
        peer.receive()
        peer.sock.sendall(data)
        try:
            while True:
                peer._write(b"\0" * 65536)
        except Gone:
            gone.set()

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(server.url, seen, max_size=1000, close_timeout_s=0.1)
        connection.send(b"go")
        cause, told = await seen.end()
        assert (cause, told in codes) == ("protocol", True), (cause, told)
        assert seen.messages == []
        assert await asyncio.to_thread(gone.wait, 10), "nothing takes what it sends any more"

    with ScriptedServer(script) as server:
        client.run(scenario)


@every_client
@pytest.mark.parametrize(
    "last_words", [b"\x1b]0;owned\x07\x1b[2J", b"<script>alert(1)</script>", "\u202e\u2028".encode()]
)
def test_what_a_close_frame_says_is_not_passed_on(client: Client, last_words: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.accept(then=frame(CLOSE, struct.pack("!H", 4000) + last_words))
        peer.end()

    async def scenario() -> None:
        seen = Recorder()
        await client.connect(server.url, seen)
        assert await seen.end() == ("close", 4000)

    with ScriptedServer(script) as server:
        client.run(scenario)


def answer(*lines: str, accept: str = "") -> bytes:
    told = (f"Sec-WebSocket-Accept: {accept}",) if accept else ()
    head = ("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", *told, *lines)
    return "".join(f"{line}\r\n" for line in head).encode() + b"\r\n"


@every_client
@pytest.mark.parametrize(
    "said",
    [
        answer(accept="c29tZWJvZHkgZWxzZXMga2V5IQ=="),
        answer(),
        b"HTTP/1.1 101 " + b"x" * 200_000,
        b"HTTP/1.1 101 Fine\r\n" + b"X: y\r\n" * 20_000,
        b"HTTP/1.1 101 Fine\r\nX: " + b"y" * 200_000,
        b"\0" * 200_000,
    ],
    ids=["another key", "no key", "a long status line", "many headers", "a long header", "zeros"],
)
def test_a_handshake_that_is_none_is_refused_without_waiting_for_its_end(client: Client, said: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        with contextlib.suppress(Gone):
            peer._write(said)
            peer.end()

    began = time.monotonic()
    with ScriptedServer(script) as server:
        assert client.refusal(server.url, Recorder(), open_timeout_s=60).why == "http"
    assert time.monotonic() - began < MUCH_LATER_S


@every_client
@pytest.mark.parametrize("status", [200, 302, 503])
def test_an_answer_without_an_end_is_refused_by_its_first_line(client: Client, status: int) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        with contextlib.suppress(Gone):
            peer._write(f"HTTP/1.1 {status} Odd\r\nLocation: /\r\n\r\n".encode())
            while True:
                peer._write(b"x" * 1000)
                time.sleep(0.001)

    began = time.monotonic()
    with ScriptedServer(script) as server:
        refusal = client.refusal(server.url, Recorder(), open_timeout_s=60)
    assert (refusal.why, refusal.status) == ("http", status)
    assert time.monotonic() - began < MUCH_LATER_S


@every_client
@pytest.mark.parametrize("choice", ["Sec-WebSocket-Extensions: permessage-deflate", "Sec-WebSocket-Protocol: other"])
def test_what_was_not_offered_may_not_be_chosen(client: Client, choice: str) -> None:
    class Chooses(Peer):
        """Adds a line to the answer of the handshake."""

        def _write(self, data: bytes) -> None:
            super()._write(data.replace(b"\r\n\r\n", f"\r\n{choice}\r\n\r\n".encode()))

    def script(peer: Peer) -> None:
        peer.__class__ = Chooses
        peer.accept()
        peer.end()

    with ScriptedServer(script) as server:
        refusal = client.refusal(server.url, Recorder(), subprotocols=("mine",))
    assert refusal.why == "http"


@every_client
def test_a_handshake_that_drips_in_is_over_when_its_time_is(client: Client) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        with contextlib.suppress(Gone):
            for byte in answer():
                peer._write(bytes([byte]))
                time.sleep(0.1)

    with ScriptedServer(script) as server:
        assert client.refusal(server.url, Recorder(), open_timeout_s=0.5).why == "timeout"


@every_client
def test_pings_without_end_from_a_server_that_never_reads_heap_up_no_answers(client: Client) -> None:
    many = frame(PING, b"x" * 125) * 2000
    finished = threading.Event()

    def script(peer: Peer) -> None:
        peer.accept()
        for _ in range(60):  # 15 MB of them; the kernel takes some, and nobody reads the answers
            peer._write(many)
        peer._write(frame(TEXT, b"enough"))
        finished.wait(30)

    async def scenario() -> int:
        seen = Recorder()
        connection = await client.connect(server.url, seen)
        await seen.received(1)
        waiting = connection._tcp.get_write_buffer_size()  # type: ignore[attr-defined]
        finished.set()
        connection.reset()
        await seen.end()
        return int(waiting)

    with ScriptedServer(script) as server:
        assert client.run(scenario) < 1 << 20


@every_client
def test_a_server_that_makes_a_client_speak_and_never_reads_is_given_up(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "MAX_UNSENT", 1 << 20)
    finished = threading.Event()

    def script(peer: Peer) -> None:
        peer.accept()
        finished.wait(30)

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(server.url, seen)
        sent = 0
        async with asyncio.timeout(30):
            while connection.send(b"x" * 100_000):
                sent += 1
                await asyncio.sleep(0)
        assert sent > 10
        assert await seen.end() == ("unread", None)
        assert not connection.is_open
        finished.set()

    with ScriptedServer(script) as server:
        client.run(scenario)


def test_a_compressed_bomb_is_a_message_too_big() -> None:
    """Negotiated, as only the strict transport offers it: 100 MB of zeros in 100 kB."""
    squeezer = zlib.compressobj(wbits=-15)
    bomb = squeezer.compress(bytes(100_000_000)) + squeezer.flush(zlib.Z_SYNC_FLUSH)
    strict = Client("websockets", asyncio.new_event_loop)

    class Compresses(Peer):
        def _write(self, data: bytes) -> None:
            told = b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
            super()._write(data.replace(b"\r\n\r\n", told) if data.startswith(b"HTTP") else data)

    def script(peer: Peer) -> None:
        peer.__class__ = Compresses
        peer.accept()
        peer.receive()
        peer.sock.sendall(frame(TEXT, bomb[:-4], flags=0x40))
        peer.end()

    async def scenario() -> None:
        seen = Recorder()
        connection = await strict.connect(server.url, seen, compression=True, max_size=1 << 20)
        connection.send(b"go")
        assert await seen.end() == ("protocol", 1009)
        assert seen.messages == []

    with ScriptedServer(script) as server:
        strict.run(scenario)
