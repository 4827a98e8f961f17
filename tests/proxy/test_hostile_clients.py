"""Whoever speaks to the embedded proxy's API as nobody should: others are answered all the same."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proxy_servers import Server, start_embedded

PATIENCE_S = 30.0


BODIES = {
    "deep": b"[" * 200_000,
    "deep in a field": b'{"name": ' + b"[" * 200_000,
    "a huge number": b"9" * 10_000,
    "no UTF-8": b'"\xff"',
    "null": b"null",
    "a list in a list": b"[[]]",
    "beyond a float": b'{"a":1e999}',
}


def speak(server: Server) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=PATIENCE_S)


def last_words(sock: socket.socket) -> bytes:
    heard = b""
    with contextlib.suppress(ConnectionResetError):
        while more := sock.recv(65536):
            heard += more
    return heard


@pytest.mark.parametrize("path", ["/proxies", "/populate", "/proxies/p", "/proxies/p/toxics"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_nobody_should_send_is_answered_as_a_mistake_of_the_client(
    embedded: Server, path: str, body: bytes
) -> None:
    embedded.proxy("127.0.0.1:1")
    assert embedded.ask("POST", path, body).status in (200, 400)  # null changes nothing of a proxy, as in the original
    assert embedded.ask("GET", "/version").status == 200


@pytest.mark.parametrize(
    "said",
    [
        b"\0" * 1000,
        b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 50_000,
        b"POST /proxies HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /proxies HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 2_000_000,
    ],
    ids=["zeros", "long path", "many headers", "negative length", "long body"],
)
def test_what_is_no_request_is_refused_and_the_connection_ends(embedded: Server, said: bytes) -> None:
    with speak(embedded) as sock:
        with contextlib.suppress(ConnectionError):
            sock.sendall(said)
        heard = last_words(sock)
    assert heard == b"" or heard.startswith(b"HTTP/1.1 4")
    assert embedded.ask("GET", "/version").status == 200


def test_clients_that_say_nothing_keep_nobody_from_the_api(embedded: Server) -> None:
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(speak(embedded)) for _ in range(200)]
        assert embedded.ask("GET", "/version").status == 200
        for sock in silent:
            sock.setblocking(False)
        end = time.monotonic() + PATIENCE_S
        while sum(_is_open(sock) for sock in silent) > 32:
            assert time.monotonic() < end, "they are all kept"
            time.sleep(0.02)


def _is_open(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


@pytest.mark.slow
def test_requests_without_end_whose_answers_nobody_reads_fill_no_memory() -> None:
    with start_embedded("--seed", "7") as server:
        server.proxy("127.0.0.1:1", name="p" * 1000)
        process = psutil.Process(server.process.pid)
        before = process.memory_info().rss
        with speak(server) as sock:
            sock.settimeout(1.0)
            many = b"GET /proxies HTTP/1.1\r\nHost: x\r\n\r\n" * 1000
            with contextlib.suppress(TimeoutError):
                for _ in range(2000):  # 70 MB of requests, for 2 GB of answers
                    sock.sendall(many)
            assert server.ask("GET", "/version").status == 200
            assert process.memory_info().rss - before < 50 << 20


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
toxics = st.fixed_dictionaries(
    {},
    optional={
        "name": json_values | st.sampled_from(["t", "\x1b[2J", "a/b"]),
        "type": st.sampled_from(["latency", "bandwidth", "slicer", "timeout", "limit_data", "slow_close", "noop"]),
        "stream": st.sampled_from(["upstream", "downstream"]) | json_values,
        "toxicity": st.floats(allow_nan=False) | json_values,
        "attributes": st.dictionaries(
            st.sampled_from(
                ["latency", "jitter", "rate", "bytes", "delay", "average_size", "size_variation", "timeout"]
            ),
            st.integers() | st.sampled_from([-(2**63), 2**63 - 1, 2**64, -1, 0]) | json_values,
        )
        | json_values,
    },
)


@pytest.mark.slow
def test_no_toxic_that_can_be_asked_for_breaks_the_proxy(embedded: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as service:
        upstream = f"127.0.0.1:{service.getsockname()[1]}"

        @settings(max_examples=25)
        @given(st.lists(toxics, max_size=4))
        def holds(wanted: list[Any]) -> None:
            host, port = embedded.proxy(upstream, name="fuzzed")
            statuses = {embedded.ask("POST", "/proxies/fuzzed/toxics", body).status for body in wanted}
            assert statuses <= {200, 400, 409}
            with socket.create_connection((host, port), timeout=PATIENCE_S) as sock:
                sock.sendall(b"hello")
            assert embedded.ask("GET", "/proxies/fuzzed/toxics").status == 200
            assert embedded.ask("DELETE", "/proxies/fuzzed").status == 204

        holds()
    assert embedded.ask("GET", "/version").json["version"]
