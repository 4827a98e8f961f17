"""The numbers of the mt5 service: what the terminal says it published is what clients get, and nothing else."""

from __future__ import annotations

import asyncio
import signal
import socket
import struct
from pathlib import Path

from mt5_programs import Launch, Service, eventually, talk, whole_lines

from chaosrun.reference._published import read_published


def test_a_client_gets_every_number_after_its_head_and_the_terminal_logged_each_of_them(service: Service) -> None:
    async def scenario() -> tuple[int, list[int], str]:
        async with talk(service.url) as client:
            await client.send(type="auth", account="1001")
            await client.wait_live()
            head = (await client.subscribe("EURUSD"))["heads"]["EURUSD"]
            while len(client.ticks) < 60:
                await client.hear("tick")
            return head["seq"], [tick["seq"] for tick in client.ticks], head["boot_id"]

    head, received, boot_id = asyncio.run(scenario())
    logged = service.logged()[boot_id, "EURUSD"]
    assert received == [seq for seq in logged if head < seq <= received[-1]]
    assert received[0] == head + 1


def test_the_log_numbers_each_symbol_from_1_without_a_gap(service: Service) -> None:
    assert eventually(lambda: [len(numbers) > 10 for numbers in service.logged().values()] == [True, True])
    service.terminal.end(signal.SIGTERM)
    logged = service.logged()
    assert {symbol for _, symbol in logged} == {"EURUSD", "XAUUSD"}
    for numbers in logged.values():
        assert numbers == list(range(1, len(numbers) + 1))


def test_a_head_is_the_number_before_the_next_tick(service: Service) -> None:
    async def scenario() -> None:
        async with talk(service.url) as client:
            await client.subscribe("XAUUSD")
            await client.hear("tick")
            for _ in range(20):
                await client.send(type="head")
                head = (await client.hear("head"))["heads"]["XAUUSD"]
                # A tick that was on its way when the head was asked for came before the answer.
                assert client.ticks[-1]["seq"] == head["seq"]
                assert (await client.hear("tick"))["seq"] == head["seq"] + 1

    asyncio.run(scenario())


def test_the_numbering_goes_on_while_the_bridge_is_dead_and_survives_its_restart(service: Service) -> None:
    async def last_seen() -> dict[str, object]:
        async with talk(service.url) as client:
            await client.subscribe("EURUSD")
            return await client.hear("tick")

    async def next_head() -> dict[str, object]:
        async with talk(service.url) as client:
            await client.send(type="auth", account="1001")
            await client.wait_live()
            return (await client.subscribe("EURUSD"))["heads"]["EURUSD"]

    before = asyncio.run(last_seen())
    service.bridge.end(signal.SIGKILL)
    assert eventually(lambda: service.logged()[before["boot_id"], "EURUSD"][-1] > before["seq"] + 5)
    service.bridge.start()
    after = asyncio.run(next_head())
    assert after["boot_id"] == before["boot_id"]
    assert after["seq"] > before["seq"] + 1
    assert after["seq"] in service.logged()[before["boot_id"], "EURUSD"]


def test_clients_of_a_killed_terminal_stay_hear_of_it_and_get_its_next_boot(service: Service) -> None:
    async def scenario() -> tuple[dict[str, object], dict[str, object]]:
        async with talk(service.url) as client:
            await client.subscribe("EURUSD")
            before = await client.hear("tick")
            service.terminal.end(signal.SIGKILL)
            assert await client.hear("status") == {"type": "status", "feed": "stale"}
            await client.send(type="head")
            assert (await client.hear("head"))["heads"] == {}
            await client.send(type="ping", id=1, sent=2.5)
            assert await client.hear("pong") == {"type": "pong", "id": 1, "sent": 2.5}
            assert (await client.subscribe("XAUUSD"))["heads"] == {}
            service.terminal.start()
            assert await client.hear("status") == {"type": "status", "feed": "live"}
            after = await client.hear("tick")
            return before, after

    before, after = asyncio.run(scenario())
    assert after["boot_id"] != before["boot_id"]
    assert {boot_id for boot_id, _ in service.logged()} == {before["boot_id"], after["boot_id"]}


def test_after_a_sigkill_of_the_terminal_no_client_holds_a_number_that_the_log_lacks(
    launch: Launch, tmp_path: Path
) -> None:
    service = Service(launch, tmp_path, rate=1000)

    async def scenario() -> list[dict[str, object]]:
        async with talk(service.url) as client:
            await client.subscribe("EURUSD", "XAUUSD")
            while len(client.ticks) < 200:
                await client.hear("tick")
            service.terminal.end(signal.SIGKILL)
            await client.hear("status")
            return client.ticks

    ticks = asyncio.run(scenario())
    logged = service.logged()
    for tick in ticks:
        assert tick["seq"] <= logged[tick["boot_id"], tick["symbol"]][-1]
    # And of what was logged, at most the batch of the last instant was not sent.
    last_instant = whole_lines(service.log)[-1].split()[-1]
    for (boot_id, symbol), numbers in logged.items():
        last = max(tick["seq"] for tick in ticks if (tick["boot_id"], tick["symbol"]) == (boot_id, symbol))
        unsent = [line for line in whole_lines(service.log) if line.startswith(f"{symbol} ")][numbers.index(last) + 1 :]
        assert {line.split()[-1] for line in unsent} <= {last_instant}


def test_a_terminal_outlives_bridges_that_are_killed_while_it_sends(launch: Launch) -> None:
    terminal = launch("mt5_terminal", "--rate", 3000)
    for _ in range(3):
        bridges = [socket.create_connection(("127.0.0.1", terminal.port), timeout=30) for _ in range(20)]
        for bridge in bridges:
            assert bridge.recv(100)
        for bridge in bridges:
            bridge.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # leave by a reset
            bridge.close()
    assert terminal.process.poll() is None
    with socket.create_connection(("127.0.0.1", terminal.port), timeout=30) as last:
        assert last.recv(100)


def test_a_line_that_a_killed_boot_tore_is_dropped_by_the_next(launch: Launch, tmp_path: Path) -> None:
    log = tmp_path / "published"
    log.write_text("EURUSD 1 Told 5000\nEURUSD 2 Told 60")
    terminal = launch("mt5_terminal", "--rate", 50, "--log", log)
    assert eventually(lambda: len(whole_lines(log)) > 5)
    terminal.end(signal.SIGTERM)
    records = list(read_published(log))
    assert (records[0].epoch, records[0].last, records[0].t) == ("Told", 1, 5000)
    assert all(record.epoch != "Told" for record in records[1:])
    assert len(records) > 2


def test_published_records_are_in_run_time_and_leave_out_a_torn_end(tmp_path: Path) -> None:
    log = tmp_path / "published"
    log.write_text("EURUSD 7 T1 5000\nXAUUSD 3 T1 6000\nEURUSD 8 T1 70")
    first, second = read_published(log, origin_ns=5500)
    assert (first.t, first.channel, first.first, first.last, first.epoch) == (-500, "EURUSD", 7, 7, "T1")
    assert (second.t, second.channel, second.last) == (500, "XAUUSD", 3)


def test_a_terminal_that_stops_speaking_is_stale_though_its_connection_stands(service: Service) -> None:
    async def scenario() -> None:
        async with talk(service.url) as client:
            await client.subscribe("EURUSD")
            await client.hear("tick")
            service.terminal.process.send_signal(signal.SIGSTOP)
            assert (await client.hear("status"))["feed"] == "stale"
            service.terminal.process.send_signal(signal.SIGCONT)
            assert (await client.hear("status"))["feed"] == "live"

    asyncio.run(scenario())
