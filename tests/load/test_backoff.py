"""Waits between attempts to connect."""

from __future__ import annotations

from statistics import mean

import pytest

from chaosrun.load.backoff import delay_ns
from chaosrun.load.config import Backoff

MS = 1_000_000


def test_without_jitter_the_wait_grows_by_the_factor_up_to_the_maximum():
    plan = Backoff(first_ns=100 * MS, max_ns=1000 * MS, factor=2, jitter="none")
    assert [delay_ns(plan, 0, attempt, 0) // MS for attempt in range(6)] == [100, 200, 400, 800, 1000, 1000]


def test_a_very_long_outage_does_not_overflow():
    assert delay_ns(Backoff(jitter="none"), 0, 10**6, 0) == Backoff().max_ns


@pytest.mark.parametrize(("jitter", "low"), [("full", 0), ("equal", 50)])
def test_jitter_takes_its_share_evenly(jitter, low):
    plan = Backoff(first_ns=100 * MS, jitter=jitter)
    waits = [delay_ns(plan, client, 0, 1) / MS for client in range(2000)]
    assert low <= min(waits) < low + 2
    assert 98 < max(waits) < 100
    assert mean(waits) == pytest.approx((low + 100) / 2, rel=0.05)


def test_a_wait_depends_on_client_try_and_seed_and_on_nothing_else():
    plan, other = Backoff(seed=1), Backoff(seed=2)
    assert delay_ns(plan, 3, 2, 5) == delay_ns(plan, 3, 2, 5)
    assert (
        len({delay_ns(plan, 3, 2, 5), delay_ns(plan, 4, 2, 5), delay_ns(plan, 3, 2, 6), delay_ns(other, 3, 2, 5)}) == 4
    )
