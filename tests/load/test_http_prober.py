"""The prober of a service that is asked by HTTP: what it asks, and that its rows say when it was answered."""

from __future__ import annotations

import asyncio
import time

import pytest
from poll_stage import FOUND, MS, Asked, Shop, requests

from chaosrun.journal import ProbeRows
from chaosrun.load.prober import ProberConfig
from chaosrun.load.probing import Probing
from chaosrun.recorded import read_rows
from chaosrun.records import NONE, Probe


def probed(run_dir, during, *written, shop=None, **changes):
    """The rows of a prober that was at work while `during(shop)` lasted."""
    shop = shop or Shop()

    async def act():
        await shop.start()
        settings = {
            "run_dir": str(run_dir),
            "origin_ns": time.monotonic_ns(),
            "wall_offset_ns": time.time_ns(),
            "url": f"ws://127.0.0.1:{shop.port}",
            "http": requests(*written or ({"path": "/stocks", "expect": {"keys": ["stocks"]}},)),
            "connect_every_ns": 50 * MS,
            "timeout_ns": 5_000 * MS,
        }
        prober = Probing(ProberConfig(**(settings | changes)))
        await prober.start()
        try:
            async with asyncio.timeout(30):
                await during(shop)
        finally:
            await prober.close()
            await shop.kill()

    asyncio.run(act())
    rows, torn = read_rows(run_dir / "samples" / "prober.probes", ProbeRows)
    assert not torn
    return [Probe(sent, got, until, bool(fresh)) for sent, got, until, fresh in zip(*[iter(rows)] * 4, strict=True)]


async def until(done):
    while not done():
        await asyncio.sleep(0.01)


def answering(data: bytes):
    async def answer(asked: Asked) -> bytes:
        return data

    return answer


async def many(shop):
    """Until it was asked on some connections anew, and often."""
    connections, asked = shop.connections + 4, len(shop.asked)
    await until(lambda: shop.connections >= connections and len(shop.asked) >= asked + 12)


def test_a_healthy_service_is_asked_on_a_kept_connection_and_on_fresh_ones(tmp_path):
    rows = probed(tmp_path, many)
    assert all(row.sent <= row.got == row.until for row in rows)
    assert sum(row.connect for row in rows) >= 3
    assert sum(not row.connect for row in rows) >= 3


def test_a_service_that_ends_every_connection_after_its_answer_is_well(tmp_path):
    data = FOUND.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)

    async def asked(shop):
        await until(lambda: len(shop.asked) >= 12)

    shop = Shop(answering(data), closes=True)
    rows = probed(tmp_path, asked, shop=shop)
    assert len(rows) >= 10
    assert all(row.got != NONE for row in rows)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"SSH-2.0\r\n\r\n",
    ],
    ids=["busy", "no-key", "no-http"],
)
def test_an_answer_that_is_not_as_expected_is_a_failed_probe(tmp_path, data):
    rows = probed(tmp_path, many_failed, shop=Shop(answering(data)))
    assert len(rows) >= 4
    assert all(row.got == NONE for row in rows)


async def many_failed(shop):
    await until(lambda: len(shop.asked) >= 8)


def test_the_first_failure_and_the_return_of_a_killed_service_are_on_record(tmp_path):
    marks = []

    async def killed(shop):
        await many(shop)
        marks.append(time.monotonic_ns())
        await shop.kill()
        await asyncio.sleep(0.3)
        marks.append(time.monotonic_ns())
        await shop.start()
        await many(shop)

    origin = time.monotonic_ns()
    rows = probed(tmp_path, killed, origin_ns=origin)
    down, up = (mark - origin for mark in marks)
    failed = [row for row in rows if row.got == NONE]
    assert len(failed) >= 3
    assert all(down <= row.until and row.sent <= up + 5_000 * MS for row in failed)
    assert min(row.got for row in rows if row.connect and row.got > down) > up
