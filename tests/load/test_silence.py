"""A load process that says nothing is noticed soon, and an engine that did not listen blames nobody."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest
from fleet_stage import MS, Bridge, begin

from chaosrun.load.handle import WorkerLost
from chaosrun.load.silence import GIVEN_UP, NOTICED, Silence, Silent


def told(silence: Silence, looks: int, newest: int) -> list[tuple[int, Silent]]:
    """What is said at which of so many looks."""
    return [(look, each) for look in range(1, looks + 1) for each in silence.look({"load process 0": newest})]


def test_a_worker_that_says_nothing_is_noticed_after_a_second_and_given_up_after_ten() -> None:
    silence = Silence()
    assert told(silence, 1, 7) == []
    assert told(silence, 60, 7) == [(5, Silent("load process 0", False)), (50, Silent("load process 0", True))]
    assert (NOTICED, GIVEN_UP) == (5, 50)


def test_news_begin_the_count_anew_and_who_falls_silent_again_is_told_again() -> None:
    silence = Silence()
    told(silence, 1, 7)
    assert told(silence, 4, 7) == []
    assert told(silence, 5, 8) == []
    assert told(silence, 1, 8) == [(1, Silent("load process 0", False))]
    told(silence, 1, 9)
    assert told(silence, 5, 9) == [(5, Silent("load process 0", False))]


def test_workers_are_told_apart() -> None:
    silence = Silence()
    for t in range(6):
        said = list(silence.look({"a": t, "b": 0}))
    assert said == [Silent("b", False)]


def test_a_frozen_worker_is_heard_no_more_and_one_given_up_is_lost_at_once(tmp_path) -> None:
    async def act() -> None:
        bridge = Bridge()
        await bridge.start()
        run = await begin(tmp_path, bridge, clients=2, workers=2, period_ns=100 * MS, load={})
        try:
            await run.fleet.start()
            await run.fleet.ramp(run.now())
            await run.until(lambda: len(run.fleet.heard) == 2)
            os.kill(run.fleet.processes[1].pid, signal.SIGSTOP)
            try:
                await run.until(
                    lambda: run.fleet.heard["load process 0"] > run.fleet.heard["load process 1"] + 600 * MS
                )
                run.fleet.give_up("load process 1")
                assert list(run.fleet.heard) == ["load process 0"]
                began = time.monotonic()
                with pytest.raises(WorkerLost, match=r"load process 1 .* has fallen silent"):
                    await run.fleet.flush()
                await run.fleet.stop()
                assert time.monotonic() - began < 5, "nobody waits for it"
            finally:
                os.kill(run.fleet.processes[1].pid, signal.SIGCONT)
        finally:
            await run.fleet.close()
            await bridge.kill()

    asyncio.run(act())
