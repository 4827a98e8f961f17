"""The bridge's switches do what they say, and nothing is bad unasked."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from mt5_programs import Launch, Service, talk
from websockets.exceptions import InvalidStatus

from chaosrun.errors import UsageError
from chaosrun.reference import service


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
