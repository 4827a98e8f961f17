"""The cursors give exactly the slots that the plan makes due, in order, whatever the sharding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosrun.load.schedule import NEVER, SentinelCursor, SlotCursor
from chaosrun.plan import GroupPlan, StagePlan
from chaosrun.scoring.pacing import due_times, sentinel_times


def taken(cursor, stop):
    while cursor.due < stop:
        yield cursor.due, cursor.client
        cursor.advance()


@given(
    clients=st.integers(1, 30),
    period=st.integers(30, 1000),
    ramp=st.integers(0, 5000),
    start=st.integers(1, 30),
    shards=st.integers(1, 4),
    t0=st.integers(0, 10**6),
)
def test_the_shards_together_send_the_planned_slots_each_once_and_in_order(clients, period, ramp, start, shards, t0):
    plan = GroupPlan(name="g", clients=clients, period_ns=period, ramp_over_ns=ramp, ramp_start=min(start, clients))
    stop = t0 + ramp + 3 * period
    planned = sorted((due, c) for c in range(clients) for due in due_times(c, plan, t0, stop))
    sent = []
    for shard in range(min(shards, clients)):
        own = list(taken(SlotCursor(plan, t0, shard, shards), stop))
        assert own == sorted(own)
        sent += own
    assert sorted(sent) == planned


@given(
    stages=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 8)), min_size=1, max_size=5),
    period=st.integers(8, 100),
    shards=st.integers(1, 3),
)
def test_the_shards_together_send_the_slots_of_stages_each_once_and_in_order(stages, period, shards):
    plans = tuple(StagePlan(name=str(i), length_ns=length, clients=to) for i, (length, to) in enumerate(stages))
    plan = GroupPlan(name="g", clients=8, period_ns=period, stages=plans)
    stop = sum(length for length, _ in stages) + 3 * period
    planned = sorted((due, c) for c in range(8) for due in due_times(c, plan, 0, stop))
    sent = []
    for shard in range(shards):
        own = list(taken(SlotCursor(plan, 0, shard, shards), stop))
        assert own == sorted(own)
        sent += own
    assert sorted(sent) == planned


def test_after_the_last_client_has_left_no_slot_is_due_any_more():
    stages = (StagePlan(name="up", length_ns=0, clients=2), StagePlan(name="down", length_ns=25, clients=0))
    cursor = SlotCursor(GroupPlan(name="g", clients=2, period_ns=10, stages=stages), 0, 0, 1)
    assert len(list(taken(cursor, NEVER))) == 4
    assert cursor.due == NEVER


@given(clients=st.integers(1, 20), period=st.integers(1, 50), shards=st.integers(1, 4), begin=st.integers(0, 1000))
def test_the_shards_together_send_the_planned_sentinels(clients, period, shards, begin):
    plan = GroupPlan(name="g", clients=clients, sentinel_period_ns=period)
    stop = begin + 20 * period
    sent = [
        slot
        for shard in range(min(shards, clients))
        for slot in taken(SentinelCursor(plan, begin, shard, shards), stop)
    ]
    assert sorted(sent) == sorted(sentinel_times(plan, begin, stop))


def test_the_number_of_a_slot_counts_the_clients_own_slots():
    cursor = SlotCursor(GroupPlan(name="g", clients=2, period_ns=10, ramp_over_ns=0, ramp_start=2), 0, 0, 1)
    seen = []
    for _ in range(4):
        seen.append((cursor.client, cursor.k, cursor.due))
        cursor.advance()
    assert seen == [(0, 0, 0), (1, 0, 5), (0, 1, 10), (1, 1, 15)]


def test_a_shard_without_clients_has_no_cursor():
    with pytest.raises(ValueError, match="no slots in shard 2"):
        SlotCursor(GroupPlan(name="g", clients=2, period_ns=10), 0, 2, 3)
