"""The campaign's own eyes: what a fault would leave is seen, as long as it is there and no longer."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
import seen
from shots import TAG, orphans
from stages import ClientDisconnect, ProcessKill, ProcessPause, Stage, Toxiproxy, wait_until

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def well(stage: Stage) -> Iterator[None]:
    """A stage on which all is as it was, before and after."""
    with stage:
        assert stage.standing() + stage.unwell() == []
        yield
        wait_until(lambda: not stage.standing() + stage.unwell(), "all is as it was")


def test_a_stopped_service_is_seen() -> None:
    stage = ProcessPause()
    with well(stage):
        [service] = stage.services()
        os.kill(service.pid, signal.SIGSTOP)
        wait_until(lambda: seen.is_stopped(service.pid), "it is stopped")
        assert "stopped: " in stage.standing()[0]
        os.kill(service.pid, signal.SIGCONT)


def test_a_service_that_is_down_or_there_twice_is_seen() -> None:
    stage = ProcessKill()
    with well(stage):
        with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", stage.mark]) as other:
            assert stage.standing() + stage.unwell() == [], "to have its mark is not to be the service"
            other.kill()
        command = [sys.executable, *seen.command_line(stage.services()[0].pid)[1:-1]]
        at = command.index("--port") + 1
        with subprocess.Popen([*command[:at], "0", *command[at + 1 :]], stdin=subprocess.DEVNULL) as second:
            wait_until(lambda: len(stage.services()) == 2, "there are two")
            assert "2 processes are the service" in stage.unwell()[0]
            second.kill()
        [first] = stage.services()
        os.kill(first.pid, signal.SIGKILL)
        wait_until(lambda: stage.standing() == ["the service is down"], "it is down")
        again = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        wait_until(lambda: not stage.standing() + stage.unwell(), "it is up again")
    again.wait()


def test_a_connection_that_was_left_is_seen() -> None:
    stage = ClientDisconnect()
    with well(stage), socket.create_connection(("127.0.0.1", stage.port)):
        assert stage.standing() == ["1 connections of the load"]


def test_a_toxic_a_proxy_and_what_was_done_to_that_of_somebody_else_is_seen() -> None:
    stage = Toxiproxy()
    with stage:
        mine = {"name": "mine", "listen": "127.0.0.1:0", "upstream": f"127.0.0.1:{stage.port}"}
        stage.ask("POST", "/proxies", mine)
        assert (stage.standing(), stage.unwell()) == ([], ["proxy mine is left"])
        stage.ask("POST", "/proxies/mine/toxics", {"type": "latency", "attributes": {"latency": 5}})
        assert "mine: " in stage.standing()[0]
        stage.ask("DELETE", "/proxies/mine")
        assert stage.standing() + stage.unwell() == []
        stage.ask("DELETE", "/proxies/theirs/toxics/slow")
        assert stage.unwell() == ["the proxy of somebody else is not as it was"]


def test_a_process_that_was_left_is_seen_by_its_tag_or_its_parents() -> None:
    stage = ProcessPause()
    nap = [sys.executable, "-c", "import time; time.sleep(60)"]
    with (
        well(stage),
        subprocess.Popen(nap, env={**os.environ, TAG: "this run"}) as tagged,
        subprocess.Popen(nap) as below,
    ):
        family = seen.family(os.getpid())
        wait_until(lambda: orphans(stage, "this run", set()) != [], "its tag is seen")
        assert [str(tagged.pid) in told for told in orphans(stage, "this run", set())] == [True]
        assert any(str(below.pid) in told for told in orphans(stage, "no run", family))
        assert orphans(stage, "no run", set()) == []
        tagged.kill()
        below.kill()
        tagged.wait()
        below.wait()
        assert not any(str(below.pid) in told for told in orphans(stage, "this run", family))
