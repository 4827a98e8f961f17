"""The engine's handle on the load processes: it loses none in silence, waits for none for ever, and leaves none."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import time
from pathlib import Path

import pytest
from fleet_stage import MS, SECOND, Bridge, begin, play

from chaosrun.errors import ChaosrunError, Unavailable, Unwritable
from chaosrun.identity import identify
from chaosrun.load.fleet import Fleet
from chaosrun.load.handle import WorkerLost
from chaosrun.load.own_process import OwnProcesses
from chaosrun.load.wire import Flush
from chaosrun.records import NONE, Kind


def started(tmp_path, during, *, clients=3, workers=1, **load):
    """Start a fleet, do `during`, close; no worker may be left."""

    async def act():
        bridge = Bridge()
        await bridge.start()
        run = await begin(tmp_path, bridge, clients=clients, workers=workers, period_ns=100 * MS, load=load)
        try:
            await run.fleet.start()
            await run.fleet.ramp(run.now())
            await during(run)
        finally:
            pids = [each.pid for each in run.fleet.processes]
            await run.fleet.close()
            await bridge.kill()
        assert not [pid for pid in pids if identify(pid) is not None]
        return run

    return asyncio.run(act())


def test_a_killed_worker_is_lost_and_every_later_order_says_so(tmp_path):
    async def during(run):
        await run.all_usable()
        pid = run.fleet.processes[0].pid
        os.kill(pid, signal.SIGKILL)
        trouble = await asyncio.wait_for(run.fleet.failed(), 30)
        assert isinstance(trouble, WorkerLost)
        assert str(pid) in str(trouble)
        with pytest.raises(WorkerLost):
            await run.fleet.flush()

    started(tmp_path, during)


def test_modules_of_the_working_directory_are_none_of_its_workers(tmp_path, monkeypatch):
    (tmp_path / "select.py").write_text("raise SystemExit('a module of the project')")
    monkeypatch.chdir(tmp_path)

    async def during(run):
        await run.all_usable()

    started(tmp_path, during)


def test_the_last_words_of_a_worker_are_in_the_error(tmp_path):
    async def during(run):
        await run.all_usable()
        os.kill(run.fleet.processes[0].pid, signal.SIGABRT)
        assert "ended with" in str(await asyncio.wait_for(run.fleet.failed(), 30))

    started(tmp_path, during)


def test_a_worker_that_hangs_is_given_up_and_killed(tmp_path, monkeypatch):
    monkeypatch.setattr("chaosrun.load.fleet.END_WITHIN_S", 0.5)

    async def during(run):
        os.kill(run.fleet.processes[0].pid, signal.SIGSTOP)
        with pytest.raises(WorkerLost, match="did not answer"):
            await run.fleet._workers[0].order(Flush(), 0.5)

    started(tmp_path, during)


def test_a_worker_ends_with_the_engines_socket_and_writes_what_it_has(tmp_path):
    async def during(run):
        await run.all_usable()
        await asyncio.sleep(0.3)
        run.fleet._workers[0].finished()
        run.fleet._workers[0]._writer.close()
        pid = run.fleet.processes[0].pid
        await run.until(lambda: identify(pid) is None)

    started(tmp_path, during)
    journal = (tmp_path / "journal.jsonl").read_text()
    assert '"type":"ended"' in journal.splitlines()[-1]


def test_ctrl_c_in_the_terminal_does_not_reach_the_workers(tmp_path):
    async def during(run):
        assert os.getsid(run.fleet.processes[0].pid) != os.getsid(0)

    started(tmp_path, during)


def test_what_a_worker_was_told_is_not_on_its_command_line(tmp_path):
    async def during(run):
        command = Path(f"/proc/{run.fleet.processes[0].pid}/cmdline").read_bytes()
        assert command
        assert b"very-secret" not in command

    started(tmp_path, during, token="very-secret")
    assert b"very-secret" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_a_full_disk_is_told_and_the_load_goes_on(tmp_path):
    samples = tmp_path / "samples"
    samples.mkdir()
    (samples / "load-0.slots").symlink_to("/dev/full")

    async def during(run):
        trouble = await asyncio.wait_for(run.fleet.failed(), 30)
        assert isinstance(trouble, Unwritable)
        await run.all_usable()
        seen = run.group.replies
        await run.until(lambda: run.group.replies > seen + 10)

    started(tmp_path, during)


def test_an_unknown_protocol_is_refused_at_the_start_with_the_known_ones(tmp_path):
    async def act():
        bridge = Bridge()
        await bridge.start()
        run = await begin(tmp_path, bridge, clients=1, workers=1, period_ns=SECOND, load={})
        (group,) = run.fleet._groups
        changed = type(group)(**{name: getattr(group, name) for name in group.__struct_fields__} | {"protocol": "mt6"})
        fleet = Fleet([changed], run_dir=tmp_path, origin_ns=run.origin_ns, wall_offset_ns=0, place=OwnProcesses())
        try:
            with pytest.raises(ChaosrunError, match="no protocol 'mt6'; known: mt5"):
                await fleet.start()
        finally:
            await fleet.close()
            await bridge.kill()

    asyncio.run(act())


def test_too_few_descriptors_are_found_before_the_load(tmp_path):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    async def during(run):
        raise AssertionError("it started")

    with pytest.raises(Unavailable, match="ulimit"):
        started(tmp_path, during, clients=hard)


def test_connections_that_a_fault_may_leave_half_open_need_descriptors_too(tmp_path):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    async def during(run):
        raise AssertionError("it started")

    with pytest.raises(Unavailable, match="ulimit"):
        started(tmp_path, during, clients=3, half_open=hard)


def test_the_snapshots_of_two_workers_are_one_picture(tmp_path):
    async def during(run):
        await run.all_usable()
        await run.until(lambda: run.group.good > 20 and run.fleet.live.groups[0].response_p50_ns is not None)
        live = run.fleet.live
        assert (live.groups[0].counts.clients, live.groups[0].counts.open) == (7, 7)
        assert live.groups[0].counts.due == live.groups[0].counts.good + live.groups[0].counts.bad
        assert 0 < live.groups[0].response_p50_ns <= live.groups[0].response_p99_ns

    started(tmp_path, during, clients=7, workers=2)


def test_the_stop_is_never_before_slots_that_are_already_sent(tmp_path):
    async def during(run):
        await run.all_usable()
        before = run.now()
        run.stopped = await run.fleet.stop(at_ns=before - SECOND)
        assert before < run.stopped <= run.now()

    run = started(tmp_path, during)
    assert run.stopped


def test_a_conversation_that_raises_costs_its_connection_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))

    async def during(run):
        await run.until(lambda: run.group is not None and run.group.malformed >= 3)
        await asyncio.sleep(0.3)
        assert run.fleet.trouble is None

    bridge = Bridge()
    _, history = play(tmp_path, during, bridge=bridge, clients=1, protocol="faulty_protocol:Faulty", drain_s=0.1)
    assert {line.why for line in history.malformed} == {"RuntimeError: cannot ask"}
    assert {closed.cause for closed in history.closed if not closed.planned} == {"protocol"}
    assert max(opened.conn for opened in history.opened) >= 2
    canaries = [slot for slot in history.slots if slot.kind is Kind.CANARY]
    assert all(slot.sent != NONE and slot.got == NONE for slot in canaries)


def test_closing_twice_or_unstarted_does_no_harm(tmp_path):
    async def act():
        bridge = Bridge()
        await bridge.start()
        run = await begin(tmp_path, bridge, clients=1, workers=1, period_ns=SECOND, load={})
        await run.fleet.close()
        await run.fleet.start()
        began = time.monotonic()
        await run.fleet.close()
        await run.fleet.close()
        assert time.monotonic() - began < 10
        await bridge.kill()

    asyncio.run(act())
