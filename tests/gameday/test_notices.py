"""Notices to real servers that take them, refuse them, hang, flood and lead elsewhere, and through the real Apprise."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from chaosrun.cli import run_command_line
from chaosrun.gameday.notices import Message, Messenger, Patience, cannot_tell, harmless, shown
from chaosrun.scoring.suite import Notice
from chaosrun.spec.gameday import Event, Notify

SOON = Patience(attempts=3, connect_s=1.0, answer_s=0.3, first_pause_s=0.01, whole_s=5.0)
MUCH_LATER_S = 20.0
"""What nothing here takes, however busy the machine."""
Answer = Callable[[BaseHTTPRequestHandler, int], object]


class Heard:
    """What a server was told, and by which headers."""

    def __init__(self) -> None:
        self.url = ""
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.over = threading.Event()
        """The test is over: nothing needs to hang any longer."""


@contextmanager
def server(answer: Answer) -> Iterator[Heard]:
    """Does `answer` with the number of each request, from 1."""
    heard = Heard()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            heard.headers.append(dict(self.headers))
            answer(self, len(heard.bodies))

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.daemon_threads = True
        threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True).start()
        heard.url = f"http://127.0.0.1:{httpd.server_port}/services/T0/very-secret-token"
        try:
            yield heard
        finally:
            heard.over.set()
            httpd.shutdown()


def status(*codes: int, **headers: str) -> Answer:
    """These, one after the other; the last one from then on."""

    def answer(handler: BaseHTTPRequestHandler, number: int) -> None:
        handler.send_response(codes[min(number, len(codes)) - 1])
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def message(event: Event = "passed", **more: Any) -> Message:
    return Message(event=event, title="Game day 'x': passed", text="1. all of it", **more)


def webhook(url: str, *on: Event) -> Notify:
    return Notify.model_validate({"webhook": url, **({"on": list(on)} if on else {})})


def notices(receiver: Notify, *messages: Message, patience: Patience = SOON) -> tuple[Notice, ...]:
    messenger = Messenger([receiver], patience)
    for each in messages or (message(),):
        messenger.send(each)
    return messenger.wait()


def test_a_webhook_gets_a_text_for_people_and_the_same_as_data() -> None:
    with server(status(200)) as heard:
        told = notices(webhook(heard.url), message(data={"exit_code": 0, "title": "x"}))
    assert told == (Notice(to="webhook 127.0.0.1", on="passed", delivered=True),)
    assert heard.bodies == [
        {"text": "Game day 'x': passed\n1. all of it", "chaosrun": {"event": "passed", "exit_code": 0, "title": "x"}}
    ]
    assert heard.headers[0]["Content-Type"] == "application/json"


def test_user_and_password_of_an_address_are_said_as_http_says_them() -> None:
    with server(status(200)) as heard:
        notices(webhook(heard.url.replace("//", "//me:se%20cret@")))
    assert heard.headers[0]["Authorization"] == "Basic bWU6c2UgY3JldA=="
    assert "me" not in heard.headers[0]["Host"]


@pytest.mark.parametrize(
    ("answer", "asked", "why"),
    [
        (status(503, 429, 204), 3, ""),
        (status(500), 3, "it answered 500"),
        (status(404), 1, "it answered 404"),
        (
            status(302, Location="http://127.0.0.1:9/"),
            1,
            "it answered 302; name the address that it leads to, none is followed",
        ),
    ],
)
def test_what_may_pass_is_tried_again_and_what_will_not_is_told_at_once(answer: Answer, asked: int, why: str) -> None:
    with server(answer) as heard:
        (told,) = notices(webhook(heard.url))
    assert (told.delivered, told.why, len(heard.bodies)) == (not why, why, asked)


def test_a_receiver_that_hangs_or_floods_is_given_up_in_bounded_time() -> None:
    def hang(_handler: BaseHTTPRequestHandler, _number: int) -> None:
        hung.over.wait(MUCH_LATER_S)

    def drip(handler: BaseHTTPRequestHandler, _number: int) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not dripping.over.wait(0.05):
            handler.wfile.write(b"X-More: of it\r\n")

    def flood(handler: BaseHTTPRequestHandler, _number: int) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X-More: of it\r\n" * 100_000)

    began = time.monotonic()
    with server(hang) as hung, server(drip) as dripping, server(flood) as flooding:
        messenger = Messenger([webhook(each.url) for each in (hung, dripping, flooding)], SOON)
        messenger.send(message())
        told = messenger.wait()
    assert time.monotonic() - began < MUCH_LATER_S
    assert [(each.delivered, each.why) for each in told[:2]] == [(False, "no whole answer in time")] * 2
    assert not told[2].delivered
    assert len(hung.bodies) == len(dripping.bodies) == 3


def test_a_whole_notice_is_bounded_too_whatever_its_attempts_are_doing() -> None:
    with server(lambda *_: heard.over.wait(MUCH_LATER_S)) as heard:
        (told,) = notices(webhook(heard.url), patience=Patience(answer_s=MUCH_LATER_S, whole_s=0.3))
    assert (told.delivered, told.why) == (False, "no answer in time")


def test_a_receiver_that_is_not_there_is_told_without_its_address() -> None:
    told = notices(webhook("http://127.0.0.1:9/very-secret-token"))
    assert [each.why for each in told] == ["nobody is there"]
    assert "secret" not in repr(told)


def test_everybody_is_told_of_what_they_asked_for_and_always_of_a_dirty_system() -> None:
    with server(status(200)) as heard:
        told = notices(
            webhook(heard.url, "started"), *map(message, ("started", "passed", "failed", "refused", "dirty"))
        )
    assert [each.on for each in told] == ["started", "dirty"]
    assert sorted(each["chaosrun"]["event"] for each in heard.bodies) == ["dirty", "started"]


def test_what_servers_said_mentions_nobody_and_is_no_markup_and_is_cut_off() -> None:
    assert harmless("<!channel> & @here") == "\u2039!channel\u203a & @\u200bhere"
    assert len(harmless("x" * 100_000)) < 3100


@pytest.mark.filterwarnings("ignore:.*imghdr:DeprecationWarning")  # of what Apprise imports
def test_apprise_delivers_what_it_is_asked_to_and_says_when_it_cannot() -> None:
    def taken(handler: BaseHTTPRequestHandler, number: int) -> None:
        status(200)(handler, number)

    with server(taken) as heard:
        address = heard.url.replace("http://", "json://")
        (told,) = notices(Notify.model_validate({"apprise": address}), message(event="failed"))
    assert told == Notice(to="apprise json", on="failed", delivered=True)
    assert (heard.bodies[0]["title"], heard.bodies[0]["message"], heard.bodies[0]["type"]) == (
        "Game day 'x': passed",
        "1. all of it",
        "failure",
    )
    with server(status(500)) as heard:
        address = heard.url.replace("http://", "json://")
        (told,) = notices(Notify.model_validate({"apprise": address}))
    assert (told.delivered, told.why, len(heard.bodies)) == (False, "Apprise could not deliver it", 3)
    (told,) = notices(Notify.model_validate({"apprise": "nosuchservice://very-secret-token"}))
    assert (told.delivered, told.why) == (False, "Apprise knows no such address")


def test_where_apprise_is_not_installed_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "apprise", None)  # as if it were not there
    receiver = Notify.model_validate({"apprise": "json://127.0.0.1"})
    (told,) = notices(receiver)
    assert "pip install 'chaosrun[notify]'" in told.why
    assert cannot_tell([receiver]) == told.why, "and that before the day begins"
    assert cannot_tell([Notify.model_validate({"webhook": "http://127.0.0.1/"})]) is None


def test_a_day_says_before_it_begins_that_somebody_cannot_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    experiment = Path(__file__).parents[2] / "experiments" / "server-restart.yaml"
    (tmp_path / "day.yaml").write_text(
        f"title: A day\nexperiments: [{{file: {experiment}}}]\nnotify: [{{apprise: 'json://127.0.0.1'}}]\n"
    )
    for missing in (True, False):
        with monkeypatch.context() as patch, CliRunner().isolation() as streams:
            if missing:
                patch.setitem(sys.modules, "apprise", None)
            assert run_command_line(["gameday", str(tmp_path / "day.yaml"), "--dry-run"]) == 0
            told = streams[1].getvalue().decode()
        assert ("not everybody will be told of this day: Apprise is not installed here" in told) == missing


def test_a_receiver_is_shown_by_its_host_or_service_alone() -> None:
    assert shown(webhook("https://hooks.example.com/services/T0/secret")) == "webhook hooks.example.com"
    assert shown(Notify.model_validate({"apprise": "slack://a/b/c"})) == "apprise slack"
