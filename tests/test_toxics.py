"""Speaking to a Toxiproxy server: bounded, to nobody else, and no error goes unseen."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from chaosrun.errors import Unavailable
from chaosrun.toxics import Frozen, Refused, Server, Toxic, Unreachable


class _Api(ThreadingHTTPServer):
    """Differs from a Toxiproxy in that it answers everything alike, and writes down what it was asked."""

    daemon_threads = True
    request_queue_size = 64  # else the kernel drops some of many that come at once, and they wait a second

    def __init__(self, status: int, body: bytes) -> None:
        self.status, self.body = status, body
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Answers)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answers(BaseHTTPRequestHandler):
    server: _Api

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append(f"{self.command} {self.path}")
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    do_GET = do_POST = do_DELETE = do_CONNECT = _answer

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextmanager
def api(status: int = 200, body: bytes = b'{"version": "9.9"}') -> Iterator[_Api]:
    server = _Api(status, body)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def everything(server: Server) -> list[tuple[str, object]]:
    """Every call there is, by name."""
    toxic = Toxic(name="t", type="latency", attributes={"latency": 1})
    return [
        ("version", server.version),
        ("proxy", lambda: server.proxy("p")),
        ("create", lambda: server.create("p", listen="127.0.0.1:0", upstream="127.0.0.1:1")),
        ("remove", lambda: server.remove("p")),
        ("on", lambda: server.switch("p", on=True)),
        ("off", lambda: server.switch("p", on=False)),
        ("add", lambda: server.add("p", toxic)),
        ("take off", lambda: server.take_off("p", "t")),
    ]


NAMES = [name for name, _ in everything(Server(""))]


def call(server: Server, name: str) -> object:
    return dict(everything(server))[name]()  # type: ignore[operator]


@pytest.mark.parametrize("name", NAMES)
def test_an_error_of_the_server_is_never_taken_for_success(name: str) -> None:
    with (
        api(500, b'{"error": "no room", "status": 500}') as answering,
        pytest.raises(Refused, match=r"with 500: .*no room"),
    ):
        call(Server(answering.url), name)


@pytest.mark.parametrize("name", NAMES)
def test_nobody_there_is_told_from_no_answer(name: str) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        with pytest.raises(Unreachable, match="no Toxiproxy listens at"):
            call(Server(f"http://127.0.0.1:{unheard.getsockname()[1]}"), name)


@pytest.mark.parametrize("name", NAMES)
def test_a_server_that_says_nothing_is_given_up(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaosrun.toxics._TIMEOUT_S", (1.0, 0.05))
    with socket.create_server(("127.0.0.1", 0)) as mute, pytest.raises(Frozen, match="does not answer"):
        call(Server(f"http://127.0.0.1:{mute.getsockname()[1]}"), name)


@pytest.mark.parametrize("name", ["remove", "take off"])
def test_what_is_gone_already_is_as_good_as_taken_away(name: str) -> None:
    with api(404, b'{"error": "not found", "status": 404}') as answering:
        call(Server(answering.url), name)


def test_there_being_no_proxy_of_a_name_is_no_error() -> None:
    with api(404, b"{}") as answering:
        assert Server(answering.url).proxy("p") is None


def test_something_else_that_answers_is_no_toxiproxy() -> None:
    with api(200, b"<html>") as answering, pytest.raises(Unavailable, match="is no Toxiproxy"):
        Server(answering.url).proxy("p")


def test_a_redirect_is_not_followed() -> None:
    with api(302, b"") as answering, pytest.raises(Refused, match="302"):
        Server(answering.url).version()


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with api() as answering, api(body=b'{"version": "of the proxy"}') as stranger:
        for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(variable, stranger.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert Server(answering.url).version() == "9.9"
        call(Server(answering.url), "off")
        assert stranger.asked == []


def test_two_servers_are_spoken_to_at_once_without_being_mixed_up() -> None:
    with api() as one, api() as two, ThreadPoolExecutor(8) as threads:
        for number in range(40):
            threads.submit(Server((one if number % 2 else two).url).switch, f"p{number}", on=False)
        threads.shutdown()
        assert sorted(one.asked) == sorted(f"POST /proxies/p{number}" for number in range(1, 40, 2))
        assert sorted(two.asked) == sorted(f"POST /proxies/p{number}" for number in range(0, 40, 2))


def test_a_version_may_be_said_without_json() -> None:
    with api(body=b"2.1.4\n") as answering:
        assert Server(answering.url).version() == "2.1.4"


def test_nothing_is_asked_of_anybody_elses_proxies() -> None:
    with api(body=b'{"name": "p", "listen": "", "upstream": "", "enabled": true}') as answering:
        for name in NAMES:
            if name not in ("version", "create"):
                call(Server(answering.url), name)
        assert len(answering.asked) == len(NAMES) - 2
        assert all(request.split()[1].startswith("/proxies/p") for request in answering.asked), answering.asked


def test_a_name_that_is_taken_is_refused() -> None:
    body = b'{"p": {"name": "p", "listen": "", "upstream": "", "enabled": true}}'
    with api(body=body) as answering, pytest.raises(Refused, match="has a proxy of that name"):
        call(Server(answering.url), "create")


HOSTILE = {
    "a list": b"[1]",
    "a number": b"7",
    "null": b"null",
    "deep": b"[" * 100_000,
    "deep in a proxy": b'{"name": ' + b"[" * 100_000,
    "no UTF-8": b'{"name": "\xff"}',
    "a huge number": b'{"p": ' + b"9" * 5000 + b"}",
    "nothing": b"",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("name", ["proxy", "create", "on", "add", "version"])
def test_an_answer_that_no_toxiproxy_gives_is_one_clear_error_or_none(name: str, body: bytes) -> None:
    with api(200, body) as answering:
        try:
            call(Server(answering.url), name)
        except Unavailable as refused:
            assert len(str(refused)) < 400


def test_what_a_server_says_is_cut_and_has_no_control_characters() -> None:
    with api(500, b"\x1b]0;mine\x07" + b"x" * 100_000) as answering, pytest.raises(Refused) as refused:
        Server(answering.url).proxy("p")
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 400


def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaosrun.toxics._LONGEST", 1000)
    with api(200, b"x" * 100_000) as answering, pytest.raises(Frozen, match="more than 1000 bytes"):
        Server(answering.url).proxy("p")
