"""Both transports: the way to the service, by HTTP proxies and from source addresses, and who is to blame on it."""

from __future__ import annotations

import socket
import ssl
from base64 import b64encode
from typing import Any
from urllib.parse import urlsplit

import pytest
from connect_proxy import ConnectProxy
from recording_handler import Recorder
from scripted_server import TEXT, Peer, ScriptedServer
from test_transport_tls import server_side, trusting
from transports_under_test import Client, every_client

from chaosrun.load.route import proxy_of


def echo(peer: Peer) -> object:
    peer.accept()
    peer.send(TEXT, peer.receive().payload)
    peer.close_code()
    return peer.request


async def asked_and_answered(client: Client, url: str, **options: Any) -> None:
    """One message there and back, and a polite end."""
    seen = Recorder()
    connection = await client.connect(url, seen, **options)
    connection.send(b"hello")
    assert await seen.received(1) == [(b"hello", False)]
    connection.close()
    await seen.end()


@every_client
@pytest.mark.parametrize("secure", [False, True])
def test_a_tunnel_is_asked_for_the_urls_own_host_before_anything_else_is_said(client: Client, *, secure: bool) -> None:
    proxy = ConnectProxy()
    with ScriptedServer(echo, tls=server_side() if secure else None) as server, proxy.serving():
        called = urlsplit(server.url).netloc
        route = {"http_proxy": proxy_of(proxy.url), "tls": trusting() if secure else None}
        client.run(lambda: asked_and_answered(client, server.url, **route))
    assert proxy.requests == [f"CONNECT {called} HTTP/1.1\r\nHost: {called}\r\n\r\n"]
    ((first, *headers),) = server.outcomes
    assert first == "GET /ws HTTP/1.1"
    assert f"host: {called}" in [header.lower() for header in headers]


@every_client
def test_the_proxy_looks_up_the_services_name_and_is_told_user_and_password(client: Client) -> None:
    proxy = ConnectProxy(answer=b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
    with proxy.serving():
        way = proxy_of(f"http://joe:p%40ss@127.0.0.1:{proxy.port}")
        refusal = client.refusal("ws://only-the-proxy-knows.example/", Recorder(), http_proxy=way)
    said = b64encode(b"joe:p@ss").decode()
    assert proxy.requests[0].startswith("CONNECT only-the-proxy-knows.example:80 HTTP/1.1\r\n")
    assert f"\r\nProxy-Authorization: Basic {said}\r\n" in proxy.requests[0]
    assert (refusal.why, refusal.status) == ("proxy", 407)
    assert refusal.detail == (
        f"the HTTP proxy 127.0.0.1:{proxy.port} answered CONNECT with 407 Proxy Authentication Required"
    )


@every_client
@pytest.mark.parametrize(
    ("answer", "status", "told"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", 503, "answered CONNECT with 503 Service Unavailable"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.0 403\r\n\r\n", 403, "answered CONNECT with 403"),
        (b"220 mail.example ESMTP\r\n\r\n", None, "does not answer as an HTTP proxy does"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000, None, "headers of more than 16384 bytes"),
        (b"HTTP/1.1 204 No Content\r\n\r\nmore", 204, "said something in it by itself"),
    ],
)
def test_what_a_proxy_refuses_is_not_blamed_on_the_service(
    client: Client, answer: bytes, status: int | None, told: str
) -> None:
    proxy = ConnectProxy(answer=answer)
    with proxy.serving():
        refusal = client.refusal("ws://127.0.0.1:1/", Recorder(), http_proxy=proxy_of(proxy.url))
    assert (refusal.why, refusal.status) == ("proxy", status)
    assert told in refusal.detail


@every_client
def test_a_proxy_that_does_not_answer_in_time_is_told_as_such(client: Client) -> None:
    proxy = ConnectProxy(answer=b"")
    with proxy.serving():
        way = proxy_of(proxy.url)
        refusal = client.refusal("ws://127.0.0.1:1/", Recorder(), http_proxy=way, open_timeout_s=0.3)
    assert refusal.why == "proxy"
    assert refusal.detail == f"the HTTP proxy 127.0.0.1:{proxy.port} has not made a tunnel yet"


@every_client
def test_a_proxy_that_is_not_there_is_told_as_such(client: Client) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: nobody else can take it meanwhile
        way = proxy_of(f"http://127.0.0.1:{taken.getsockname()[1]}")
        refusal = client.refusal("ws://127.0.0.1:1/", Recorder(), http_proxy=way)
    assert (refusal.why, refusal.status) == ("proxy", None)


@every_client
def test_what_the_service_refuses_in_a_tunnel_is_the_services(client: Client) -> None:
    proxy = ConnectProxy()
    with ScriptedServer(lambda peer: peer.refuse(503)) as server, proxy.serving():
        refusal = client.refusal(server.url, Recorder(), http_proxy=proxy_of(proxy.url))
    assert (refusal.why, refusal.status) == ("http", 503)


@every_client
def test_a_certificate_is_held_to_the_services_name_in_a_tunnel_too(client: Client) -> None:
    proxy = ConnectProxy()
    context = server_side()
    with pytest.raises(ssl.SSLError), ScriptedServer(echo, tls=context) as server, proxy.serving():
        refusal = client.refusal(server.url, Recorder(), http_proxy=proxy_of(proxy.url))
        assert refusal.why == "tls"


@every_client
@pytest.mark.parametrize("by_proxy", [False, True])
def test_a_client_connects_from_the_address_that_it_is_given(client: Client, *, by_proxy: bool) -> None:
    came_from: list[str] = []

    def script(peer: Peer) -> object:
        came_from.append(peer.sock.getpeername()[0])
        return echo(peer)

    proxy = ConnectProxy()
    with ScriptedServer(script) as server, proxy.serving():
        way = proxy_of(proxy.url) if by_proxy else None
        client.run(lambda: asked_and_answered(client, server.url, source_address="127.0.0.3", http_proxy=way))
    assert (proxy.sources if by_proxy else came_from) == ["127.0.0.3"]


@every_client
def test_every_cookie_that_the_handshake_sets_is_told(client: Client) -> None:
    def script(peer: Peer) -> None:
        peer.accept(headers=("Set-Cookie: a=1; Path=/", "set-cookie: b=2"))
        peer.close_code()

    async def scenario() -> tuple[str, ...]:
        seen = Recorder()
        connection = await client.connect(server.url, seen)
        connection.close()
        await seen.end()
        return connection.set_cookies

    with ScriptedServer(script) as server:
        assert client.run(scenario) == ("a=1; Path=/", "b=2")


@every_client
def test_an_address_of_another_family_is_told_as_such(client: Client) -> None:
    refusal = client.refusal("ws://127.0.0.1:1/", Recorder(), source_address="::1")
    assert refusal.why == "other"
    assert "127.0.0.1 cannot be reached from ::1, an address of another family" in refusal.detail


@pytest.mark.parametrize("url", ["https://proxy:1", "socks5://proxy:1", "proxy:3128", "http://"])
def test_what_is_no_http_proxy_is_a_mistake_of_the_caller(url: str) -> None:
    with pytest.raises(ValueError, match="write http://HOST:PORT"):
        proxy_of(url)
