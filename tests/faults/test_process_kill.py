"""Killing a role, on real processes: exactly what is meant dies, and comes back as was said."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import msgspec
import pytest
from small_world import SLEEPER, World, found_role, owned_role, sleeper, somebody_elses

from chaosrun.errors import Dirty, Unavailable
from chaosrun.faults.process_kill import ProcessKill, UndoArgs, make, undo, verify
from chaosrun.identity import is_alive
from chaosrun.processes import Selector, find
from chaosrun.records import Undo
from chaosrun.safety.undo import take_away
from chaosrun.spec.steps import ProcessKillStep
from chaosrun.targets.output import Output
from chaosrun.targets.process import ProcessRole


def kill(**more: object) -> ProcessKill:
    return ProcessKill("kill it", role="server", number=signal.SIGKILL, **more)  # type: ignore[arg-type]


@pytest.fixture
def word() -> str:
    return uuid.uuid4().hex


def test_the_effect_is_confirmed_by_the_kernel_and_the_role_is_started_again(tmp_path: Path) -> None:
    async def story() -> None:
        role = owned_role(tmp_path)
        await role.start()
        [before] = role.pids()
        try:
            world, fault = World(role), kill(restart_after_s=0.2)
            record = fault.plan(world, "f1")
            assert is_alive(before), "a plan touches nothing"
            await fault.inject(world)
            assert (await fault.confirm(world)).verified
            assert not is_alive(before)
            await fault.settle(world)
            [after] = role.pids()
            assert after != before
            assert not fault.sustained
            assert verify(record)
        finally:
            await role.stop()

    asyncio.run(story())


def test_without_a_restart_the_role_stays_down_until_the_fault_is_removed(tmp_path: Path) -> None:
    async def story() -> None:
        role = owned_role(tmp_path)
        await role.start()
        try:
            world, fault = World(role), kill()
            fault.plan(world, "f1")
            await fault.inject(world)
            await fault.confirm(world)
            await fault.settle(world)
            assert fault.sustained
            assert not role.is_alive()
            await fault.remove(world)
            assert role.is_alive()
        finally:
            await role.stop()

    asyncio.run(story())


def test_a_signal_that_is_ignored_is_not_confirmed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaosrun.faults.process_kill._EFFECT_WITHIN_S", 0.3)

    async def story() -> None:
        role = owned_role(tmp_path)
        role.argv = ("bash", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done")
        await role.start()
        try:
            while "deaf" not in role.tail():
                await asyncio.sleep(0.02)
            world = World(role)
            fault = ProcessKill("ask it", role="server", number=signal.SIGTERM, restart_after_s=0)
            fault.plan(world, "f1")
            await fault.inject(world)
            seen = await fault.confirm(world)
            assert not seen.verified
            assert "still runs" in seen.how
        finally:
            await role.stop()

    asyncio.run(story())


def test_one_that_had_ended_by_itself_is_not_said_to_have_been_killed(tmp_path: Path, word: str) -> None:
    async def story() -> None:
        with somebody_elses(word) as [process]:
            world, fault = World(found_role(tmp_path, word)), kill()
            fault.plan(world, "f1")
            process.kill()
            process.wait()
            await fault.inject(world)
            seen = await fault.confirm(world)
            assert not seen.verified
            assert f"process {process.pid} had ended before" in seen.how

    asyncio.run(story())


def test_a_role_that_nobody_can_start_again_is_not_killed(tmp_path: Path, word: str) -> None:
    with somebody_elses(word), pytest.raises(Unavailable, match=r"`start` command.*by: supervisor"):
        kill(restart_after_s=1.0).plan(World(found_role(tmp_path, word, start=False)), "f1")


@pytest.mark.parametrize("count", [0, 2])
def test_another_number_of_processes_than_expected_is_not_killed(tmp_path: Path, word: str, count: int) -> None:
    with somebody_elses(word, count) as processes:
        with pytest.raises(Unavailable, match="1 process expected"):
            kill(restart_after_s=1.0).plan(World(found_role(tmp_path, word)), "f1")
        assert all(process.poll() is None for process in processes)


def some(count: int | float, seed: int = 7) -> ProcessKill:
    fault = make(ProcessKillStep(fault="process_kill", role="server", processes=count, seed=seed))
    assert isinstance(fault, ProcessKill)
    return fault


def test_of_a_share_exactly_so_many_die_and_the_undo_starts_so_many_again(tmp_path: Path, word: str) -> None:
    async def story() -> None:
        with somebody_elses(word, 4) as processes:
            role = found_role(tmp_path, word, expect=4)
            world, fault = World(role), some(0.5)
            record = fault.plan(world, "f1")
            meant = {int(pid) for pid in str(record.identity["pids"]).split()}
            assert [each.split(":")[0] for each in fault.aim(world)] == [str(pid) for pid in sorted(meant)]
            await fault.inject(world)
            seen = await fault.confirm(world)
            assert seen.verified
            assert "(2 of 4 that match)" in seen.how
            assert {each.pid for each in role.pids()} == {each.pid for each in processes} - meant
            await fault.remove(world)
            assert take_away(record).clean
            assert len(role.pids()) == 4
            assert not meant & {each.pid for each in role.pids()}

    asyncio.run(story())


def test_which_ones_are_hit_is_for_the_seed_to_say(tmp_path: Path, word: str) -> None:
    def hit(fault: ProcessKill) -> object:
        return fault.plan(world, "f1").identity["pids"]

    with somebody_elses(word, 6):
        world = World(found_role(tmp_path, word, expect=6))
        assert hit(some(2)) == hit(some(2)) == hit(some(1 / 3))
        assert len({hit(some(1, seed)) for seed in range(20)}) > 1


def test_a_supervisor_that_leaves_the_survivors_alone_has_restarted_nothing(tmp_path: Path, word: str) -> None:
    async def story() -> None:
        with somebody_elses(word, 2):
            world = World(found_role(tmp_path, word, expect=2))
            fault = kill(some=1, supervised_within_s=0.3)
            fault.plan(world, "f1")
            await fault.inject(world)
            before = world.now()
            await fault.settle(world)
            assert world.now() - before >= 300_000_000, "one that was there before is no restart"

    asyncio.run(story())


def test_all_of_several_expected_processes_are_killed(tmp_path: Path, word: str) -> None:
    async def story() -> None:
        with somebody_elses(word, 2) as processes:
            world, fault = World(found_role(tmp_path, word, expect=2)), kill()
            fault.plan(world, "f1")
            await fault.inject(world)
            assert (await fault.confirm(world)).verified
            assert [process.wait() for process in processes] == [-9, -9]

    asyncio.run(story())


def test_a_supervisors_restart_is_noticed_by_the_new_process(tmp_path: Path, word: str) -> None:
    async def story() -> None:
        with somebody_elses(word) as processes:
            fault = kill(supervised_within_s=20.0)
            world = World(found_role(tmp_path, word, start=False))
            record = fault.plan(world, "f1")
            await fault.inject(world)
            await fault.confirm(world)
            processes[0].wait()
            settling = asyncio.create_task(fault.settle(world))
            await asyncio.sleep(0.2)
            assert not settling.done(), "it is down, so the supervisor is still waited for"
            processes.append(subprocess.Popen(sleeper(word)))
            await asyncio.wait_for(settling, 20)
            assert verify(record)

    asyncio.run(story())


def test_a_supervisor_that_never_comes_is_waited_for_no_longer_than_was_said(tmp_path: Path, word: str) -> None:
    async def story() -> None:
        with somebody_elses(word) as processes:
            fault = kill(supervised_within_s=0.3)
            world = World(found_role(tmp_path, word, start=False))
            fault.plan(world, "f1")
            await fault.inject(world)
            processes[0].wait()
            began = time.monotonic()
            await asyncio.wait_for(fault.settle(world), 10)
            assert time.monotonic() - began >= 0.3

    asyncio.run(story())


def test_the_record_alone_starts_a_found_role_again_and_only_once(tmp_path: Path, word: str) -> None:
    selector = Selector(cmdline_contains=(word,))
    with somebody_elses(word) as processes:
        record = kill().plan(World(found_role(tmp_path, word)), "f1")
        record = msgspec.json.decode(msgspec.json.encode(record), type=Undo)
        undo(record)
        assert [each.pid for each in find(selector)] == [processes[0].pid], "it runs, so nothing is started"
        processes[0].kill()
        processes[0].wait()
        assert not verify(record)
        undo(record)
        undo(record)
        assert verify(record)
        [again] = find(selector)
        assert again.pid != processes[0].pid


def test_a_launcher_that_takes_its_time_is_waited_for_and_not_doubled(
    tmp_path: Path, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It becomes the role by an exec that leaves nothing of its own command line, as Wine does."""
    monkeypatch.setattr("chaosrun.faults.process_kill._EFFECT_WITHIN_S", 0.2)
    log = tmp_path / "starts"
    late = f'echo start >> {log}; sleep 1; exec "$0" -c "$1" "$2$3"'
    start = ["sh", "-c", late, sys.executable, SLEEPER, word[:16], word[16:]]
    selector = Selector(cmdline_contains=(word,))
    with somebody_elses(word) as [process]:
        role = ProcessRole("server", selector, output=Output(tmp_path / "server.log"), start=start)
        record = kill().plan(World(role), "f1")
        process.kill()
        process.wait()
        undo(record)
        assert verify(record)
        assert len(find(selector)) == 1
        assert log.read_text() == "start\n"


