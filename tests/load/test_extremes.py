"""Loads at their extremes, with real load processes and a real server: slow readers, large and binary messages, many
channels, and rates from one in half a minute to a thousand a second."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections import Counter, defaultdict

import pytest
from fleet_stage import MS, SECOND, Bridge, play
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from chaosrun.records import Kind, Status

READ_EVERY_NS = 50 * MS


class Firehose(Bridge):
    """Pushes without a pause, `most` messages each, to whoever has said as often as must be what it wants."""

    def __init__(self, message, most: int, wishes: int = 1) -> None:
        super().__init__()
        self.message = message
        self.most = most
        self.wishes = wishes
        self.sent: Counter[int] = Counter()
        self.waits: list[float] = []
        """How long a message waited before the server could put it down."""
        self.wanted: list[list[str]] = []
        """The channels that each client has asked for."""

    async def _talk(self, client: ServerConnection) -> None:
        wanted: list[str] = []
        self.wanted.append(wanted)
        number = len(self.wanted)
        with contextlib.suppress(ConnectionClosed):
            for _ in range(self.wishes):
                wish = await client.recv()
                wanted += json.loads(wish)["channels"] if isinstance(wish, str) else []
                await client.send('{"type": "subscribed"}' if isinstance(wish, str) else b"\x01ok")
            pouring = asyncio.create_task(self._pour(client, number))
            try:
                await client.wait_closed()
            finally:
                pouring.cancel()

    async def _pour(self, client: ServerConnection, number: int) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionClosed):
            for seq in range(1, self.most + 1):
                began = loop.time()
                await client.send(self.message(seq, number))
                self.waits.append(loop.time() - began)
                self.sent[number] = seq
                await asyncio.sleep(0)


def numbers_by_stream(history):
    found = defaultdict(list)
    for push in history.pushes:
        stream = history.streams[push.sid]
        found[stream.c, stream.channel].append(push.first)
    return found


LINES = {
    "open": [{"send": {"channels": ["{channel}"]}, "expect": {"type": "subscribed"}}],
    "stream": {"match": {"type": "tick"}, "channel": "on", "seq": "seq"},
}


def tick(seq: int, _client: int) -> str:
    return json.dumps({"type": "tick", "on": "EURUSD", "seq": seq, "filler": "x" * 10_000})


def test_slow_readers_take_their_rate_fill_the_servers_buffers_and_lose_nothing_that_reached_them(tmp_path):
    bridge = Firehose(tick, most=3000)

    async def during(run):
        await run.until(lambda: run.group is not None and run.group.open == 2)
        # 30 MB each: the server stands still, for the kernel takes no more of it and the client reads on slowly.
        await run.until(lambda: len(bridge.waits) > 20 and all(number < 3000 for number in bridge.sent.values()))
        await asyncio.sleep(0.6)

    run, history = play(
        tmp_path,
        during,
        bridge=bridge,
        clients=2,
        period_ns=None,
        protocol=json.dumps(LINES),
        read_every_ns=READ_EVERY_NS,
        drain_s=10,
    )
    assert not [line for line in history.closed if not line.planned]
    opened = {line.c: line.t for line in history.opened}
    for (client, _), numbers in numbers_by_stream(history).items():
        assert numbers == list(range(1, len(numbers) + 1)), "in order, and none left out"
        of_client = [push.at for push in history.pushes if history.streams[push.sid].c == client]
        in_time = [at for at in of_client if at < run.stopped]
        assert 2 < len(in_time) <= (run.stopped - opened[client]) / READ_EVERY_NS + 2
        assert len(of_client) > len(in_time), "what had reached this machine is taken when the load is over"


def test_large_binary_messages_are_all_taken_whole_and_counted(tmp_path):
    declared = {
        "encoding": "binary",
        "open": [{"send": {"hex": "00"}, "expect": "\x01ok"}],
        "stream": {"match": {"hex": "aa"}, "seq": {"at": 1, "size": 8, "endian": "big"}},
    }
    bridge = Firehose(lambda seq, _: b"\xaa" + struct.pack(">Q", seq) + bytes(700_000), most=12)

    async def during(run):
        await run.until(lambda: run.group is not None and run.group.pushes == 24)

    _, history = play(
        tmp_path, during, bridge=bridge, clients=2, period_ns=None, protocol=json.dumps(declared), max_size=1 << 20
    )
    assert not history.malformed
    assert list(numbers_by_stream(history).values()) == [list(range(1, 13))] * 2


@pytest.mark.parametrize("transport", ["picows", "websockets"])
def test_a_client_of_a_thousand_channels_has_each_of_them_counted_apart(tmp_path, transport):
    channels = tuple(f"C{number}" for number in range(1000))

    def message(seq: int, _client: int) -> str:
        return json.dumps({"type": "tick", "on": channels[(seq - 1) % 1000], "seq": 1 + (seq - 1) // 1000})

    bridge = Firehose(message, most=3000, wishes=1000)

    async def during(run):
        await run.until(lambda: run.group is not None and run.group.pushes == 3000)

    _, history = play(
        tmp_path,
        during,
        bridge=bridge,
        clients=1,
        period_ns=None,
        protocol=json.dumps(LINES),
        channels=channels,
        transport=transport,
    )
    assert bridge.wanted == [list(channels)]
    found = numbers_by_stream(history)
    assert set(found) == {(0, name) for name in channels}
    assert all(numbers == [1, 2, 3] for numbers in found.values())


def slots(history):
    return [slot for slot in history.slots if slot.kind is Kind.SLOT]


def test_a_thousand_requests_a_second_of_one_client_are_each_sent_and_answered_or_owned_up_to(tmp_path):
    async def during(run):
        await run.all_usable()
        await asyncio.sleep(0.6)

    _, history = play(tmp_path, during, clients=1, period_ns=MS, drain_s=10)
    rows = slots(history)
    assert len(rows) == len({slot.due for slot in rows}) >= 600
    assert max(slot.due for slot in rows) - min(slot.due for slot in rows) == (len(rows) - 1) * MS
    opened = history.opened[0].t
    counts = Counter(slot.status for slot in rows if slot.due > opened)
    assert set(counts) <= {Status.SENT, Status.SKIPPED_OBSERVER}
    sent = [slot for slot in rows if slot.status is Status.SENT]
    assert sent
    assert all(slot.got >= slot.sent >= slot.due for slot in sent)


def test_one_request_in_half_a_minute_is_due_at_its_own_time_and_not_before(tmp_path):
    async def during(run):
        await run.all_usable()
        await asyncio.sleep(0.4)

    run, history = play(tmp_path, during, clients=3, period_ns=30 * SECOND)
    assert [(slot.client, slot.due - run.t0) for slot in slots(history)] == [(0, 0)]
    canaries = [slot for slot in history.slots if slot.kind is Kind.CANARY]
    assert {slot.client for slot in canaries} == {0, 1, 2}
