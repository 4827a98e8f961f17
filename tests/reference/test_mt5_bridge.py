"""The bridge as a server: who gets in, what it refuses, what it tells of itself, how it ends and comes back."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest
from mt5_programs import Launch, Program, Service, talk
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from chaosrun.reference import PORT_TAKEN


def get(port: int, path: str) -> tuple[int, str, str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as reply:
        return reply.status, reply.headers["Content-Type"], reply.read().decode()


def test_a_wrong_token_is_refused_with_4401_and_the_right_one_is_not(launch: Launch, tmp_path: Path) -> None:
    service = Service(launch, tmp_path, env={"CHAOSRUN_TOKEN": "right"})

    async def scenario() -> None:
        for token in ("wrong", ""):
            async with talk(service.url) as client:
                await client.send(type="auth", account="1001", token=token)
                assert (await client.hear("error"))["error"] == "auth refused"
                await client.socket.wait_closed()
                assert client.socket.close_code == 4401
        async with talk(service.url) as client:
            await client.subscribe("EURUSD", token="right")

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "bad",
    [
        "garbage",
        "[]",
        '{"type": "dance"}',
        '{"type": "ping"}',
        '{"type": "subscribe", "channels": "EURUSD"}',
        '{"type": "subscribe", "channels": []}',
        '{"type": "subscribe", "channels": ["EURUSD", "NOPE"]}',
        b"\x00\xff",
    ],
)
def test_bad_input_gets_an_error_and_leaves_the_connection_open(service: Service, bad: str | bytes) -> None:
    async def scenario() -> None:
        async with talk(service.url) as client:
            await client.send(type="auth", account="1001")
            await client.hear("auth_ok")
            await client.socket.send(bad)
            assert (await client.hear("error"))["error"]
            await client.send(type="ping", id="x")
            assert (await client.hear("pong"))["id"] == "x"

    asyncio.run(scenario())


def test_nothing_is_answered_before_authentication_but_an_error(service: Service) -> None:
    async def scenario() -> None:
        async with talk(service.url) as client:
            await client.send(type="ping", id=7)
            assert await client.hear("error") == {"type": "error", "error": "authenticate first", "id": 7}
            await client.send(type="subscribe", channels=["EURUSD"])
            await client.hear("error")

    asyncio.run(scenario())


def test_metrics_are_prometheus_text_and_count_what_happened(service: Service) -> None:
    async def scenario() -> str:
        async with talk(service.url) as client:
            await client.subscribe("EURUSD")
            for number in range(3):
                await client.send(type="ping", id=number)
                await client.hear("pong")
            await client.hear("tick")
            return (await asyncio.to_thread(get, service.bridge.port, "/metrics"))[2]

    text = asyncio.run(scenario())
    sample = re.compile(r'[a-z][a-z0-9_]*(\{[a-z]+="[^"]*"\})? \d+')
    comment = re.compile(r"# (HELP [a-z0-9_]+ .+|TYPE [a-z0-9_]+ (counter|gauge))")
    assert all(comment.fullmatch(line) or sample.fullmatch(line) for line in text.splitlines())
    assert "\nmt5_bridge_pings_total 3\n" in text
    assert "\nmt5_bridge_connections 1\n" in text
    assert "\nmt5_bridge_feed_up 1\n" in text
    assert re.search(r'mt5_bridge_ticks_total\{symbol="EURUSD"\} [1-9]', text)


def test_healthz_tells_the_boot_and_the_feed_and_other_paths_are_404(service: Service) -> None:
    status, kind, text = get(service.bridge.port, "/healthz")
    health = json.loads(text)
    assert (status, kind, health["status"]) == (200, "application/json", "ok")
    assert health["feed"] in ("live", "stale")
    service.bridge.end(signal.SIGTERM)
    service.bridge.start()
    assert json.loads(get(service.bridge.port, "/healthz")[2])["boot_id"] != health["boot_id"]
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(service.bridge.port, "/elsewhere")


def test_sigterm_closes_every_client_with_1001_and_exits_0(service: Service) -> None:
    async def scenario() -> None:
        async with talk(service.url) as client:
            await client.subscribe("EURUSD")
            service.bridge.process.send_signal(signal.SIGTERM)
            await client.socket.wait_closed()
            assert client.socket.close_code == 1001

    asyncio.run(scenario())
    assert service.bridge.process.wait(30) == 0


def test_killed_under_live_connections_it_serves_on_the_same_port_at_once(service: Service) -> None:
    async def scenario() -> None:
        sockets = [await connect(service.url, proxy=None) for _ in range(50)]
        service.bridge.end(signal.SIGKILL)
        service.bridge.start()
        async with talk(service.url) as client:
            await client.subscribe("EURUSD")
            await client.hear("tick")
        for each in sockets:
            await each.wait_closed()
            assert each.close_code == 1006

    asyncio.run(scenario())


def test_its_events_tell_each_client_from_accept_to_close(service: Service) -> None:
    async def scenario() -> None:
        async with talk(service.url) as client:
            await client.subscribe("EURUSD", account="2002")

    asyncio.run(scenario())
    service.bridge.end(signal.SIGTERM)
    events = service.bridge_events()
    assert [each["event"] for each in events if each.get("conn") == 0] == ["accept", "auth", "subscribed", "closed"]
    assert {each["account"] for each in events if each["event"] in ("auth", "closed")} == {"2002"}
    assert [each["t"] for each in events] == sorted(each["t"] for each in events)
    assert events[0]["event"] == "listening"


def test_a_client_that_does_not_read_is_cut_off_and_holds_nobody_up(launch: Launch, tmp_path: Path) -> None:
    service = Service(launch, tmp_path, rate=500)

    async def flood(idle: ClientConnection) -> None:
        await idle.send(json.dumps({"type": "auth", "account": "slow"}))
        with suppress(ConnectionClosed):
            while True:
                await idle.send(json.dumps({"type": "ping", "id": "x" * 60_000}))

    async def scenario() -> None:
        small = socket.socket()
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        small.connect(("127.0.0.1", service.bridge.port))
        async with connect(service.url, sock=small, max_queue=1) as idle, talk(service.url) as client:
            await client.subscribe("EURUSD")
            flooding = asyncio.create_task(flood(idle))
            while not any(each["event"] == "cut_off" for each in service.bridge_events()):
                await client.hear("tick")
            await flooding
            seqs = [tick["seq"] for tick in client.ticks]
            assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))

    asyncio.run(scenario())


def test_a_taken_port_is_told_with_its_own_exit_code(service: Service) -> None:
    for module, more in (("mt5_bridge", ["--terminal", "127.0.0.1:1"]), ("mt5_terminal", [])):
        argv = [sys.executable, "-m", f"chaosrun.reference.{module}", "--port", str(service.bridge.port), *more]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == PORT_TAKEN
        assert f"cannot listen on 127.0.0.1:{service.bridge.port}: Address already in use" in done.stderr
        assert "RuntimeWarning" not in done.stderr


def test_both_programs_end_with_their_standard_input(service: Service) -> None:
    def close_stdin(program: Program) -> int:
        assert program.process.stdin is not None
        program.process.stdin.close()
        return program.process.wait(20)

    assert close_stdin(service.bridge) == 0
    assert close_stdin(service.terminal) == 0
