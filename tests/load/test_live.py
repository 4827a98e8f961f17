"""The live picture: workers' snapshots merged."""

from __future__ import annotations

from chaosrun.load.live import FleetNow, merge
from chaosrun.load.wire import GroupLive, Live
from chaosrun.scoring.histogram import bucket_of

MS = 1_000_000


def snapshot(t, *, lag=0, **group):
    return Live(t=t, lag_max_ns=lag, groups=(GroupLive(name="g", **group),))


def test_without_a_snapshot_there_is_no_picture():
    assert merge([[], []]) == FleetNow(t=0)


def test_counts_are_those_of_each_workers_newest_snapshot_added_up():
    now = merge(
        [[snapshot(1, open=1), snapshot(3, open=2, errors={"rst": 1})], [snapshot(2, open=5, errors={"rst": 2})]]
    )
    assert now.t == 2
    assert (now.groups[0].counts.open, now.groups[0].counts.errors) == (7, {"rst": 3})


def test_response_times_and_lag_are_those_of_all_snapshots():
    fast, slow = {bucket_of(MS): 98}, {bucket_of(500 * MS): 2}
    now = merge([[snapshot(1, latency=fast, lag=7), snapshot(2, latency=slow)], [snapshot(2, lag=3)]])
    assert abs(now.groups[0].response_p50_ns - MS) < 0.01 * MS
    assert abs(now.groups[0].response_p99_ns - 500 * MS) < 5 * MS
    assert now.lag_max_ns == 7


def test_without_good_slots_response_times_are_unknown_not_zero():
    assert merge([[snapshot(1)]]).groups[0].response_p99_ns is None
