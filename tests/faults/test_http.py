"""The fault `http` against a real server: what is sent, what of it may be written down, and how it is taken back."""

from __future__ import annotations

import asyncio
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from chaosrun.errors import SpecError
from chaosrun.faults.http import Http, make
from chaosrun.records import Undo
from chaosrun.safety.undo import take_away
from chaosrun.spec.loader import load_experiment
from chaosrun.spec.secret import Secret
from chaosrun.spec.steps import HttpStep
from chaosrun.spec.steps.service import HttpCall


class Switch(http.server.BaseHTTPRequestHandler):
    """Notes what it is sent, and answers with the status that the path names: /200, /302, /500."""

    seen: ClassVar[list[tuple[str, str, str, dict[str, str]]]] = []

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        type(self).seen.append((self.command, self.path, body, dict(self.headers)))
        status = int(self.path.strip("/")[:3])
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/200")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def base() -> Iterator[str]:
    Switch.seen = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Switch)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class World:
    """Implements as much of `chaosrun.faults._base.World` as a request needs."""

    def __init__(self, base: str) -> None:
        self._base = base

    def address(self, role: str | None) -> str:
        return self._base


def call(path: str = "/200", **more: object) -> HttpCall:
    return HttpCall.model_validate({"path": path, **more})


def inject(fault: Http, base: str) -> tuple[Undo, tuple[bool, str]]:
    async def story() -> tuple[Undo, tuple[bool, str]]:
        world = World(base)
        record = fault.plan(world, "fault-1")  # type: ignore[arg-type]
        await fault.inject(world)  # type: ignore[arg-type]
        confirmation = await fault.confirm(world)  # type: ignore[arg-type]
        return record, (confirmation.verified, confirmation.how)

    return asyncio.run(story())


def test_a_switch_is_turned_and_turned_back_from_the_record_alone(base: str) -> None:
    send = call("/200/on", method="PUT", json={"refuse": 503}, headers={"X-Who": "chaos"})
    fault = Http("turn", send=send, undo=call("/200/off", method="DELETE"))
    record, (verified, how) = inject(fault, base)
    assert fault.sustained
    assert (verified, how) == (True, f"PUT {base}/200/on was answered with 200")
    assert take_away(record).clean
    [on, off] = Switch.seen
    assert on[:2] == ("PUT", "/200/on")
    assert json.loads(on[2]) == {"refuse": 503}
    assert (on[3]["Content-Type"], on[3]["X-Who"]) == ("application/json", "chaos")
    assert off[:3] == ("DELETE", "/200/off", "")


def test_a_plan_sends_nothing(base: str) -> None:
    Http("turn", send=call(), undo=call()).plan(World(base), "f")  # type: ignore[arg-type]
    assert Switch.seen == []


@pytest.mark.parametrize("status", [500, 404, 302])
def test_any_answer_but_2xx_is_no_effect_and_redirects_are_not_followed(base: str, status: int) -> None:
    _, (verified, how) = inject(Http("turn", send=call(f"/{status}"), undo=call()), base)
    assert not verified
    assert how.endswith(f"was answered with {status}")
    assert len(Switch.seen) == 1


def test_nobody_there_is_no_effect_and_an_undo_that_fails(base: str) -> None:
    from chaosrun.targets.ports import free_port

    record, (verified, how) = inject(Http("turn", send=call(), undo=call()), f"http://127.0.0.1:{free_port()}")
    assert not verified
    assert "was not answered" in how
    outcome = take_away(record)
    assert not outcome.clean
    assert "was not answered" in outcome.error


def test_an_undo_that_is_refused_is_tried_again_and_then_said(base: str) -> None:
    record, _ = inject(Http("turn", send=call(), undo=call("/503")), base)
    outcome = take_away(record)
    assert (outcome.clean, outcome.error) == (False, f"POST {base}/503 was answered with 503")
    assert len(Switch.seen) > 2


def test_what_is_permanent_sends_one_request_and_no_other(base: str) -> None:
    fault = Http("turn", send=call())
    record, _ = inject(fault, base)
    assert not fault.sustained
    assert take_away(record).clean
    assert len(Switch.seen) == 1


def test_a_secret_is_sent_and_not_written_down(base: str) -> None:
    send = call(json={"key": Secret("very-secret")}, headers={"Authorization": Secret("Bearer very-secret")})
    record, (verified, how) = inject(Http("turn", send=send, undo=call()), base)
    assert verified
    assert json.loads(Switch.seen[0][2]) == {"key": "very-secret"}
    assert Switch.seen[0][3]["Authorization"] == "Bearer very-secret"
    assert b"very-secret" not in msgspec.json.encode(record)
    assert "very-secret" not in how


def test_a_url_of_its_own_goes_there(base: str) -> None:
    step = {"fault": "http", "send": {"url": f"{base}/200/there"}, "permanent": True}
    fault = make(HttpStep.model_validate(step))
    assert isinstance(fault, Http)
    _, (verified, _) = inject(fault, "http://127.0.0.1:9")
    assert verified
    assert Switch.seen[0][1] == "/200/there"


EXPERIMENT = """\
title: t
secrets: {key: very-secret}
steady_state: {load: {a: {protocol: mt5, clients: 300, requests: 1/s}}}
target: {reference: mt5-bridge}
method: [{fault: http, STEP}]
"""


def test_the_switches_of_a_role_may_be_turned_elsewhere_only_where_that_is_allowed(tmp_path: Path) -> None:
    role = "{process: bridge, admin: 'http://10.1.2.3:9901'}"
    step = "role: server, send: {path: /x}, permanent: true"
    target = f"target: {{url: 'ws://localhost:1/', roles: {{server: {role}}}}}"
    path = tmp_path / "e.yaml"
    path.write_text(EXPERIMENT.replace("target: {reference: mt5-bridge}", target).replace("STEP", step))
    with pytest.raises(SpecError, match=r"target\.roles\.server\.admin: 10\.1\.2\.3 is not loopback.*allow: \[10\.1"):
        load_experiment(path)
    path.write_text(path.read_text().replace("localhost:1/'", "localhost:1/', allow: [10.1.2.3]"))
    load_experiment(path)


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ("send: {path: /x}", "needs `undo`, or `permanent: true`"),
        ("send: {path: /x}, undo: {path: /y}, permanent: true", "take it or `undo` out"),
        ("send: {path: /x, url: 'http://localhost/x'}, permanent: true", "exactly one of `path` and `url`"),
        ("send: {path: /x}, undo: {path: /y, headers: {A: '${secret.key}'}}", "`undo` holds a secret"),
        ("send: {path: /x}, undo: {path: /y, json: {a: ['${secret.key}']}}", "`undo` holds a secret"),
        ("send: {url: 'http://example.com/x'}, permanent: true", r"method\.0\.send\.url: example\.com is not loopback"),
        (
            "send: {path: /x}, undo: {url: 'http://example.com/y'}",
            r"method\.0\.undo\.url: example\.com is not loopback",
        ),
        ("role: sever, send: {path: /x}, permanent: true", "no role 'sever'"),
    ],
)
def test_a_step_that_is_wrong_is_told_before_anything_is_sent(tmp_path: Path, step: str, says: str) -> None:
    path = tmp_path / "e.yaml"
    path.write_text(EXPERIMENT.replace("STEP", step))
    with pytest.raises(SpecError, match=says) as refused:
        load_experiment(path)
    assert "very-secret" not in str(refused.value)
