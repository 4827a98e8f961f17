"""One request to a server that answers as it should not: bounded in time and bytes, and nobody else is asked."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from chaosrun.asking import Answer, NoAnswer, NobodyThere, ask

PATIENT_S = 30.0
SHORT_S = 0.3
MUCH_LATER_S = 10.0
"""What no bounded request takes, however busy the machine."""

Script = Callable[[socket.socket], object]


@contextmanager
def answering(script: Script) -> Iterator[str]:
    """A server of bare sockets that does `script` for its first client, after the request's head; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                heard = b""
                while b"\r\n\r\n" not in heard:
                    heard += sock.recv(65536)
                with contextlib.suppress(OSError):  # the client has had enough
                    script(sock)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(MUCH_LATER_S)
        assert not thread.is_alive(), "the client has not gone"


def say(*texts: bytes) -> Script:
    return lambda sock: sock.sendall(b"".join(texts))


def without_end(first: bytes, piece: bytes, every_s: float = 0.0) -> Script:
    def script(sock: socket.socket) -> None:
        sock.sendall(first)
        while True:
            sock.sendall(piece)
            time.sleep(every_s)

    return script


def test_an_answer_is_its_status_and_its_body() -> None:
    with answering(say(b"HTTP/1.1 201 Made\r\nContent-Length: 2\r\n\r\nhi")) as url:
        assert ask("POST", f"{url}/x", within_s=PATIENT_S, body=b"{}", longest=2) == Answer(201, b"hi")


@pytest.mark.parametrize(
    "body",
    [b"Content-Length: 99999999999\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n", b"\r\n"],
    ids=["long", "chunked", "to the end"],
)
def test_where_only_the_status_is_wanted_a_body_without_end_is_not_waited_for(body: bytes) -> None:
    with answering(without_end(b"HTTP/1.1 503 No\r\n" + body, b"1\r\nx\r\n", 0.01)) as url:
        assert ask("GET", url, within_s=PATIENT_S) == Answer(503, b"")


def test_a_body_longer_than_allowed_is_given_up_before_it_fills_memory() -> None:
    with (
        answering(without_end(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536)) as url,
        pytest.raises(NoAnswer, match="more than 1000 bytes"),
    ):
        ask("GET", url, within_s=PATIENT_S, longest=1000)


@pytest.mark.parametrize(
    "script",
    [
        without_end(b"", b"H", 0.01),
        without_end(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n", 0.01),
        without_end(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        without_end(b"HTTP/1.1 200 OK\r\n\r\n", b"x", 0.01),
    ],
    ids=["a status line", "headers", "interim answers", "a body"],
)
def test_an_answer_that_never_ends_is_given_up_in_time(script: Script) -> None:
    began = time.monotonic()
    with answering(script) as url, pytest.raises(NoAnswer):
        ask("GET", url, within_s=SHORT_S, longest=1 << 20)
    assert time.monotonic() - began < MUCH_LATER_S


@pytest.mark.parametrize(
    "said",
    [b"SSH-2.0-x\r\n\r\n", b"", b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", b"\0" * 100_000],
    ids=["another protocol", "nothing", "a part", "a length that lies", "zeros"],
)
def test_what_is_no_answer_in_http_is_none(said: bytes) -> None:
    with answering(say(said)) as url, pytest.raises(NoAnswer):
        ask("GET", url, within_s=PATIENT_S, longest=1000)


def test_a_header_that_never_ends_is_given_up_by_its_length() -> None:
    with (
        answering(without_end(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65536)) as url,
        pytest.raises(NoAnswer, match="no answer in HTTP"),
    ):
        ask("GET", url, within_s=PATIENT_S)


def test_a_redirect_is_an_answer_and_nobody_else_is_asked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        to = f"Location: http://127.0.0.1:{elsewhere.getsockname()[1]}/\r\n".encode()
        with answering(say(b"HTTP/1.1 302 Found\r\n", to, b"\r\n")) as url:
            assert ask("GET", url, within_s=PATIENT_S).status == 302
        elsewhere.setblocking(False)
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with answering(say(b"HTTP/1.1 204 No\r\n\r\n")) as url:
        assert ask("GET", url, within_s=PATIENT_S).status == 204


def test_a_compressed_body_stays_compressed() -> None:
    bomb = b"\x1f\x8b" + b"\0" * 10
    with answering(say(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 12\r\n\r\n", bomb)) as url:
        assert ask("GET", url, within_s=PATIENT_S, longest=100).body == bomb


def test_nobody_there_is_told_from_a_host_that_does_not_answer() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        with pytest.raises(NobodyThere, match="refused"):
            ask("GET", f"http://127.0.0.1:{unheard.getsockname()[1]}", within_s=PATIENT_S)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        at = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(at)
        with pytest.raises(NoAnswer):
            ask("GET", f"http://127.0.0.1:{at[1]}", within_s=SHORT_S)
        for each in waiting:
            each.close()


def test_plain_text_where_tls_should_be_is_no_answer_and_says_why() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(1000)
                sock.sendall(b"HTTP/1.1 400 No\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with pytest.raises(NoAnswer, match="no connection"):
            ask("GET", f"https://127.0.0.1:{listener.getsockname()[1]}", within_s=PATIENT_S)
        thread.join(PATIENT_S)


@pytest.mark.parametrize("bad", [{"A": "secret\r\nB: other"}, {"A": "secret\0"}, {"A B": "secret"}])
def test_a_header_that_would_be_two_is_not_sent_and_not_repeated(bad: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="characters that HTTP has not") as refused:
        ask("GET", "http://127.0.0.1:1/", within_s=PATIENT_S, headers=bad)
    assert "secret" not in str(refused.value)
