"""The agenda of a load process, its gate, and the lag ticker that watches it."""

from __future__ import annotations

import asyncio
import time

import pytest
import uvloop

from chaosrun.load.agenda import Agenda
from chaosrun.load.gate import WIDTH, Gate
from chaosrun.load.lag import LagTicker

MS = 1_000_000


def with_agenda(act, errors=None):
    async def main():
        agenda = Agenda(asyncio.get_running_loop(), time.monotonic_ns(), (errors if errors is not None else []).append)
        try:
            return await act(agenda)
        finally:
            agenda.close()

    return uvloop.run(main())


async def until(done):
    async with asyncio.timeout(30):
        while not done():
            await asyncio.sleep(0.01)


def test_calls_come_in_order_of_their_time_and_never_early():
    called = []

    async def act(agenda):
        for at in (30, 10, 20, 10):
            agenda.at(at * MS, lambda at: called.append((at, agenda.now())), at)
        await until(lambda: len(called) == 4)

    with_agenda(act)
    assert [at for at, _ in called] == [10, 10, 20, 30]
    assert all(now >= at * MS for at, now in called)


def test_a_call_may_put_down_the_next_and_one_in_the_past_comes_at_once():
    called = []

    async def act(agenda):
        def call(n):
            called.append(n)
            if n < 3:
                agenda.at(agenda.now() - MS, call, n + 1)

        agenda.at(0, call, 0)
        await until(lambda: len(called) == 4)

    with_agenda(act)
    assert called == [0, 1, 2, 3]


def test_an_agenda_without_further_calls_is_at_rest():
    async def act(agenda):
        agenda.at(0, lambda _: None, None)
        await asyncio.sleep(0.05)
        before = time.process_time()
        await asyncio.sleep(0.4)
        assert time.process_time() - before < 0.2

    with_agenda(act)


def test_an_error_in_one_call_does_not_keep_the_others_away():
    called, errors = [], []

    async def act(agenda):
        agenda.at(MS, lambda _: 1 / 0, None)
        agenda.at(2 * MS, called.append, "next")
        await until(lambda: called)

    with_agenda(act, errors)
    assert called == ["next"]
    assert [type(error) for error in errors] == [ZeroDivisionError]


def test_a_stall_counts_as_all_the_ticks_that_fell_into_it():
    reports = []

    async def act(agenda):
        ticker = LagTicker(agenda, reports.append)
        await asyncio.sleep(0.1)
        time.sleep(0.5)
        await asyncio.sleep(0.1)
        ticker.stop()
        assert ticker.take_max() >= 450 * MS
        assert ticker.take_max() == 0

    with_agenda(act)
    assert max(lag.max_ns for lag in reports) >= 450 * MS
    for lag in reports:
        assert sum(lag.buckets.values()) == pytest.approx(lag.span_ns / (10 * MS), abs=3)


def test_a_stall_that_the_end_cuts_short_counts_too():
    reports = []

    async def act(agenda):
        ticker = LagTicker(agenda, reports.append)
        time.sleep(0.3)
        ticker.stop()

    with_agenda(act)
    (lag,) = reports
    assert lag.max_ns >= 290 * MS
    assert sum(lag.buckets.values()) >= 29


def test_what_comes_after_a_report_is_not_told_with_what_came_before():
    reports = []

    async def act(agenda):
        ticker = LagTicker(agenda, reports.append)
        await asyncio.sleep(0.05)
        ticker.report_now()
        time.sleep(0.3)
        ticker.stop()
        ticker.report_now()

    with_agenda(act)
    before, after = reports
    assert before.max_ns < 290 * MS <= after.max_ns
    assert after.t - after.span_ns == before.t


class Guest:
    def __init__(self):
        self.begun = False

    def connect(self):
        self.begun = True


def test_the_gate_lets_in_no_more_than_its_width_and_the_next_when_one_leaves():
    async def act(agenda):
        gate, guests = Gate(agenda), [Guest() for _ in range(WIDTH + 2)]
        for guest in guests:
            gate.enter(guest)
        assert [guest.begun for guest in guests] == [True] * WIDTH + [False] * 2
        gate.leave(guests[0])
        gate.leave(guests[0])
        assert [guest.begun for guest in guests] == [True] * (WIDTH + 1) + [False]

    with_agenda(act)


def test_attempts_that_hang_do_not_keep_the_others_away():
    async def act(agenda):
        gate, guests = Gate(agenda), [Guest() for _ in range(WIDTH + 1)]
        for guest in guests:
            gate.enter(guest)
        await until(lambda: guests[-1].begun)

    with_agenda(act)
