"""Claims about asking an outside address, against real servers on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from chaosrun.guards import endpoint as module
from chaosrun.guards.endpoint import LONGEST_ANSWER, Asking, Look, look
from chaosrun.guards.guard import Endpoint
from chaosrun.guards.sight import Reading

S = 1_000_000_000


class Server:
    """Answers every connection with the same bytes, which need not be HTTP, and remembers what it was asked."""

    def __init__(self, answer: bytes, *, byte_every_s: float = 0.0) -> None:
        self.answer = answer
        self.asked: list[bytes] = []
        self._byte_every_s = byte_every_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/health"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @contextlib.contextmanager
    def running(self) -> Iterator[Server]:
        self._thread.start()
        try:
            yield self
        finally:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                self.asked.append(connection.recv(65536))
                for piece in self._pieces():
                    connection.sendall(piece)
                    time.sleep(self._byte_every_s)

    def _pieces(self) -> Iterator[bytes]:
        if not self._byte_every_s:
            yield self.answer
            return
        for byte in self.answer:
            yield bytes([byte])


def http(status: str, body: bytes = b"", *more: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *more, "", ""]
    return "\r\n".join(head).encode() + body


def asked(answer: bytes, **wanted: object) -> Look:
    with Server(answer).running() as server:
        return look(Endpoint(server.url, timeout_ns=20 * S, **wanted))


@pytest.mark.parametrize(
    ("status", "statuses", "holds"),
    [
        ("200 OK", (), True),
        ("204 No Content", (), True),
        ("299 Odd", (), True),
        ("300 Multiple", (), False),
        ("404 Not Found", (), False),
        ("503 Unavailable", (), False),
        ("404 Not Found", (404, 410), True),
        ("410 Gone", (404, 410), True),
        ("200 OK", (404, 410), False),
    ],
)
def test_any_2xx_is_right_unless_statuses_are_named(status: str, statuses: tuple[int, ...], holds: bool) -> None:
    seen = asked(http(status), statuses=statuses)
    assert seen == (Look(True) if holds else Look(False, f"status {status[:3]}"))


def test_a_redirect_is_a_status_and_is_not_followed() -> None:
    with Server(http("200 OK")).running() as elsewhere:
        seen = asked(http("302 Found", b"", f"Location: {elsewhere.url}"))
        assert seen == Look(False, "status 302")
        assert elsewhere.asked == []
    assert asked(http("302 Found", b"", "Location: /health"), statuses=(302,)) == Look(True)


def test_what_must_be_in_the_answer_and_what_must_not() -> None:
    fires = http("200 OK", b'{"alerts": ["full"]}')
    calm = http("200 OK", b'{"alerts": []}')
    assert asked(calm, contains='"alerts": []') == Look(True)
    assert asked(fires, contains='"alerts": []') == Look(False, "its answer does not contain '\"alerts\": []'")
    assert asked(calm, lacks="full") == Look(True)
    assert asked(fires, lacks="full") == Look(False, "its answer contains 'full'")
    assert asked(http("500 Oh", b"calm"), contains="calm") == Look(False, "status 500"), "the status counts too"


def test_a_body_is_bounded_and_one_that_is_longer_is_not_right() -> None:
    assert asked(http("200 OK", b"x" * LONGEST_ANSWER), lacks="full") == Look(True)
    seen = asked(http("200 OK", b"x" * (LONGEST_ANSWER + 1)), lacks="full")
    assert (seen.holds, str(LONGEST_ANSWER) in seen.why) == (False, True)


def test_a_body_that_nobody_asked_for_is_not_waited_for() -> None:
    assert asked(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n") == Look(True)


def test_no_answer_no_http_and_nobody_there_are_failures_of_the_other_side() -> None:
    assert asked(b"").holds is False
    assert asked(b"SSH-2.0-OpenSSH_9\r\n").holds is False
    with Server(b"").running() as server:
        gone = server.url
    assert look(Endpoint(gone)) == Look(False, "Connection refused")


def test_an_answer_that_drips_in_is_given_up_in_time() -> None:
    with Server(http("200 OK", b"x" * 10_000), byte_every_s=0.02).running() as server:
        began = time.monotonic()
        seen = look(Endpoint(server.url, contains="y", timeout_ns=S // 5))
        assert seen.holds is False
        assert time.monotonic() - began < 20, "the whole answer would take 200 s"


def test_what_keeps_this_machine_from_asking_says_nothing_of_the_other_side() -> None:
    with Server(http("200 OK")).running() as server:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))  # no descriptor is left for a socket
        try:
            seen = look(Endpoint(server.url))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert seen == Look(None, "Too many open files")
        assert look(Endpoint(server.url)) == Look(True)


def test_what_cannot_be_asked_in_http_says_nothing_of_the_other_side() -> None:
    assert look(Endpoint("http://a..b/")).holds is None
    assert look(Endpoint("http://127.0.0.1:1/", headers={"X-Two": "lines\r\nX-More: 1"})).holds is None


def test_headers_are_sent_and_no_repr_shows_them() -> None:
    with Server(http("200 OK")).running() as server:
        asking = Endpoint(f"{server.url}?key=topsecret", headers={"Authorization": "Bearer topsecret"})
        assert look(asking) == Look(True)
    (request,) = server.asked
    assert b"GET /health?key=topsecret HTTP/1.1\r\n" in request
    assert b"uthorization: Bearer topsecret\r\n" in request
    assert "topsecret" not in repr(asking)


def test_failures_are_counted_in_a_row_and_what_could_not_be_asked_does_not_break_it() -> None:
    asking = Asking(Endpoint("http://h/"))
    assert asking.reading.blind, "not asked yet"
    for holds, expected in ((False, 1.0), (False, 2.0), (None, None), (False, 3.0), (True, 0.0), (False, 1.0)):
        asking.hear(Look(holds, "" if holds else "why"))
        assert asking.reading.value == expected
        assert asking.reading == (
            Reading(blind="it could not be asked: why")
            if holds is None
            else Reading(expected, note="" if holds else "why")
        )


def test_it_is_asked_again_and_again_and_never_twice_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = most = looks = 0
    enough = threading.Event()

    def slow(endpoint: Endpoint) -> Look:
        nonlocal now, most, looks
        now, looks = now + 1, looks + 1
        most = max(most, now)
        time.sleep(0.02)
        now -= 1
        if looks == 5:
            enough.set()
        return Look(True)

    monkeypatch.setattr(module, "look", slow)

    async def follow() -> None:
        task = asyncio.create_task(Asking(Endpoint("http://h/", every_ns=1_000_000)).go_on())
        await asyncio.to_thread(enough.wait, 30)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(follow())
    assert looks >= 5
    assert most == 1
