"""Users who play a script, by the real load process against a real server."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from fleet_stage import MS, Bridge, Run, play

from chaosrun.load.config import Backoff
from chaosrun.plan import StreamPlan
from chaosrun.records import Kind, Phase
from chaosrun.scoring.connections import measure_connections
from chaosrun.scoring.requests import Requests

USER = {
    "path": "/ws",
    "open": [
        {"send": {"type": "auth", "account": "{client}"}, "expect": {"type": "auth_ok"}},
        {"send": {"type": "subscribe", "channels": ["EURUSD"]}, "expect": {"type": "subscribed"}},
    ],
    "ignore": [{"type": "tick"}],
    "session": {
        "repeat": 3,
        "think": "20ms",
        "steps": [
            {
                "name": "ping",
                "send": {"type": "ping", "id": "{id}", "sent": 1},
                "expect": {"type": "pong", "id": "{id}"},
            }
        ],
    },
}
SCRIPTED: dict[str, Any] = {
    "period_ns": None,
    "requests": ("ping",),
    "scripted": True,
    "streams": (),
    "reconnect": Backoff(first_ns=20 * MS, max_ns=20 * MS),
}


def user(then: str) -> dict[str, Any]:
    session = USER["session"] | {"then": then}  # type: ignore[operator]
    return SCRIPTED | {"protocol": json.dumps(USER | {"session": session})}


async def two_seconds(run: Run) -> None:
    await run.until(lambda: run.group is not None and run.group.replies >= 36)
    await asyncio.sleep(0.5)


def test_a_user_who_stays_plays_the_script_once_and_every_step_has_its_row(tmp_path: Path) -> None:
    _, history = play(tmp_path, two_seconds, **user("stay"))
    assert Counter(slot.client for slot in history.slots) == dict.fromkeys(range(12), 3)
    assert {slot.kind for slot in history.slots} == {Kind.STEP}
    for client in range(12):
        steps = sorted(slot for slot in history.slots if slot.client == client)
        for before, after in pairwise(steps):
            assert after.due >= before.got + 20 * MS - 1 * MS
            assert after.sent >= after.due
    assert {(line.cause, line.planned) for line in history.closed} == {("ours", True)}


def test_a_user_who_leaves_is_gone_for_good_and_nobody_misses_him(tmp_path: Path) -> None:
    async def until_all_left(run: Run) -> None:
        await run.until(lambda: run.group is not None and run.group.replies >= 36)
        await run.until(lambda: run.group.open == 0 and run.group.planned == 0 and run.group.counted == 0)

    run, history = play(tmp_path, until_all_left, **user("close"))
    assert len(history.opened) == 12
    assert all(line.t < run.stopped for line in history.closed)
    assert {(line.cause, line.planned) for line in history.closed} == {("ours", True)}


def test_a_user_who_reconnects_begins_anew_and_each_return_is_a_need(tmp_path: Path) -> None:
    async def until_some_came_back(run: Run) -> None:
        await run.until(lambda: run.group is not None and run.group.replies >= 200)

    run, history = play(tmp_path, until_some_came_back, **user("reconnect"))
    assert len(history.opened) > 24
    mid_run = [line for line in history.closed if line.t < run.stopped]
    assert {(line.cause, line.planned) for line in mid_run} == {("ours", True)}
    whole = Counter((slot.client, slot.conn) for slot in history.slots)
    ended = {(line.c, line.conn) for line in mid_run}
    assert {whole[key] for key in ended} == {3}, "nobody leaves before his script is over"
    phases = [Phase(t=run.t0, name="ramp"), Phase(t=run.stopped, name="drain")]
    told = measure_connections(replace(history, phases=phases), 0, 0, history.end)
    assert told.unexpected_disconnects == 0
    assert told.needs >= len(mid_run)


def test_the_steps_are_the_ledgers_requests(tmp_path: Path) -> None:
    _, history = play(tmp_path, two_seconds, **user("stay"))
    ledger = Requests.of(history, 0).ledger
    assert (ledger.due, ledger.sent, ledger.replied_in_time + ledger.replied_late) == (36, 36, 36)


def test_streams_go_on_beside_a_script(tmp_path: Path) -> None:
    stream = {"match": {"type": "tick"}, "channel": "symbol", "seq": "seq"}
    protocol = json.dumps(USER | {"ignore": [], "stream": stream})
    load = SCRIPTED | {"protocol": protocol, "streams": (StreamPlan(),)}
    _, history = play(tmp_path, two_seconds, bridge=Bridge(rate=50), **load)
    assert list(history.pushes)
    assert len(history.slots) == 36
