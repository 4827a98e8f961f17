"""Both transports over TLS: the same messages and the same ends, and a certificate that must be trusted."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import ssl
import struct
import termios
import threading
import time
from pathlib import Path

import pytest
from recording_handler import Recorder
from scripted_server import PATIENCE_S, TEXT, Peer, ScriptedServer, close
from transports_under_test import Client, every_client

CERTIFICATE = Path(__file__).with_name("tls") / "localhost.pem"
"""Key and self-signed certificate of localhost and 127.0.0.1, for these tests only."""


def server_side() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(CERTIFICATE))


@every_client
def test_messages_cross_a_trusted_tls_connection(client: Client) -> None:
    def script(peer: Peer) -> object:
        peer.accept()
        got = peer.receive().payload
        peer.send(TEXT, got * 1000)
        peer.sock.sendall(close(1012))
        return peer.close_code()

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(server.url, seen, tls=trusting())
        assert connection.send(b"secret")
        assert await seen.received(1) == [(b"secret" * 1000, False)]
        assert await seen.end() == ("close", 1012)

    with ScriptedServer(script, tls=server_side()) as server:
        client.run(scenario)
    assert server.outcomes == [1012]


@every_client
@pytest.mark.parametrize(("leave", "cause"), [("reset", "rst"), ("fin", "fin")])
def test_ends_are_told_apart_under_tls_too(client: Client, leave: str, cause: str) -> None:
    def script(peer: Peer) -> None:
        peer.accept()
        peer.receive()
        getattr(peer, leave)()

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(server.url, seen, tls=trusting())
        connection.send(b"go")
        assert await seen.end() == (cause, None)

    with ScriptedServer(script, tls=server_side()) as server:
        client.run(scenario)


@every_client
@pytest.mark.parametrize(("leave", "seen_as"), [("reset", "reset"), ("fin", "eof")])
def test_our_reset_and_fin_arrive_as_such_under_tls_too(client: Client, leave: str, seen_as: str) -> None:
    def script(peer: Peer) -> object:
        peer.accept()
        with socket.socket(
            fileno=os.dup(peer.sock.fileno())
        ) as beneath:  # TLS takes a reset for one more unexpected end of file
            beneath.settimeout(15)
            try:
                while beneath.recv(1000):
                    pass
            except ConnectionResetError:
                return "reset"
        return "eof"

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(server.url, seen, tls=trusting())
        getattr(connection, leave)()
        assert await seen.end() == ("injected", None)

    with ScriptedServer(script, tls=server_side()) as server:
        client.run(scenario)
    assert server.outcomes == [seen_as]


@every_client
def test_a_certificate_that_is_not_trusted_is_a_tls_refusal(client: Client) -> None:
    def script(peer: Peer) -> None:
        raise AssertionError("the handshake was completed")

    server = ScriptedServer(script, tls=server_side())
    with pytest.raises(ssl.SSLError), server:
        assert client.refusal(server.url, Recorder()).why == "tls"


@every_client
def test_a_client_that_has_vanished_takes_nothing_and_then_everything_under_tls_too(client: Client) -> None:
    gone, looked = threading.Event(), threading.Event()

    def script(peer: Peer) -> object:
        peer.accept()
        peer.receive()
        assert gone.wait(PATIENCE_S)
        peer.send(TEXT, b"anybody there?")
        time.sleep(0.3)
        waiting = fcntl.ioctl(peer.sock, termios.TIOCOUTQ, bytes(4))
        looked.set()
        peer.receive()
        return struct.unpack("i", waiting)[0] > 0

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(server.url, seen, tls=trusting())
        connection.send(b"go")
        connection.silence(vanished=True)
        gone.set()
        before = connection.passed
        connection.send(b"held")
        async with asyncio.timeout(PATIENCE_S):
            while not looked.is_set():
                await asyncio.sleep(0.01)
        assert (seen.messages, connection.passed) == ([], before)
        connection.unsilence()
        assert await seen.received(1) == [(b"anybody there?", False)]
        connection.reset()
        await seen.end()

    with ScriptedServer(script, tls=server_side()) as server:
        client.run(scenario)
    assert server.outcomes == [True], "it was not acknowledged"