def test_what_the_run_started_needs_no_undo_once_the_run_is_over(tmp_path: Path) -> None:
    args = UndoArgs(role="server", selector=None, argv=("false",), cwd="/", supervised=False)
    record = Undo(id="f1", kind="process_kill", what="", identity={}, args=msgspec.Raw(msgspec.json.encode(args)))
    undo(record)
    assert verify(record)


def test_a_role_that_is_down_and_cannot_be_started_is_dirty(word: str) -> None:
    selector = Selector(cmdline_contains=(word,))
    args = UndoArgs(role="server", selector=selector, argv=(), cwd="/", supervised=False)
    record = Undo(id="f1", kind="process_kill", what="", identity={}, args=msgspec.Raw(msgspec.json.encode(args)))
    with pytest.raises(Dirty, match="by hand"):
        undo(record)
    assert not verify(record)


def test_a_step_of_the_yaml_becomes_the_fault_that_it_describes() -> None:
    step = ProcessKillStep.model_validate(
        {"fault": "process_kill", "role": "server", "signal": "SIGTERM", "restart": {"by": "chaosrun", "after": "2s"}}
    )
    fault = make(step)
    assert (fault.name, fault.role, fault.sustained) == ("process_kill server", "server", False)
    assert make(ProcessKillStep(fault="process_kill", role="server")).sustained
