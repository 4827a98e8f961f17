"""Through a TCP proxy: the connection goes elsewhere, and what is said on it stays the URL's."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from recording_handler import Recorder
from scripted_server import Peer, ScriptedServer
from transports_under_test import Client, every_client

CERTIFICATE = Path(__file__).with_name("tls") / "localhost.pem"
NOWHERE = "192.0.2.1"
"""RFC 5737: nobody has this address, so a client that went there would not get anywhere."""


@contextlib.contextmanager
def forwarder(port: int | None) -> Iterator[str]:
    """Takes one connection and passes its bytes on to `port`; HOST:PORT of it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def forward() -> None:
            with contextlib.suppress(OSError):
                client, _ = listening.accept()
                with client, socket.create_connection(("127.0.0.1", port)) as upstream:
                    back = threading.Thread(target=_pump, args=(upstream, client), daemon=True)
                    back.start()
                    _pump(client, upstream)
                    back.join()

        thread = threading.Thread(target=forward, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    thread.join(15)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


async def leave(client: Client, url: str, **options: Any) -> None:
    """Connect and close, to the last byte: what a loop still has open when it is closed stays open until it is
    collected, and the other side waits for it."""
    seen = Recorder()
    (await client.connect(url, seen, **options)).close()
    await seen.end()


@every_client
def test_host_path_and_query_are_those_of_the_url(client: Client) -> None:
    def script(peer: Peer) -> object:
        peer.accept()
        peer.close_code()
        return peer.request

    with ScriptedServer(script) as server:
        port = urlsplit(server.url).port
        with forwarder(port) as via:

            async def scenario() -> None:
                await leave(client, f"ws://{NOWHERE}:8080/ws/market?token=1", via=via)

            client.run(scenario)
    ((request_line, *headers),) = server.outcomes
    assert request_line == "GET /ws/market?token=1 HTTP/1.1"
    assert f"host: {NOWHERE}:8080" in [header.lower() for header in headers]


@every_client
@pytest.mark.parametrize(("name", "trusted"), [("localhost", True), ("elsewhere.example", False)])
def test_tls_asks_for_the_name_of_the_url_and_holds_the_certificate_to_it(
    client: Client, name: str, trusted: bool
) -> None:
    asked: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    context.sni_callback = lambda _, asked_for, __: asked.append(asked_for)

    def script(peer: Peer) -> None:
        peer.accept()
        peer.close_code()

    tls = ssl.create_default_context(cafile=str(CERTIFICATE))
    with (
        contextlib.nullcontext() if trusted else pytest.raises(ssl.SSLError),
        ScriptedServer(script, tls=context) as server,
    ):
        port = urlsplit(server.url).port
        with forwarder(port) as via:
            if trusted:

                async def scenario() -> None:
                    await leave(client, f"wss://{name}/", via=via, tls=tls)

                client.run(scenario)
            else:
                assert client.refusal(f"wss://{name}/", Recorder(), via=via, tls=tls).why == "tls"
    assert asked == [name]
