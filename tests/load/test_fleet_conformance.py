"""What every fleet does, wherever its workers run: the engine knows no difference between them."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray_stage
from fleet_stage import MS, SECOND, Bridge, begin, play

from chaosrun.cutting import CutOrder
from chaosrun.errors import ChaosrunError, Unavailable, Unwritable
from chaosrun.journal import SAMPLES, SlotRows, read_rows
from chaosrun.load.handle import WorkerLost
from chaosrun.recorded import read_run
from chaosrun.records import NONE, Ended, History, Kind, Lag
from chaosrun.scoring.pacing import due_times

KINDS = ("processes", "in-process", pytest.param("ray", marks=pytest.mark.slow))


@pytest.fixture(scope="module")
def nodes() -> Iterator[str]:
    with ray_stage.cluster(nodes=2) as made:
        yield made.address


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "ray":
        monkeypatch.setenv("RAY_ADDRESS", request.getfixturevalue("nodes"))
    return str(request.param)


def started(tmp_path: Path, during: Any, *, clients: int = 6, workers: int = 2, **load: Any) -> Any:
    """Start a fleet, do `during`, close: no thread or process of it may be left."""

    async def act() -> Any:
        bridge = Bridge()
        await bridge.start()
        run = await begin(tmp_path, bridge, clients=clients, workers=workers, period_ns=100 * MS, load=load)
        try:
            await run.fleet.start()
            await run.fleet.ramp(run.now())
            await during(run)
        finally:
            await run.fleet.close()
            await bridge.kill()
        assert run.fleet.processes == ()
        assert not [each.name for each in threading.enumerate() if each.name.startswith("load thread")]
        return run

    return asyncio.run(act())


def asked(history: History) -> list[Any]:
    return [slot for slot in history.slots if slot.kind is Kind.SLOT]


def test_every_slot_that_was_due_is_recorded_once_and_answered(tmp_path: Path, kind: str) -> None:
    async def during(run: Any) -> None:
        await run.all_usable()
        await asyncio.sleep(1.0)

    bridge = Bridge()
    run, history = play(tmp_path, during, bridge=bridge, clients=6, workers=3, period_ns=100 * MS, kind=kind)
    slots = asked(history)
    wanted = {(c, due) for c in range(6) for due in due_times(c, run.plan, run.t0, run.stopped)}
    assert {(slot.client, slot.due) for slot in slots} == wanted
    assert len(slots) == len(wanted)
    sent = [slot for slot in history.slots if slot.sent != NONE]
    assert len(sent) == bridge.pings, "the server's own count"
    assert all(slot.got != NONE for slot in slots if slot.sent != NONE)
    assert history.lost_records == 0


def test_every_message_that_the_server_sends_is_recorded_by_every_client(tmp_path: Path, kind: str) -> None:
    async def during(run: Any) -> None:
        await run.all_usable()
        await asyncio.sleep(1.0)

    bridge = Bridge(rate=100)
    _, history = play(tmp_path, during, bridge=bridge, clients=4, workers=2, period_ns=None, kind=kind)
    got: dict[int, list[int]] = {}
    for push in history.pushes:
        got.setdefault(history.streams[push.sid].c, []).append(push.first)
    assert set(got) == {0, 1, 2, 3}
    for numbers in got.values():
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "in order, none left out"
        assert len(numbers) > 50


def test_snapshots_come_five_times_a_second_and_add_up(tmp_path: Path, kind: str) -> None:
    async def during(run: Any) -> None:
        await run.all_usable()
        before = dict(run.fleet.heard)
        await asyncio.sleep(1.1)
        assert len(before) == 2
        assert all(700 * MS < run.fleet.heard[name] - at < 1_500 * MS for name, at in before.items())
        live = run.fleet.live
        assert (live.groups[0].counts.clients, live.groups[0].counts.open, live.groups[0].counts.usable) == (6, 6, 6)
        assert live.groups[0].counts.due == live.groups[0].counts.good + live.groups[0].counts.bad

    started(tmp_path, during, kind=kind)


def test_the_load_ends_at_one_instant_for_all_and_never_in_the_past(tmp_path: Path, kind: str) -> None:
    async def during(run: Any) -> None:
        await run.all_usable()
        asked_at = run.now()
        run.stopped = await run.fleet.stop(at_ns=asked_at - SECOND)
        assert asked_at < run.stopped <= run.now()
        await run.fleet.flush()
        rows = [read_rows(path, SlotRows)[0] for path in (tmp_path / SAMPLES).glob("*.slots")]
        assert max(due for each in rows for due in each[1 :: SlotRows.columns]) < run.stopped

    started(tmp_path, during, kind=kind)


def test_the_clients_that_a_fault_names_are_cut_off_and_come_back(tmp_path: Path, kind: str) -> None:
    async def during(run: Any) -> None:
        await run.all_usable()
        meant = await run.fleet.cut("f/0", CutOrder(group=None, clients=4, how="rst", code=None, over_ns=0, seed=1), 0)
        assert meant == 4
        await run.until(lambda: run.group.disconnects == 0 and run.group.usable == 6)
        cuts = await run.fleet.cuts("f/0")
        assert len(cuts) == 4
        assert all(cut.at is not None for cut in cuts)

    started(tmp_path, during, kind=kind)


def test_the_silent_speak_again_once_a_cut_is_taken_back(tmp_path: Path, kind: str) -> None:
    async def during(run: Any) -> None:
        await run.all_usable()
        order = CutOrder(group=None, clients=3, how="silent", code=None, over_ns=0, seed=1)
        await run.fleet.cut("f/0", order, 0)
        await run.until(lambda: run.group.usable == 3)
        await run.fleet.mend("f/0")
        await run.until(lambda: run.group.usable == 6)

    started(tmp_path, during, kind=kind)


def test_what_cannot_be_set_up_is_refused_at_the_start(tmp_path: Path, kind: str) -> None:
    async def during(run: Any) -> None:
        raise AssertionError("it started")

    with pytest.raises(ChaosrunError, match="no protocol 'mt6'; known: mt5"):
        started(tmp_path, during, kind=kind, protocol="mt6")


def test_a_machine_that_lacks_something_is_told_before_the_load(tmp_path: Path, kind: str) -> None:
    async def during(run: Any) -> None:
        raise AssertionError("it started")

    with pytest.raises(Unavailable, match="ulimit"):
        started(tmp_path, during, kind=kind, half_open=10_000_000)


def test_a_full_disk_is_told_and_the_load_goes_on(tmp_path: Path, kind: str) -> None:
    samples = tmp_path / "samples"
    samples.mkdir()
    (samples / "load-0.slots").symlink_to("/dev/full")

    async def during(run: Any) -> None:
        trouble = await asyncio.wait_for(run.fleet.failed(), 30)
        assert isinstance(trouble, Unwritable)
        seen = run.group.replies
        await run.until(lambda: run.group.replies > seen + 10)

    started(tmp_path, during, kind=kind)


def test_a_worker_that_is_given_up_is_lost_by_name_and_the_rest_ends_in_order(tmp_path: Path, kind: str) -> None:
    async def during(run: Any) -> None:
        await run.all_usable()
        lost = sorted(run.fleet.heard)[0]
        run.fleet.give_up(lost)
        assert isinstance(run.fleet.trouble, WorkerLost)
        assert lost in str(run.fleet.trouble)
        assert list(run.fleet.heard) == sorted(run.fleet.heard)[-1:]
        with pytest.raises(WorkerLost):
            await run.fleet.flush()
        await run.fleet.stop()

    started(tmp_path, during, kind=kind)
    ended = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert {"load-1"} <= {line["w"] for line in ended if line["type"] == "ended"}


def test_a_closed_line_ends_a_worker_with_all_that_it_measured_on_disk(tmp_path: Path, kind: str) -> None:
    """So it is when the coordinator is killed: nobody has to tell anybody anything."""

    async def during(run: Any) -> None:
        await run.all_usable()
        for worker in run.fleet._workers:
            worker.finished()
            worker._writer.write_eof()
        began = time.monotonic()
        await run.until(lambda: all(worker._gone for worker in run.fleet._workers), within_s=5)
        assert time.monotonic() - began < 2, "let go within 2 s"

    started(tmp_path, during, kind=kind)
    last = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert sum(line["type"] == "ended" for line in last) == 2


def test_each_worker_tells_its_own_lag(tmp_path: Path, kind: str) -> None:
    async def during(run: Any) -> None:
        await run.all_usable()
        await asyncio.sleep(1.2)

    play(tmp_path, during, clients=4, workers=2, kind=kind, drain_s=0.1)
    lines = read_run(tmp_path).lines
    assert (
        {line.w for line in lines.of(Lag)} == {"load-0", "load-1"} == {line.w for line in lines.of(Ended)} - {"engine"}
    )


def test_closing_twice_or_unstarted_does_no_harm(tmp_path: Path, kind: str) -> None:
    async def act() -> None:
        bridge = Bridge()
        await bridge.start()
        run = await begin(tmp_path, bridge, clients=1, workers=1, period_ns=SECOND, load={"kind": kind})
        await run.fleet.close()
        await run.fleet.start()
        await run.fleet.close()
        await run.fleet.close()
        assert run.fleet.processes == ()
        await bridge.kill()

    asyncio.run(act())
