"""The bridge's switches do what they say, and nothing is bad unasked."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from pathlib import Path

import pytest
from mt5_programs import Launch, Service, talk, whole_lines
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from chaosrun.errors import UsageError
from chaosrun.reference import service
from chaosrun.targets.ports import free_port


def misbehaving(launch: Launch, directory: Path, *switches: object) -> Service:
    served = Service(launch, directory)
    served.bridge.kill()
    served.bridge = launch("mt5_bridge", "--terminal", f"127.0.0.1:{served.terminal.port}", *switches)
    return served


async def numbers(url: str, count: int) -> list[int]:
    async with talk(url) as client:
        await client.subscribe("EURUSD")
        while len(client.ticks) < count:
            await client.hear("tick")
        return [tick["seq"] for tick in client.ticks]


def test_dropped_numbers_are_missing_and_no_others(launch: Launch, tmp_path: Path) -> None:
    seqs = asyncio.run(numbers(misbehaving(launch, tmp_path, "--drop", 5).url, 30))
    assert seqs == [seq for seq in range(seqs[0], seqs[-1] + 1) if seq % 5]


def test_duplicated_numbers_come_twice_and_no_others(launch: Launch, tmp_path: Path) -> None:
    seqs = asyncio.run(numbers(misbehaving(launch, tmp_path, "--duplicate", 5).url, 30))
    # The last may have been cut off between its two copies.
    whole = [seq for seq in seqs if seqs[0] < seq < seqs[-1]]
    assert whole == sorted([*range(seqs[0] + 1, seqs[-1]), *(n for n in range(seqs[0] + 1, seqs[-1]) if n % 5 == 0)])


def test_a_delay_keeps_the_order_and_the_head(launch: Launch, tmp_path: Path) -> None:
    async def scenario(url: str) -> None:
        async with talk(url) as client:
            await client.send(type="auth", account="1")
            await client.wait_live()
            head = (await client.subscribe("EURUSD"))["heads"]["EURUSD"]["seq"]
            began = time.monotonic()
            await client.send(type="ping", id=1)
            await client.hear("pong")
            # Its loop counts from when it woke up: on a busy machine that is some time before it got the ping.
            assert time.monotonic() - began >= 0.1
            assert [tick["seq"] for tick in client.ticks] == list(range(head + 1, head + 1 + len(client.ticks)))

    asyncio.run(scenario(misbehaving(launch, tmp_path, "--delay-ms", 200).url))


def test_a_refusing_bridge_answers_handshakes_with_503(launch: Launch, tmp_path: Path) -> None:
    served = misbehaving(launch, tmp_path, "--refuse")
    with pytest.raises(InvalidStatus, match="503"):
        asyncio.run(numbers(served.url, 1))


def test_a_stalled_bridge_stays_connected_and_says_nothing(launch: Launch, tmp_path: Path) -> None:
    async def scenario(url: str) -> None:
        async with talk(url) as client:
            await client.send(type="auth", account="1")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.socket.recv(), 0.5)

    asyncio.run(scenario(misbehaving(launch, tmp_path, "--stall-after-s", 0.001).url))


def test_the_options_of_an_experiment_become_switches_of_the_part_they_belong_to(tmp_path: Path) -> None:
    mt5 = service("mt5-bridge")
    options = mt5.options({"symbols": ["A", "B"], "rate": 50, "drop": 7, "refuse": True})
    ports = {"terminal": 1111, "server": 2222}
    terminal = " ".join(mt5.argv("terminal", ports, tmp_path, options))
    server = " ".join(mt5.argv("server", ports, tmp_path, options))
    assert "--symbols A,B --rate 50" in terminal
    assert "drop" not in terminal
    assert "--symbols A,B --drop 7 --refuse" in server
    assert "--rate" not in server
    assert "--refuse" not in mt5.argv("server", ports, tmp_path, mt5.options({"refuse": False}))
    with pytest.raises(UsageError, match="has no option 'dorp'"):
        mt5.options({"dorp": 7})


# ---- switches -------------------------------------------------------------------------------------------------------


def switched(launch: Launch, directory: Path) -> tuple[Service, int]:
    """A bridge with switches, and their port."""
    port = free_port()
    return misbehaving(launch, directory, "--admin-port", port, "--events", directory / "events"), port


def ask(port: int, method: str = "GET", body: object = None, path: str = "/switches") -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body=None if body is None else json.dumps(body))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


OFF = {"refuse": None, "drop": False, "stall": False, "drop_every": 0, "duplicate_every": 0, "delay_ms": 0}


def test_switches_are_off_and_those_that_are_turned_are_told(launch: Launch, tmp_path: Path) -> None:
    _, port = switched(launch, tmp_path)
    assert ask(port) == (200, OFF)
    assert ask(port, "PATCH", {"refuse": 503}) == (200, OFF | {"refuse": 503})
    assert ask(port, "PATCH", {"stall": True}) == (200, OFF | {"refuse": 503, "stall": True})
    assert ask(port, "PATCH", OFF) == (200, OFF)
    events = [json.loads(line) for line in whole_lines(tmp_path / "events")]
    assert [event["refuse"] for event in events if event["event"] == "switched"] == [503, 503, None]


@pytest.mark.parametrize(
    "body",
    [
        {"refuze": 503},
        {"refuse": 500},
        {"drop_every": -1},
        {"delay_ms": "1s"},
        {"refuse": 503, "drop": 1},
        [],
        "x",
        None,
    ],
)
def test_what_cannot_be_turned_is_refused_and_turns_nothing(launch: Launch, tmp_path: Path, body: object) -> None:
    _, port = switched(launch, tmp_path)
    status, told = ask(port, "PATCH", body)
    assert status == 400
    assert told["error"]
    assert ask(port) == (200, OFF)


def test_other_paths_and_methods_are_answered_as_such(launch: Launch, tmp_path: Path) -> None:
    _, port = switched(launch, tmp_path)
    assert ask(port, path="/")[0] == 404
    assert ask(port, "DELETE")[0] == 405


def test_refusing_with_503_lets_nobody_in_and_keeps_who_is_in(launch: Launch, tmp_path: Path) -> None:
    async def scenario(served: Service, port: int) -> None:
        async with talk(served.url) as client:
            await client.subscribe("EURUSD")
            assert (await asyncio.to_thread(ask, port, "PATCH", {"refuse": 503}))[0] == 200
            with pytest.raises(InvalidStatus, match="503"):
                await numbers(served.url, 1)
            await client.send(type="ping", id=1)
            await client.hear("pong")
            assert (await asyncio.to_thread(ask, port, "PATCH", {"refuse": None}))[0] == 200
            assert await numbers(served.url, 1)

    asyncio.run(scenario(*switched(launch, tmp_path)))


def test_refusing_with_1013_shakes_hands_and_closes_with_it(launch: Launch, tmp_path: Path) -> None:
    async def scenario(served: Service, port: int) -> None:
        assert (await asyncio.to_thread(ask, port, "PATCH", {"refuse": 1013}))[0] == 200
        async with talk(served.url) as client:
            with pytest.raises(ConnectionClosed):
                await client.socket.recv()
            assert client.socket.close_code == 1013

    asyncio.run(scenario(*switched(launch, tmp_path)))


def test_dropping_cuts_off_who_is_in_and_who_comes_without_a_close(launch: Launch, tmp_path: Path) -> None:
    async def scenario(served: Service, port: int) -> None:
        async with talk(served.url) as client:
            await client.subscribe("EURUSD")
            assert (await asyncio.to_thread(ask, port, "PATCH", {"drop": True}))[0] == 200
            with pytest.raises(ConnectionClosed):
                while True:
                    await client.socket.recv()
            assert client.socket.close_code == 1006
        with pytest.raises((ConnectionClosed, OSError, InvalidMessage)):
            await numbers(served.url, 1)
        assert (await asyncio.to_thread(ask, port, "PATCH", {"drop": False}))[0] == 200
        assert await numbers(served.url, 1)

    asyncio.run(scenario(*switched(launch, tmp_path)))


def test_stalling_sends_nothing_until_it_is_turned_back(launch: Launch, tmp_path: Path) -> None:
    async def scenario(served: Service, port: int) -> None:
        async with talk(served.url) as client:
            await client.subscribe("EURUSD")
            assert (await asyncio.to_thread(ask, port, "PATCH", {"stall": True}))[0] == 200
            with pytest.raises(TimeoutError):
                while True:  # what was on its way
                    await asyncio.wait_for(client.socket.recv(), 0.5)
            assert (await asyncio.to_thread(ask, port, "PATCH", {"stall": False}))[0] == 200
            await client.hear("tick")

    asyncio.run(scenario(*switched(launch, tmp_path)))


def test_without_a_port_there_are_no_switches() -> None:
    assert "--admin-port" not in service("mt5-bridge").argv("server", {"terminal": 1, "server": 2}, Path(), {})
