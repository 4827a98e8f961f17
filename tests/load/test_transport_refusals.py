"""Both transports: the ways in which a connection cannot be made, each under its name."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
import time

import pytest
from recording_handler import Recorder
from scripted_server import Peer, ScriptedServer
from transports_under_test import Client, every_client

from chaosrun.load.dialling import address_of, refusal_of


@every_client
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 503, 520])
def test_a_handshake_refused_by_http_names_its_status(client: Client, status: int) -> None:
    with ScriptedServer(lambda peer: peer.refuse(status)) as server:
        refusal = client.refusal(server.url, Recorder())
    assert (refusal.why, refusal.status) == ("http", status)


@every_client
def test_a_redirect_is_not_followed(client: Client) -> None:
    def script(peer: Peer) -> None:
        peer.refuse(302, f"Location: http://127.0.0.1:{server.port}/elsewhere")

    with ScriptedServer(script) as server:
        refusal = client.refusal(server.url, Recorder())
    assert (refusal.why, refusal.status) == ("http", 302)
    assert len(server.outcomes) == 1


@every_client
@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/1.1 101 Fine\r\n\r\n"])
def test_an_answer_that_is_no_handshake_is_an_http_refusal(client: Client, answer: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.sock.sendall(answer)

    with ScriptedServer(script) as server:
        assert client.refusal(server.url, Recorder()).why == "http"


@every_client
@pytest.mark.parametrize("leave", ["reset", "fin"])
def test_a_handshake_dropped_by_the_server_is_a_reset(client: Client, leave: str) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        getattr(peer, leave)()

    with ScriptedServer(script) as server:
        assert client.refusal(server.url, Recorder()).why == "reset"


@every_client
def test_a_handshake_slower_than_allowed_is_a_timeout_and_leaves_nothing_behind(client: Client) -> None:
    seen = Recorder()

    def script(peer: Peer) -> object:
        peer.read_request()
        return peer.end()

    with ScriptedServer(script) as server:
        assert client.refusal(server.url, seen, open_timeout_s=0.5).why == "timeout"
    assert server.outcomes in (["eof"], ["reset"])
    assert seen.ends == []


@every_client
def test_a_slow_handshake_within_the_time_allowed_is_waited_for(client: Client) -> None:
    class Drip:
        """Sends a byte at a time."""

        def __init__(self, sock: socket.socket) -> None:
            self.sock = sock

        def sendall(self, data: bytes) -> None:
            for start in range(0, len(data), 10):
                self.sock.sendall(data[start : start + 10])
                time.sleep(0.005)

        def __getattr__(self, name: str) -> object:
            return getattr(self.sock, name)

    def script(peer: Peer) -> None:
        time.sleep(0.2)
        peer.sock = Drip(peer.sock)  # type: ignore[assignment]
        peer.accept()
        peer.end()

    async def scenario() -> None:
        seen = Recorder()
        connection = await client.connect(server.url, seen, open_timeout_s=15)
        connection.close()
        assert await seen.end() == ("ours", None)

    with ScriptedServer(script) as server:
        client.run(scenario)


@every_client
def test_a_cancelled_attempt_leaves_nothing_behind(client: Client) -> None:
    def script(peer: Peer) -> object:
        peer.read_request()
        return peer.end()

    async def scenario() -> None:
        attempt = asyncio.ensure_future(client.connect(server.url, Recorder()))
        await asyncio.sleep(0.2)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        await asyncio.sleep(0.05)

    with ScriptedServer(script) as server:
        client.run(scenario)
    assert server.outcomes in (["eof"], ["reset"])


@every_client
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_port_where_nobody_listens_is_refused(client: Client, host: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: nobody else can take it meanwhile
        refusal = client.refusal(f"ws://{host}:{taken.getsockname()[1]}/", Recorder())
    assert refusal.why == "refused"


@every_client
def test_a_name_that_cannot_be_resolved_is_dns(client: Client) -> None:
    assert client.refusal("ws://a..b:1/", Recorder()).why == "dns"  # fails without asking a name server


@every_client
def test_a_server_that_speaks_no_tls_is_a_tls_refusal(client: Client) -> None:
    def script(peer: Peer) -> None:
        peer.sock.recv(100)
        peer.sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with ScriptedServer(script) as server:
        assert client.refusal(server.url.replace("ws://", "wss://"), Recorder()).why == "tls"


@every_client
def test_a_source_address_that_is_not_ours_is_named_ports(client: Client) -> None:
    with ScriptedServer(lambda peer: None) as server:
        assert client.refusal(server.url, Recorder(), source_address="192.0.2.1").why == "ports"


@every_client
def test_running_out_of_descriptors_is_named(client: Client) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def scenario() -> str:
        lowest_free = os.dup(0)
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
        try:
            await client.connect("ws://127.0.0.1:1/", Recorder())
        except Exception as refusal:
            return getattr(refusal, "why", repr(refusal))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return "connected"

    assert client.run(scenario) == "descriptors"


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "dns"),
        (OSError(errno.EADDRNOTAVAIL, ""), "ports"),
        (OSError(errno.ENFILE, ""), "descriptors"),
        (OSError(errno.ETIMEDOUT, ""), "timeout"),
        (OSError(errno.EHOSTUNREACH, ""), "other"),
        (KeyError("surprise"), "other"),
    ],
)
def test_the_systems_refusals_have_names(error: Exception, why: str) -> None:
    assert refusal_of(error).why == why


@pytest.mark.parametrize("url", ["http://x/", "ws:///path", "localhost:80", ""])
def test_what_is_no_websocket_url_is_a_mistake_of_the_caller(url: str) -> None:
    with pytest.raises(ValueError, match="WebSocket URL"):
        address_of(url)


def test_an_address_has_the_default_port_of_its_scheme_and_no_user_in_its_authority() -> None:
    assert address_of("wss://u:p@example.test/a?b=c") == ("example.test", 443, True, "/a?b=c", "example.test")
    assert address_of("ws://example.test:81") == ("example.test", 81, False, "/", "example.test:81")
