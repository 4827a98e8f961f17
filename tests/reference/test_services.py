"""What holds for each of the services of one program: it tells of itself, it ends, it misbehaves when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from mt5_programs import Launch
from talking import Served, ask, client
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus

from chaosrun.errors import UsageError
from chaosrun.reference import names, service

PATHS = {"stock_tracker": "/ws/market", "agents": "/ws", "strategy_stream": "/ws"}
MODULES = sorted(PATHS)
FAST = {"stock_tracker": ("--throttle-ms", 20), "agents": ("--rate", 50), "strategy_stream": ("--rate", 50)}
CHANNEL = {"stock_tracker": "market", "agents": "agents", "strategy_stream": "ES"}
PUSH = {"stock_tracker": "market", "agents": "event", "strategy_stream": "tick"}


@pytest.fixture(params=MODULES)
def module(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def serve(launch: Launch, module: str, directory: Path, *args: object) -> Served:
    return Served(launch, module, directory, *FAST[module], *args)


async def numbers(served: Served, module: str, count: int) -> tuple[dict[str, object], list[int]]:
    """The head told at the subscription, and the numbers pushed after it."""
    async with client(served.url(PATHS[module])) as user:
        if module == "stock_tracker":
            head = (await user.hear("status"))["head"]
        else:
            head = (await user.answer("subscribed", type="subscribe", channel=CHANNEL[module]))["head"]
        return head, [(await user.hear(PUSH[module]))["seq"] for _ in range(count)]


def test_a_client_gets_every_number_after_its_head_and_the_log_has_each(
    launch: Launch, module: str, tmp_path: Path
) -> None:
    served = serve(launch, module, tmp_path)
    head, received = asyncio.run(numbers(served, module, 5))
    assert received == list(range(head["seq"] + 1, head["seq"] + 6))
    published = served.published(CHANNEL[module], str(head["boot_id"]))
    assert published == list(range(1, len(published) + 1))
    assert received[-1] <= len(published)


def test_killed_it_serves_on_its_port_with_a_new_epoch_from_1(launch: Launch, module: str, tmp_path: Path) -> None:
    served = serve(launch, module, tmp_path)
    before, _ = asyncio.run(numbers(served, module, 2))
    served.program.end(signal.SIGKILL)
    served.program.start()
    after, _ = asyncio.run(numbers(served, module, 1))
    assert after["boot_id"] != before["boot_id"]
    assert served.published(CHANNEL[module], str(after["boot_id"]))[0] == 1


def test_it_tells_its_health_and_counts_and_knows_no_other_page(launch: Launch, module: str, tmp_path: Path) -> None:
    served = serve(launch, module, tmp_path)
    head, _ = asyncio.run(numbers(served, module, 1))
    status, health = served.get("/healthz")
    assert (status, health["status"], health["boot_id"]) == (200, "ok", head["boot_id"])
    text: str = served.get("/metrics")[1]
    sample = re.compile(r'[a-z][a-z0-9_]*(\{[a-z]+="[^"]*"\})? \d+')
    comment = re.compile(r"# (HELP [a-z0-9_]+ .+|TYPE [a-z0-9_]+ (counter|gauge))")
    assert all(comment.fullmatch(line) or sample.fullmatch(line) for line in text.splitlines())
    assert served.count(f"{module}_connections_total") == 1
    assert served.get("/elsewhere")[0] == 404
    assert ask(served.port, "DELETE", "/healthz")[0] == 405
    with pytest.raises(InvalidStatus, match="404"):
        asyncio.run(nowhere(served))


async def nowhere(served: Served) -> None:
    async with client(served.url("/nowhere")):
        pass


def test_plain_requests_share_a_connection(launch: Launch, module: str, tmp_path: Path) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", serve(launch, module, tmp_path).port, timeout=60)
    sockets = set()
    for _ in range(3):
        connection.request("GET", "/healthz")
        sockets.add(connection.sock)
        assert connection.getresponse().read()
    assert len(sockets) == 1
    connection.close()


def test_sigterm_closes_with_1001_and_exits_0(launch: Launch, module: str, tmp_path: Path) -> None:
    served = serve(launch, module, tmp_path)

    async def scenario() -> None:
        async with client(served.url(PATHS[module])) as user:
            served.program.process.send_signal(signal.SIGTERM)
            await user.socket.wait_closed()
            assert user.socket.close_code == 1001

    asyncio.run(scenario())
    assert served.program.process.wait(30) == 0
    assert [each["event"] for each in served.events()] == ["listening", "accept", "stopping", "closed"]


def test_bad_input_gets_an_error_and_leaves_the_connection_open(launch: Launch, module: str, tmp_path: Path) -> None:
    served = serve(launch, module, tmp_path)

    async def scenario() -> None:
        async with client(served.url(PATHS[module])) as user:
            for bad in ("garbage", "[]", "{}", '{"type": "dance"}', '{"type": 7}', b"\x00\xff"):
                await user.socket.send(bad)
                assert (await user.hear("error"))["error"]
                await user.answer("pong", type="ping", id="x")

    asyncio.run(scenario())


def test_a_message_in_fragments_is_one_message_and_one_too_long_ends_it(
    launch: Launch, module: str, tmp_path: Path
) -> None:
    served = serve(launch, module, tmp_path)

    async def scenario() -> None:
        async with client(served.url(PATHS[module])) as user:
            await user.socket.send(['{"type": ', '"ping", ', '"id": 7}'])
            await user.hear("pong")
            with contextlib.suppress(ConnectionClosed):
                await user.socket.send("x" * 100_000)
            await user.socket.wait_closed()
            assert user.socket.close_code == 1009

    asyncio.run(scenario())


def test_dropped_and_doubled_numbers_are_as_told(launch: Launch, module: str, tmp_path: Path) -> None:
    served = serve(launch, module, tmp_path, "--drop", 3, "--duplicate", 2)
    head, received = asyncio.run(numbers(served, module, 12))
    first = int(str(head["seq"])) + 1
    sent = [seq for seq in range(first, first + 30) if seq % 3 for _ in range(1 if seq % 2 else 2)]
    assert received == sent[:12]


def test_switches_refuse_and_stall_and_drop_until_they_are_turned_back(
    launch: Launch, module: str, tmp_path: Path
) -> None:
    served = serve(launch, module, tmp_path)

    async def turn(**switches: object) -> None:
        await asyncio.to_thread(served.turn, **switches)

    async def scenario() -> None:
        async with client(served.url(PATHS[module])) as user:
            await turn(refuse=503)
            with pytest.raises(InvalidStatus, match="503"):
                await numbers(served, module, 1)
            await turn(refuse=None, stall=True)
            await user.send(type="ping", id=1)
            with pytest.raises(TimeoutError):
                while True:  # what was on its way
                    await asyncio.wait_for(user.socket.recv(), 0.3)
            await turn(stall=False)
            await user.answer("pong", type="ping", id=2)
            await turn(drop=True)
            with pytest.raises(ConnectionClosed):
                while True:
                    await user.socket.recv()
            assert user.socket.close_code == 1006
        with pytest.raises((ConnectionClosed, OSError, InvalidHandshake, InvalidMessage)):
            await numbers(served, module, 1)
        await turn(drop=False)
        await numbers(served, module, 1)

    asyncio.run(scenario())


def test_a_delay_that_is_turned_off_lets_nothing_overtake_what_it_holds(
    launch: Launch, module: str, tmp_path: Path
) -> None:
    served = serve(launch, module, tmp_path)

    async def scenario() -> None:
        async with client(served.url(PATHS[module])) as user:
            if module != "stock_tracker":
                await user.answer("subscribed", type="subscribe", channel=CHANNEL[module])
            await user.hear(PUSH[module])
            for delay_ms in (300, 0, 50, 0):
                await asyncio.to_thread(served.turn, delay_ms=delay_ms, drop_every=0)
                for _ in range(3):
                    await user.hear(PUSH[module])
            seqs = [each["seq"] for each in user.heard if each["type"] == PUSH[module]]
            assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
            await asyncio.to_thread(served.turn, drop_every=2)
            await user.answer("pong", type="ping", id=1)  # whatever was sent before the turn has come
            before = len(user.heard)
            for _ in range(3):
                await user.hear(PUSH[module])
            assert all(each["seq"] % 2 for each in user.heard[before:] if each["type"] == PUSH[module])

    asyncio.run(scenario())


@pytest.mark.slow
def test_who_answers_no_ping_is_pinged_and_then_closed_with_1011(launch: Launch, tmp_path: Path) -> None:
    served = serve(launch, "agents", tmp_path)
    with socket.create_connection(("127.0.0.1", served.port)) as mute:
        mute.settimeout(90)
        key = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
        mute.sendall(f"GET /ws HTTP/1.1\r\nHost: x\r\n{key}AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode())
        said = b""
        while chunk := mute.recv(4096):
            said += chunk
    frames = said.partition(b"\r\n\r\n")[2]
    assert frames.startswith(b"\x89\x00"), "a ping"
    assert frames[2:].startswith(b"\x88"), "a close"
    assert int.from_bytes(frames[4:6], "big") == 1011


def test_options_become_those_of_the_program(tmp_path: Path) -> None:
    strategy = service("strategy-stream")
    options = strategy.options({"symbols": ["A", "B"], "step_rate": 50, "refuse": True, "drop": 7})
    argv = " ".join(strategy.argv("server", {"server": 1111, "server admin": 2222}, tmp_path, options))
    assert "strategy_stream --port 1111 --die-with-stdin --admin-port 2222" in argv
    assert argv.endswith("--symbols A,B --step-rate 50 --drop 7 --refuse")
    assert "--admin-port" not in strategy.argv("server", {"server": 1111}, tmp_path, {})
    with pytest.raises(UsageError, match="stock-tracker has no option 'symbols'; known: delay_ms, drop, "):
        service("stock-tracker").options({"symbols": ["A"]})


@pytest.mark.parametrize("name", names())
def test_a_value_that_the_program_would_not_take_is_refused_before_it_is_started(name: str) -> None:
    for option in service(name).known:
        for wrong in ([], "") if option in ("symbols", "backtests") else ("x", "nan", None, [1, 2], -1.5, 1e300):
            with pytest.raises(UsageError, match=f"{name}, option {option}: .* is n"):
                service(name).options({option: wrong})
    assert service(name).options({"refuse": True, "drop": 0, "delay_ms": 0.5, "rate": 2}) == {
        "refuse": "true", "drop": "0", "delay_ms": "0.5", "rate": "2"
    }  # fmt: skip


def test_a_program_that_is_started_by_hand_refuses_them_too(module: str) -> None:
    command = [sys.executable, "-m", f"chaosrun.reference.{module}", "--drop", "-1"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("argument --drop: '-1' is not a whole number of at least 0\n")
