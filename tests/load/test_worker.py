"""The real load process against a real server: what it records of what happened."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter, defaultdict

from fleet_stage import MS, SECOND, Bridge, play

from chaosrun.load.config import Backoff
from chaosrun.load.wire import StopLoad
from chaosrun.recorded import read_run
from chaosrun.records import NONE, Kind, Status
from chaosrun.scoring.pacing import due_times


def slots_of(history, kind=Kind.SLOT):
    return [slot for slot in history.slots if slot.kind is kind]


def planned_slots(run):
    return {(c, due) for c in range(run.plan.clients) for due in due_times(c, run.plan, run.t0, run.stopped)}


def assert_every_due_slot_has_one_row(run, history):
    rows = Counter((slot.client, slot.due) for slot in slots_of(history))
    assert set(rows) == planned_slots(run)
    assert set(rows.values()) == {1}
    assert history.lost_records == 0


def test_every_slot_that_the_plan_makes_due_has_exactly_one_row(tmp_path):
    usable_at = 0

    async def during(run):
        nonlocal usable_at
        await run.all_usable()
        usable_at = run.now()
        await asyncio.sleep(1)

    run, history = play(tmp_path, during, drain_s=15)
    assert_every_due_slot_has_one_row(run, history)
    sent = [slot for slot in slots_of(history) if slot.due > usable_at and slot.status is not Status.SKIPPED_OBSERVER]
    assert sent
    assert all(slot.got > slot.sent >= slot.due for slot in sent)


def test_two_workers_record_together_what_one_would(tmp_path):
    async def during(run):
        await run.all_usable()
        await asyncio.sleep(0.5)

    run, history = play(tmp_path, during, workers=2, clients=13)
    assert_every_due_slot_has_one_row(run, history)
    assert sorted(opened.c for opened in history.opened) == list(range(13))
    assert {line.w: line.c % 2 for line in history.opened} == {"load-0": 0, "load-1": 1}


def test_an_order_to_stop_that_comes_too_late_ends_all_workers_at_one_later_instant(tmp_path):
    at_first = 0

    async def during(run):
        nonlocal at_first
        await run.all_usable()
        _, late = run.fleet._workers
        give = late.order

        async def delayed(order, within_s):
            nonlocal at_first
            if isinstance(order, StopLoad) and not at_first:
                at_first = order.at
                await asyncio.sleep(0.5)
            return await give(order, within_s)

        late.order = delayed

    run, history = play(tmp_path, during, workers=2, drain_s=15)
    assert run.stopped > at_first > 0
    assert_every_due_slot_has_one_row(run, history)
    beyond = {slot.client % 2 for slot in slots_of(history) if slot.due >= at_first}
    assert beyond == {0, 1}, "who was told in time serves what is due until then too"


def test_every_connect_is_followed_by_a_canary_repeated_until_one_is_good(tmp_path):
    bridge = Bridge(answers=False)

    async def during(run):
        await run.until(lambda: bridge.pings >= 8 * run.plan.clients)
        bridge.answers = True
        await run.all_usable()
        await asyncio.sleep(0.5)

    run, history = play(tmp_path, during, bridge=bridge, clients=4, latency_limit_ns=100 * MS, period_ns=60 * SECOND)
    canaries = defaultdict(list)
    for slot in slots_of(history, Kind.CANARY):
        canaries[slot.client].append(slot)
    for c in range(run.plan.clients):
        *bad, good = canaries[c]
        assert len(bad) >= 2
        assert all(slot.got == NONE or slot.got - slot.due > 100 * MS for slot in bad)
        assert good.got - good.due <= 100 * MS
        gaps = [b.due - a.due for a, b in zip(canaries[c], canaries[c][1:], strict=False)]
        assert all(gap >= 100 * MS for gap in gaps)


def test_clients_of_a_killed_server_skip_slots_say_why_and_come_back(tmp_path):
    bridge = Bridge()

    async def during(run):
        await run.all_usable()
        await bridge.kill()
        await run.until(lambda: run.group.open == 0)
        await asyncio.sleep(0.6)
        await bridge.start()
        await run.all_usable()
        await asyncio.sleep(0.5)

    run, history = play(tmp_path, during, bridge=bridge)
    assert_every_due_slot_has_one_row(run, history)
    unplanned = [closed for closed in history.closed if not closed.planned]
    assert sorted(closed.c for closed in unplanned) == list(range(run.plan.clients))
    assert {closed.cause for closed in unplanned} <= {"rst", "fin"}
    assert {refused.why for refused in history.refused} == {"refused"}
    assert sorted(o.c for o in history.opened if o.conn == 1) == list(range(run.plan.clients))
    skipped = [slot for slot in slots_of(history) if slot.status is Status.SKIPPED_DISCONNECTED and slot.conn == 0]
    assert {slot.client for slot in skipped} == set(range(run.plan.clients))
    assert all(slot.sent == NONE and slot.got == NONE for slot in skipped)
    # Each came back with a canary of its own.
    assert {slot.client for slot in slots_of(history, Kind.CANARY) if slot.conn == 1} == set(range(run.plan.clients))


def test_attempts_after_a_loss_keep_to_the_backoff(tmp_path):
    bridge = Bridge()

    async def during(run):
        await run.all_usable()
        await bridge.kill()
        await run.until(lambda: run.group.refused >= 4 * 3)

    backoff = Backoff(first_ns=100 * MS, max_ns=400 * MS, factor=2, jitter="none")
    _, history = play(tmp_path, during, bridge=bridge, clients=3, reconnect=backoff)
    lost = {closed.c: closed.t for closed in history.closed}
    for c in range(3):
        tries = [attempt.t for attempt in history.attempts if attempt.c == c and attempt.t > lost[c]]
        waits = [b - a for a, b in zip([lost[c], *tries], tries, strict=False)]
        assert len(waits) >= 2
        assert all(wait >= least * MS for wait, least in zip(waits, (100, 200, 400), strict=False))


def test_a_stalled_load_process_sends_late_slots_once_and_stale_ones_never(tmp_path):
    async def during(run):
        await run.all_usable()
        os.kill(run.fleet.processes[0].pid, signal.SIGSTOP)
        await asyncio.sleep(1.1)
        os.kill(run.fleet.processes[0].pid, signal.SIGCONT)
        await asyncio.sleep(0.7)

    run, history = play(tmp_path, during, period_ns=200 * MS)
    assert_every_due_slot_has_one_row(run, history)
    skipped = Counter(slot.client for slot in slots_of(history) if slot.status is Status.SKIPPED_OBSERVER)
    assert set(skipped) == set(range(run.plan.clients))
    assert min(skipped.values()) >= 3
    sent = defaultdict(list)
    for slot in slots_of(history):
        if slot.sent != NONE:
            assert slot.sent - slot.due <= run.plan.period_ns + 150 * MS
            sent[slot.client].append(slot.sent)
    # No burst: at most one late slot of a client, then its regular ones.
    assert all(len([t for t in times if t <= at < t + 20 * MS]) <= 2 for times in sent.values() for at in times)
    assert max(lag.max_ns for lag in history.lags) > 900 * MS
    stalled = max(history.lags, key=lambda lag: lag.max_ns)
    assert sum(count for bucket, count in stalled.buckets.items()) >= 100


def test_garbage_from_the_server_is_recorded_and_the_load_goes_on(tmp_path):
    bridge = Bridge(garbage=True)

    async def during(run):
        await run.all_usable()
        await asyncio.sleep(0.5)

    run, history = play(tmp_path, during, bridge=bridge, clients=4)
    assert_every_due_slot_has_one_row(run, history)
    assert run.fleet.trouble is None
    per_client = Counter(line.c for line in history.malformed)
    assert set(per_client) == set(range(4))
    assert max(per_client.values()) <= 20
    assert [closed for closed in history.closed if not closed.planned] == []


def test_a_refused_opening_is_told_as_such_and_tried_again(tmp_path):
    async def during(run):
        await run.until(lambda: run.group is not None and run.group.refused >= 6)

    _, history = play(tmp_path, during, bridge=Bridge(authenticates=False), clients=3)
    assert {(refused.why, refused.detail) for refused in history.refused} == {("conversation", "auth refused")}
    assert not history.opened
    assert {slot.status for slot in slots_of(history)} <= {Status.SKIPPED_DISCONNECTED, Status.SKIPPED_OBSERVER}


def test_every_push_is_a_row_under_a_named_stream_and_the_end_asks_for_the_head(tmp_path):
    bridge = Bridge(rate=50)

    async def during(run):
        await run.all_usable()
        told = bridge.seq
        await run.until(lambda: bridge.seq >= told + 20)

    _, history = play(tmp_path, during, bridge=bridge, clients=3)
    numbers = defaultdict(list)
    for push in history.pushes:
        stream = history.streams[push.sid]
        assert (stream.channel, stream.epoch, stream.conn) == ("EURUSD", "T1", 0)
        # `sent_at` is by the wall clock, which a machine's time service may set meanwhile.
        assert -SECOND // 10 <= push.at - push.sent_at < 20 * SECOND
        numbers[stream.c].append(push.first)
    assert set(numbers) == {0, 1, 2}
    for c, seen in numbers.items():
        head = next(line.head for line in history.subscribed if line.c == c)
        assert seen == list(range(head + 1, head + 1 + len(seen)))
        assert seen[-1] >= max(line.seq for line in history.heads)
    assert history.heads


def test_sentinels_go_round_all_clients_from_the_baseline_on(tmp_path):
    began = 0

    async def during(run):
        nonlocal began
        await run.all_usable()
        began = run.now() + 50 * MS
        await run.fleet.sentinels(began)
        await asyncio.sleep(1)

    run, history = play(tmp_path, during, clients=5, workers=2, period_ns=60 * SECOND, sentinel_period_ns=50 * MS)
    sentinels = sorted(slots_of(history, Kind.SENTINEL), key=lambda slot: slot.due)
    assert [slot.due for slot in sentinels] == list(range(began, run.stopped, 50 * MS))
    assert [slot.client for slot in sentinels] == [k % 5 for k in range(len(sentinels))]
    assert all(slot.status is Status.SENT for slot in sentinels)


def test_slots_undecided_at_a_flush_are_on_disk_beside_the_decided_ones(tmp_path):
    bridge = Bridge()
    seen = []

    async def during(run):
        await run.all_usable()
        bridge.answers, answered = False, bridge.pings
        await run.until(lambda: bridge.pings >= answered + 12)
        await run.fleet.flush()
        seen.extend(read_run(tmp_path, until=run.now()).history.slots)

    run, history = play(tmp_path, during, bridge=bridge, clients=4, drain_s=0.2)
    silent = [slot for slot in seen if slot.kind is Kind.SLOT and slot.got == NONE and slot.sent != NONE]
    assert len(silent) >= 12
    assert_every_due_slot_has_one_row(run, history)


def test_leaving_at_the_end_is_planned(tmp_path):
    async def during(run):
        await run.all_usable()

    _, history = play(tmp_path, during, clients=3)
    assert [(closed.cause, closed.planned) for closed in history.closed] == [("ours", True)] * 3


def test_a_declared_protocol_drives_the_same_server_as_the_built_in_one(tmp_path):
    declared = {
        "path": "/ws",
        "open": [
            {"send": {"type": "auth", "account": "{index}"}, "expect": {"type": "auth_ok"}},
            {"send": {"type": "subscribe", "channels": ["{channel}"]}, "expect": {"type": "subscribed"}},
        ],
        "request": {
            "send": {"type": "ping", "id": "{id}", "sent": "{unix_ms}"},
            "reply": {"type": "pong", "id": "{id}", "sent": "{unix_ms}"},
        },
        "stream": {
            "match": {"type": "tick"},
            "channel": "symbol",
            "seq": "seq",
            "epoch": "boot_id",
            "head": "heads.{channel}.seq",
            "sent_at": {"field": "ts"},
        },
        "high_water": {
            "send": {"type": "head"},
            "reply": {"type": "head"},
            "seq": "heads.{channel}.seq",
            "epoch": "heads.{channel}.boot_id",
        },
    }

    async def during(run):
        await run.all_usable()
        told = bridge.seq
        await run.until(lambda: bridge.seq >= told + 5)

    bridge = Bridge(rate=20)
    run, history = play(tmp_path, during, bridge=bridge, clients=5, protocol=json.dumps(declared))
    assert_every_due_slot_has_one_row(run, history)
    assert not history.malformed
    assert sorted(bridge.accounts) == list(range(5))
    assert {(line.channel, line.epoch, line.head is None) for line in history.subscribed} == {("EURUSD", "T1", False)}
    assert {(line.channel, line.epoch) for line in history.heads} == {("EURUSD", "T1")}
    numbers = defaultdict(list)
    for push in history.pushes:
        numbers[history.streams[push.sid].c].append(push.first)
    assert set(numbers) == set(range(5))
    assert all(seen == list(range(seen[0], seen[0] + len(seen))) for seen in numbers.values())


def test_every_client_shakes_hands_as_its_protocol_says_for_it(tmp_path):
    declared = {"path": "/ws", "query": {"client": "{index}"}}

    async def during(run):
        await run.until(lambda: run.group is not None and run.group.open == 5)

    bridge = Bridge()
    play(tmp_path, during, bridge=bridge, clients=5, period_ns=None, protocol=json.dumps(declared))
    assert sorted(bridge.paths) == [f"/ws?client={index}" for index in range(5)]
