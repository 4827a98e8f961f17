"""Clients that stages call and send away, played by the real load process against a real server."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from fleet_stage import MS, SECOND, Bridge, Run, play

from chaosrun.plan import StagePlan
from chaosrun.records import NONE, Kind, Phase, Status
from chaosrun.scoring.connections import measure_connections
from chaosrun.scoring.pacing import due_times, lives
from chaosrun.scoring.pushes import count_pushes

STAGES = (
    StagePlan(name="up", length_ns=300 * MS, clients=12),
    StagePlan(name="on", length_ns=1500 * MS, clients=12),
    StagePlan(name="ebb", length_ns=400 * MS, clients=4),
    StagePlan(name="low", length_ns=1000 * MS, clients=4),
    StagePlan(name="flood", length_ns=400 * MS, clients=12),
)
END = sum(stage.length_ns for stage in STAGES)


async def through_all_stages(run: Run) -> None:
    await run.until(lambda: run.now() - run.t0 > END + 500 * MS)
    await run.all_usable()


@pytest.mark.parametrize("workers", [1, 2])
def test_clients_come_and_go_with_the_stages_and_nothing_of_it_counts_as_lost(tmp_path: Path, workers: int) -> None:
    run, history = play(tmp_path, through_all_stages, bridge=Bridge(rate=50), workers=workers, stages=STAGES)
    rows = Counter((slot.client, slot.due) for slot in history.slots if slot.kind is Kind.SLOT)
    planned = [(c, due) for c in range(12) for due in due_times(c, run.plan, run.t0, run.stopped)]
    assert sorted(rows.elements()) == sorted(planned)
    left = {line.c: line for line in history.closed if line.t < run.stopped}
    assert sorted(left) == list(range(4, 12))
    assert {(line.cause, line.planned) for line in history.closed} == {("ours", True)}
    for c, line in left.items():
        assert lives(c, run.plan)[0].end is not None
        assert line.t >= run.t0 + (lives(c, run.plan)[0].end or 0), "not before its time"
    assert sorted(line.c for line in history.opened if line.conn == 1) == list(range(4, 12))
    asked = [slot for slot in history.slots if slot.sent != NONE and slot.due < run.stopped - SECOND]
    assert asked
    assert [slot for slot in asked if slot.got == NONE or slot.status is not Status.SENT] == []


def test_a_client_goes_once_its_last_replies_have_come_and_not_much_later_than_they_may(tmp_path: Path) -> None:
    stages = (
        StagePlan(name="up", length_ns=0, clients=4),
        StagePlan(name="on", length_ns=1000 * MS, clients=4),
        StagePlan(name="down", length_ns=0, clients=2),
    )
    bridge = Bridge(answers=False)

    async def during(run: Run) -> None:
        await run.until(lambda: run.group is not None and run.group.open == 4)
        await run.until(lambda: run.group.open == 2)

    run, history = play(tmp_path, during, bridge=bridge, clients=4, stages=stages, reply_timeout_ns=1500 * MS)
    gone = [line for line in history.closed if line.t < run.stopped]
    assert sorted(line.c for line in gone) == [2, 3]
    for line in gone:
        assert line.t >= run.t0 + 2500 * MS, "it was owed replies, and waited as long as they may take"


def test_what_is_told_of_the_load_goes_by_those_that_the_stages_want(tmp_path: Path) -> None:
    seen: set[tuple[int, int]] = set()

    async def during(run: Run) -> None:
        await run.all_usable()
        await run.until(lambda: run.group.planned == 4)
        await run.until(lambda: run.group.counted == 4)
        seen.add((run.group.planned, run.group.usable))
        await run.until(lambda: run.group.planned == 12)
        await run.all_usable()

    play(tmp_path, during, stages=STAGES)
    assert seen == {(4, 4)}


def test_the_score_of_stages_has_no_time_lost_and_no_message_missed(tmp_path: Path) -> None:
    run, history = play(tmp_path, through_all_stages, bridge=Bridge(rate=50), stages=STAGES)
    history = replace(history, phases=[Phase(t=run.t0, name="ramp"), Phase(t=run.stopped, name="drain")])
    pushes = count_pushes(history, 0, (run.t0, run.stopped)).ledger
    assert (pushes.missed_disconnected, pushes.lost_connected) == (0, 0)
    assert pushes.received > 0
    told = measure_connections(history, 0, 0, history.end)
    assert (told.needs, told.needs_met, told.unexpected_disconnects) == (20, 20, 0)
