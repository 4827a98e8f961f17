"""The truth server does what its script says, and its log says what it did."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from measured import SERVER
from truth import Truth, read_truth
from truth_log import Copy, End, What
from truth_script import Errors, Feed, Order, Outage, Renumber, Script, Spoil
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from chaosrun.targets import ports

PATIENCE_S = 30.0


class Running:
    """A truth server, and what a client sees of it."""

    def __init__(self, script: Script, folder: Path) -> None:
        self._script = script
        self.order = Order(script=script, port=ports.free_port(), folder=str(folder))
        self.order.write(folder / "order.json")
        self._folder = folder
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.start()

    def start(self) -> None:
        command = [sys.executable, str(SERVER), str(self._folder / "order.json")]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"listening\n"

    def begin(self, section: str) -> None:
        self._socket.sendto(section.encode(), self.order.control)

    def client(self, number: int) -> AbstractContextManager[ClientConnection]:
        return connect(f"ws://127.0.0.1:{self.order.port}/?who=users-{number}", open_timeout=PATIENCE_S, proxy=None)

    def truth(self) -> Truth:
        return read_truth(self._folder, 0, self._script)

    def wait_for(self, seen: Callable[[Truth], object]) -> Truth:
        end = time.monotonic() + PATIENCE_S
        while not seen(truth := self.truth()):
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.01)
        return truth

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def end(self) -> None:
        self._socket.close()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        assert self.process.wait(PATIENCE_S) in (0, -9)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[Script], Running]]:
    running: list[Running] = []

    def start(script: Script) -> Running:
        running.append(Running(script, tmp_path))
        return running[-1]

    yield start
    for each in running:
        each.end()


def tell(client: ClientConnection, **message: object) -> None:
    client.send(json.dumps(message))


def hear(client: ClientConnection) -> dict[str, Any]:
    return json.loads(client.recv(timeout=PATIENCE_S))  # type: ignore[no-any-return]


def test_an_outage_ends_connections_and_is_over_when_the_log_says_so(serve: Callable[[Script], Running]) -> None:
    server = serve(Script(sections={"dip": (Outage(how="close", code=1013, doors="503", lasts=0.3),)}))
    with server.client(4) as client:
        before = time.monotonic_ns()
        tell(client, op="ask", id=7)
        assert hear(client) == {"op": "answer", "id": 7}
        server.wait_for(lambda truth: truth.of(4)[0].served)  # it is noted after it is written
        after = time.monotonic_ns()
        server.begin("dip")
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=PATIENCE_S)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1013
    with pytest.raises(InvalidStatus), server.client(4):
        pass
    truth = server.wait_for(lambda truth: any(act.over for act in truth.acts("dip")))
    with server.client(4):
        pass
    (dip,) = truth.acts("dip")
    first, refused = truth.connections[:2]
    assert (first.client, first.how) == (4, End.CLOSE)
    (ask,) = first.asks
    assert ask.id == 7 and ask.ok and ask.answered is not None
    assert before < ask.at <= ask.read < ask.answered < after
    assert first.ended is not None and dip.over is not None
    assert after < first.ended <= dip.begun < refused.accepted < dip.over
    assert dip.over - dip.begun >= 150_000_000  # its loop counts from when it woke up


def test_the_log_outlives_sigkill_and_the_next_start_has_its_own(serve: Callable[[Script], Running]) -> None:
    server = serve(Script(sections={"restarted": (Errors(),)}))
    with server.client(0) as client:
        tell(client, op="ask", id=1)
        server.wait_for(lambda truth: truth.of(0) and truth.of(0)[0].served)
        server.kill()
    killed = time.monotonic_ns()
    server.start()
    with server.client(0) as client:
        tell(client, op="ask", id=1)
        assert hear(client)["op"] == "error"
        old, new = server.wait_for(lambda truth: truth.of(0)[1].asks[0].answered).of(0)
    assert [each.start for each in (old, new)] == [0, 1]
    assert old.ended is not None and old.ended < killed < new.accepted
    assert [each.asks[0].ok for each in (old, new)] == [True, False]


def test_pushes_are_dropped_doubled_and_numbered_anew_as_the_log_says(serve: Callable[[Script], Running]) -> None:
    fates = (Spoil(drop=0.3, duplicate=0.3, reorder=0.3),)
    server = serve(
        Script(sections={"always": fates, "again": (Renumber(),)}, feed=Feed(per_s=200), channels=("a", "b"), seed=5)
    )
    with server.client(3) as client:
        tell(client, op="sub", ch="b")
        got = [hear(client)]
        while len(got) < 100:
            got.append(hear(client))
        server.begin("again")
        while got[-1]["ep"] == got[0]["ep"]:
            got.append(hear(client))
        truth = server.wait_for(lambda truth: sum(e.client == 3 for e in truth.entries(What.PUSHED)) >= len(got) - 1)
    assert got[0]["op"] == "subbed" and got[0]["ch"] == "b"
    copies = [entry for entry in truth.entries(What.PUSHED) if entry.client == 3]
    assert [(push["n"], push["ep"]) for push in got[1:]] == [(e.a, str(e.epoch)) for e in copies][: len(got) - 1]
    assert {Copy(entry.b) for entry in copies} == {Copy.LIVE, Copy.DUPLICATE, Copy.LATE}
    dropped = {(entry.a, entry.epoch) for entry in truth.entries(What.DROPPED)}
    assert dropped
    assert not dropped & {(entry.a, entry.epoch) for entry in copies}
    assert got[-1]["n"] < 20
