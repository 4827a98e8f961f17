"""The real load process against a service that sends what it should not: bounded memory and journal, every slot
accounted for, the right end of each connection, and an end of the run in time."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import psutil
import pytest
from fleet_stage import MS, Run, play
from hostile_service import NONSENSE, Hostile

from chaosrun.journal import JOURNAL
from chaosrun.load.client import MAX_MALFORMED
from chaosrun.load.config import Backoff
from chaosrun.records import NONE, Kind, Status

MIB = 1 << 20
MUCH_LATER_S = 60.0


def at_work(run: Run) -> psutil.Process:
    return psutil.Process(run.fleet.processes[0].pid)


def assert_all_is_accounted_for(run: Run, history: Any) -> None:
    assert history.lost_records == 0
    slots = [(slot.client, slot.due) for slot in history.slots if slot.kind is Kind.SLOT]
    assert len(slots) == len(set(slots))
    for push in history.pushes:
        assert push.at >= 0 and history.streams[push.sid].channel.isprintable()


def assert_nothing_unescaped(run_dir: Any) -> None:
    for line in (run_dir / JOURNAL).read_text().splitlines():
        assert line.isprintable(), line


def test_nonsense_before_every_reply_is_counted_and_changes_nothing_else(tmp_path):
    async def during(run: Run) -> None:
        await run.until(lambda: run.group is not None and run.group.malformed >= 60 * len(NONSENSE))
        await run.all_usable()

    run, history = play(tmp_path, during, bridge=Hostile("nonsense"), clients=4, latency_limit_ns=10_000 * MS)
    assert_all_is_accounted_for(run, history)
    assert_nothing_unescaped(tmp_path)
    answered = [slot for slot in history.slots if slot.got != NONE]
    assert answered
    assert all(slot.status is Status.SENT for slot in answered)
    assert history.closed and all(line.cause == "ours" for line in history.closed)
    assert list(history.pushes) == []
    assert {line.c for line in history.malformed} == set(range(4))
    assert len(history.malformed) == 4 * MAX_MALFORMED
    assert history.malformed_in is not None and history.malformed_in[0] >= 60 * len(NONSENSE)
    assert all(len(line.why) <= 201 for line in history.malformed)


def test_names_that_a_service_makes_up_are_bounded_and_spelt_out(tmp_path, monkeypatch):
    async def during(run: Run) -> None:
        await run.until(lambda: run.group is not None and run.group.malformed > 0, 60)

    run, history = play(tmp_path, during, bridge=Hostile("names"), clients=1, period_ns=50 * MS)
    assert_all_is_accounted_for(run, history)
    assert_nothing_unescaped(tmp_path)
    assert len(history.streams) + len(history.subscribed) == 10_000
    assert "more than 10000 channels" in history.malformed[0].why


@pytest.mark.parametrize(
    ("manner", "end"),
    [("fragments", ("protocol", 1009)), ("huge", ("protocol", 1009)), ("closes", ("close", None)), ("resets", None)],
)
def test_each_connection_ends_by_the_cause_that_the_service_gave(tmp_path, manner, end):
    async def during(run: Run) -> None:
        await run.until(lambda: run.group is not None and run.group.disconnects >= 6)

    backoff = Backoff(first_ns=100 * MS, max_ns=200 * MS)
    run, history = play(tmp_path, during, bridge=Hostile(manner), clients=3, reconnect=backoff, max_size=MIB)
    assert_all_is_accounted_for(run, history)
    assert_nothing_unescaped(tmp_path)
    unplanned = [line for line in history.closed if not line.planned]
    assert len(unplanned) >= 6
    if end is None:
        assert {line.cause for line in unplanned} <= {"rst", "fin"}
    elif end[1] is not None:
        assert {(line.cause, line.code) for line in unplanned} == {end}
        assert {line.why for line in history.malformed} == {
            "a message of more than 1MiB; if it is right, raise `max_message` of group 'accounts'"
        }
    else:
        assert {line.cause for line in unplanned} == {"close"}
        assert all(3000 <= (line.code or 0) < 4000 for line in unplanned)


@pytest.mark.slow
@pytest.mark.parametrize("manner", ["pings", "flood", "bombs", "fragments", "huge"])
def test_memory_stays_bounded_and_the_run_ends_in_time(tmp_path, manner):
    clients, most = 5, 4 * MIB
    grown: list[int] = []

    async def during(run: Run) -> None:
        await run.until(lambda: run.group is not None and run.group.attempts >= clients)
        worker = at_work(run)
        before = worker.memory_info().rss
        for _ in range(30):
            await asyncio.sleep(0.1)
            grown.append(worker.memory_info().rss - before)
        nonlocal stopping
        stopping = time.monotonic()

    stopping = 0.0
    backoff = Backoff(first_ns=100 * MS, max_ns=200 * MS)
    run, history = play(
        tmp_path, during, bridge=Hostile(manner), clients=clients, reconnect=backoff, max_size=most, drain_s=1.0
    )
    assert time.monotonic() - stopping < MUCH_LATER_S
    assert_all_is_accounted_for(run, history)
    # A message under way takes its size and, while its buffer grows, as much again; read as JSON, it may take more.
    assert max(grown) < clients * 2 * most + 100 * MIB
    assert (tmp_path / JOURNAL).stat().st_size < 5 * MIB
