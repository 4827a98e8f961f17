"""Claims about the limit on a whole run: when it is stopped for its end to be in time."""

from __future__ import annotations

import asyncio
import time

import pytest

from chaosrun.deadline import Deadline, kept_ns
from chaosrun.plan import GroupPlan
from chaosrun.records import Stop
from chaosrun.stopping import Stopping

S = 1_000_000_000
MS = S // 1000
GROUPS = [
    GroupPlan(name="a", clients=1, reply_timeout_ns=7 * S),
    GroupPlan(name="b", clients=1, reply_timeout_ns=9 * S),
]


@pytest.mark.parametrize(
    ("limit", "kept"), [(600 * S, 14 * S), (28 * S, 14 * S), (28 * S - 2, 14 * S - 1), (10 * S, 5 * S), (1, 0)]
)
def test_5_s_and_the_longest_reply_timeout_are_kept_but_never_more_than_half(limit: int, kept: int) -> None:
    assert kept_ns(limit, GROUPS) == kept


def stops(limit_ns: int | None, *, age_ns: int, meet: bool = False, watched_s: float = 0.5) -> list[Stop]:
    """What a run of that age is stopped by."""
    told: list[Stop] = []

    async def act() -> None:
        stopping = Stopping(time.monotonic_ns() - age_ns, told.append)
        deadline = Deadline(limit_ns, GROUPS, stopping)
        with deadline.kept():
            if meet:
                deadline.met()
            end = time.monotonic() + watched_s
            while not told and time.monotonic() < end:
                await asyncio.sleep(0.01)

    asyncio.run(act())
    return told


def test_a_run_is_stopped_when_only_what_is_kept_is_left_of_its_limit() -> None:
    (stop,) = stops(60 * S, age_ns=46 * S - 50 * MS, watched_s=30)
    assert stop.t >= 46 * S - 5 * MS, "the loop's clock is coarser than ours"
    assert stop.why == "max_duration: with its undo and its drain the run has to be over within 1m"
    assert not (stop.signal or stop.trouble), "it was asked for: the run is aborted, not inconclusive"


def test_a_run_that_is_late_already_is_stopped_at_once() -> None:
    assert len(stops(10 * S, age_ns=99 * S, watched_s=30)) == 1


def test_a_run_that_has_come_to_its_end_is_not_stopped_any_more() -> None:
    assert stops(2 * S, age_ns=0, meet=True, watched_s=1.2) == []


def test_without_a_limit_there_is_no_end() -> None:
    assert stops(None, age_ns=10**6 * S, watched_s=0.1) == []


def test_the_limit_ends_with_the_run() -> None:
    told: list[Stop] = []

    async def act() -> None:
        with Deadline(200 * MS, GROUPS, Stopping(time.monotonic_ns(), told.append)).kept():
            pass
        await asyncio.sleep(0.3)

    asyncio.run(act())
    assert told == []
