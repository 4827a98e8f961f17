"""What only the embedded proxy is held to: seeds, memory, addresses, the process, its HTTP."""

from __future__ import annotations

import http.client
import json
import random
import socket
import subprocess
import time

import psutil
import pytest
from peers import PATIENCE_S, Peer, Service
from proxy_servers import Server, start_embedded

from chaosrun import proxy
from chaosrun.proxy.lots import Lots
from chaosrun.reference import PORT_TAKEN

PATTERN = random.Random(3).randbytes(1 << 20)
MUCH = 64 << 20
"""Bytes; far more than the kernel's buffers of both sides."""


def send_until_full(peer: Peer) -> int:
    """Sends the pattern over and over, until no more is taken; how much was."""
    peer.sock.settimeout(1)
    sent = 0
    with pytest.raises(TimeoutError):
        while sent < MUCH:
            sent += peer.sock.send(PATTERN[sent % len(PATTERN) :])
    return sent


def is_pattern(got: bytes) -> bool:
    return (PATTERN * (len(got) // len(PATTERN) + 1))[: len(got)] == got


@pytest.mark.parametrize("latency", [0, 200])
def test_what_a_client_sent_before_it_went_still_arrives(embedded: Server, service: Service, latency: int) -> None:
    client, upstream = service.pair(embedded.proxy(service.address))
    embedded.toxic("latency", "upstream", latency=latency)
    client.send(b"last words")
    client.close()
    assert upstream.receive(10) == b"last words"
    assert upstream.end() == "fin"


def until_files(server: Server, count: int) -> None:
    """Waits until the proxy has no more than that many files open."""
    process = psutil.Process(server.process.pid)
    deadline = time.monotonic() + PATIENCE_S
    while process.num_fds() > count:
        assert time.monotonic() < deadline, f"{process.num_fds()} files are open, more than {count}"
        time.sleep(0.01)


def test_a_client_that_is_gone_takes_its_service_along_when_its_data_has_passed(
    embedded: Server, service: Service
) -> None:
    where = embedded.proxy(service.address)
    files = psutil.Process(embedded.process.pid).num_fds()
    embedded.toxic("latency", "upstream", latency=200)
    client, upstream = service.pair(where)
    client.send(b"x")
    client.reset()
    assert upstream.end() in ("fin", "rst")
    until_files(embedded, files)  # the service has closed nothing


def test_a_client_that_is_gone_after_a_half_close_takes_its_service_along(embedded: Server, service: Service) -> None:
    where = embedded.proxy(service.address)
    files = psutil.Process(embedded.process.pid).num_fds()
    client, upstream = service.pair(where)
    client.half_close()
    assert upstream.end() == "fin"
    client.reset()
    upstream.send(b"is anybody there?")  # what notices it
    until_files(embedded, files)


def test_what_nobody_will_read_is_dropped_and_not_held(embedded: Server, service: Service) -> None:
    where = embedded.proxy(service.address)
    process = psutil.Process(embedded.process.pid)
    files = process.num_fds()
    embedded.toxic("bandwidth", "upstream", rate=0)  # holds the end of the client for ever
    embedded.toxic("bandwidth", "downstream", rate=1)
    client, upstream = service.pair(where)
    client.send(b"held")
    send_until_full(upstream)
    client.reset()
    upstream.sock.settimeout(PATIENCE_S)
    memory = process.memory_info().rss
    upstream.send(PATTERN * (MUCH // len(PATTERN)))
    assert process.memory_info().rss - memory < MUCH // 2
    upstream.reset()
    until_files(embedded, files)


def test_the_seed_decides_which_connections_are_affected(embedded: Server, service: Service) -> None:
    where = embedded.proxy(service.address)
    embedded.toxic("limit_data", "upstream", toxicity=0.5, bytes=0)
    affected = []
    for _ in range(24):
        client, upstream = service.pair(where)
        client.send(b"x")
        affected.append(upstream.receive(1) == b"")
    lots = [Lots(7, "p", number, "upstream").lot("limit_data_upstream") for number in range(1, 25)]
    assert affected == [lot < 0.5 for lot in lots]


def test_the_ready_line_tells_the_seed_and_the_version_tells_who_speaks(embedded: Server) -> None:
    assert embedded.ready == {"ready": True, "port": embedded.port, "seed": 7}
    assert "+chaosrun-" in embedded.ask("GET", "/version").json["version"]


def test_a_service_that_does_not_read_makes_the_client_wait(embedded: Server, service: Service) -> None:
    client, upstream = service.pair(embedded.proxy(service.address))
    sent = send_until_full(client)
    got = upstream.receive(sent)
    assert len(got) == sent
    assert is_pattern(got)


def test_a_slow_toxic_makes_the_client_wait(embedded: Server, service: Service) -> None:
    client, upstream = service.pair(embedded.proxy(service.address))
    name = embedded.toxic("bandwidth", "upstream", rate=0)
    sent = send_until_full(client)
    embedded.remove(name)
    got = upstream.receive(sent)
    assert len(got) == sent
    assert is_pattern(got)


def test_clients_for_whom_there_are_no_files_wait_and_the_api_stays_within_reach(service: Service) -> None:
    with start_embedded(files=84) as server:  # room for ten clients
        where = server.proxy(service.address)
        pairs = [service.pair(where) for _ in range(10)]
        waiting = Peer(socket.create_connection(where))
        waiting.send(b"x")
        server.remove(server.toxic("latency", latency=10))
        assert waiting.silent(0.2)
        for end in pairs[0]:
            end.close()
        assert service.accept().receive(1) == b"x"
        waiting.close()


def test_ipv6_on_both_sides(embedded: Server) -> None:
    with Service("::1") as service:
        where = embedded.proxy(service.address, listen="[::1]:0")
        assert where[0] == "::1"
        client, upstream = service.pair(where)
        client.send(b"x")
        assert upstream.receive(1) == b"x"


def test_the_api_listens_on_ipv6_too() -> None:
    with start_embedded(host="::1") as server:
        assert server.ask("GET", "/proxies").json == {}


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", ":0", ""])
def test_a_proxy_that_others_could_reach_is_refused_with_the_remedy(embedded: Server, listen: str) -> None:
    answer = embedded.ask("POST", "/proxies", {"name": "p", "listen": listen, "upstream": "127.0.0.1:1"})
    assert answer.status in (403, 500)
    if listen:
        assert "--allow-remote" in answer.json["error"]


def test_what_others_could_reach_is_permitted_by_name(service: Service) -> None:
    with start_embedded("--allow-remote") as server:
        _, port = server.proxy(service.address, listen=":0")
        client, upstream = service.pair(("127.0.0.1", port))
        client.send(b"x")
        assert upstream.receive(1) == b"x"


def test_an_api_that_others_could_reach_is_refused_with_the_remedy() -> None:
    ended = subprocess.run(proxy.argv(host="0.0.0.0"), stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert ended.returncode == 2
    assert b"--allow-remote" in ended.stderr


def test_a_taken_port_is_told_by_the_exit_code(embedded: Server) -> None:
    ended = subprocess.run(proxy.argv(port=embedded.port), stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert ended.returncode == PORT_TAKEN


def test_it_ends_with_its_standard_input(service: Service) -> None:
    with start_embedded() as server:
        client, _ = service.pair(server.proxy(service.address))
        assert server.process.stdin is not None
        server.process.stdin.close()
        assert server.process.wait(PATIENCE_S) == 0
        assert client.receive(1) == b""


def test_the_api_answers_one_request_after_the_other_on_one_connection(embedded: Server) -> None:
    connection = http.client.HTTPConnection(embedded.host, embedded.port, timeout=PATIENCE_S)
    for _ in range(3):
        connection.request("GET", "/version")
        assert json.loads(connection.getresponse().read())["version"]
    connection.close()


def test_the_api_answers_requests_that_were_sent_without_waiting(embedded: Server) -> None:
    peer = Peer(socket.create_connection((embedded.host, embedded.port)))
    peer.send(b"GET /proxies HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
    peer.half_close()
    assert peer.receive(1 << 16).count(b"HTTP/1.1 200") == 3
    peer.close()


def test_what_is_not_http_gets_a_400(embedded: Server) -> None:
    peer = Peer(socket.create_connection((embedded.host, embedded.port)))
    peer.send(b"nonsense\r\n\r\n")
    assert peer.receive(12) == b"HTTP/1.1 400"
    peer.close()


def test_a_body_may_come_in_chunks_and_only_when_asked_for(embedded: Server) -> None:
    peer = Peer(socket.create_connection((embedded.host, embedded.port)))
    peer.send(b"POST /populate HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert peer.receive(12) == b"HTTP/1.1 100"
    peer.send(b"2\r\n[]\r\n0\r\n\r\n")
    peer.half_close()
    assert b"HTTP/1.1 201" in peer.receive(1 << 16)
    peer.close()
