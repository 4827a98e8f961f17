"""Claims about how a run ends early."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest

from chaosrun.records import Stop
from chaosrun.stopping import Signals, Stopped, Stopping


def stopping(told: list[Stop]) -> Stopping:
    return Stopping(time.monotonic_ns(), told.append)


def test_the_first_reason_counts_and_is_told_once() -> None:
    async def story() -> None:
        told: list[Stop] = []
        wish = stopping(told)
        wish.ask("too hot")
        wish.ask("too late", by_signal=True)
        assert [stop.why for stop in told] == ["too hot"]
        assert wish.why is told[0]
        assert not wish.why.signal

    asyncio.run(story())


def test_a_stop_wakes_a_wait_and_cancels_its_work() -> None:
    async def story() -> None:
        wish = stopping([])
        cancelled = asyncio.Event()

        async def work() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                cancelled.set()

        asyncio.get_running_loop().call_later(0.05, wish.ask, "now")
        with pytest.raises(Stopped):
            await wish.or_stop(work())
        assert cancelled.is_set()

    asyncio.run(story())


def test_nothing_is_begun_once_the_run_is_stopped() -> None:
    async def story() -> None:
        wish = stopping([])
        wish.ask("now")
        begun = []

        async def work() -> None:
            begun.append(True)

        with pytest.raises(Stopped):
            await wish.or_stop(work())
        assert not begun

    asyncio.run(story())


def test_work_that_ends_first_gives_its_value_and_its_error() -> None:
    async def story() -> None:
        wish = stopping([])

        async def seven() -> int:
            return 7

        async def broken() -> int:
            raise ValueError("broken")

        assert await wish.or_stop(seven()) == 7
        with pytest.raises(ValueError, match="broken"):
            await wish.or_stop(broken())

    asyncio.run(story())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_asks_to_stop_and_a_second_one_changes_nothing(number: signal.Signals) -> None:
    async def story() -> None:
        told: list[Stop] = []
        wish = stopping(told)
        with Signals().caught() as signals, signals.told_to(wish.ask_by_signal):
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)
            with pytest.raises(Stopped):
                await wish.sleep_until(wish.now() + 30 * 10**9)
            await asyncio.sleep(0.05)
        assert [(stop.why, stop.signal) for stop in told] == [(f"stopped by {number.name}", True)]

    asyncio.run(story())


def test_a_hangup_that_nohup_has_ignored_stays_ignored_while_it_goes_on_and_afterwards() -> None:
    async def story() -> None:
        with Signals().caught() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            assert await signals.quiet_for(50_000_000)
            os.kill(os.getpid(), signal.SIGTERM)
            assert not await signals.quiet_for(30 * 10**9), "the others are heeded as ever"

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    asyncio.run(story())
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_a_signal_that_came_before_the_run_stops_it_at_once() -> None:
    async def story() -> None:
        told: list[str] = []
        with Signals().caught() as signals:
            os.kill(os.getpid(), signal.SIGTERM)
            assert not await signals.quiet_for(30 * 10**9), "it wakes the wait"
            with signals.told_to(told.append):
                os.kill(os.getpid(), signal.SIGHUP)
                await asyncio.sleep(0.05)
        assert told == ["stopped by SIGTERM"], "the first one, once"

    asyncio.run(story())


def test_without_a_signal_the_wait_is_as_long_as_asked() -> None:
    async def story() -> None:
        with Signals().caught() as signals:
            began = time.monotonic_ns()
            assert await signals.quiet_for(50_000_000)
            assert time.monotonic_ns() - began >= 50_000_000
            assert await signals.quiet_for(0)

    asyncio.run(story())
