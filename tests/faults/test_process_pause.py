"""Freezing a role, on real processes: exactly what is meant stands still, by the kernel's word, and goes on again."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from small_world import World, found_role, somebody_elses

from chaosrun.errors import Unavailable
from chaosrun.faults._base import Confirmation
from chaosrun.faults.process_pause import ProcessPause, UndoArgs, make, verify
from chaosrun.identity import Identity, identify, thread_states
from chaosrun.processes import Selector, find
from chaosrun.records import Undo
from chaosrun.safety.undo import take_away
from chaosrun.spec.steps import ProcessPauseStep

TICKING = """
import os, threading, time
def tick():
    while True:
        os.write(1, b".")
        time.sleep(0.002)
for _ in range(3):
    threading.Thread(target=tick).start()
"""

IN_VFORK = """
import ctypes, time
if ctypes.CDLL(None).vfork() == 0:
    while True:
        time.sleep(600)
"""
"""Two processes of one command line. Until its child ends or execs, the kernel cannot stop the parent (vfork(2))."""


def pause() -> ProcessPause:
    return ProcessPause("freeze it", role="server")


def state(pid: int) -> set[str]:
    """Of all threads of a process."""
    identity = identify(pid)
    return set() if identity is None else set(thread_states(identity).values())


def eventually(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while not (held := holds()) and time.monotonic() < end:
        time.sleep(0.01)
    return held


def through_the_journal(record: Undo) -> Undo:
    return msgspec.json.decode(msgspec.json.encode(record), type=Undo)


def record_of(*identities: Identity) -> Undo:
    args = msgspec.Raw(msgspec.json.encode(UndoArgs(identities)))
    return Undo(id="f1", kind="process_pause", what="let it go on", identity={}, args=args)


async def frozen(world: World) -> tuple[ProcessPause, Undo]:
    """A fault that was injected and confirmed, and the record of its undo."""
    fault = pause()
    record = through_the_journal(fault.plan(world, "f1"))
    await fault.inject(world)
    seen = await fault.confirm(world)
    assert seen.verified, seen.how
    return fault, record


@pytest.fixture
def word() -> str:
    return uuid.uuid4().hex


@contextmanager
def running(code: str, word: str, count: int = 1) -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours that runs `code`; it and whatever else carries `word` is killed afterwards."""
    process = subprocess.Popen([sys.executable, "-c", code, word], stdout=subprocess.PIPE)
    try:
        assert eventually(lambda: len(find(Selector(cmdline_contains=(word,)))) == count)
        yield process
    finally:
        for left in find(Selector(cmdline_contains=(word,))):
            os.kill(left.pid, signal.SIGKILL)
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_every_thread_stands_still_until_the_fault_is_removed(tmp_path: Path, word: str) -> None:
    with running(TICKING, word) as process:
        assert process.stdout is not None
        pipe = process.stdout.fileno()

        def says_something(within_s: float) -> bool:
            return bool(select.select([pipe], [], [], within_s)[0])

        assert eventually(lambda: len(state(process.pid)) > 0 and says_something(0.1))

        async def story() -> None:
            world = World(found_role(tmp_path, word))
            fault, record = await frozen(world)
            assert fault.sustained
            assert state(process.pid) == {"T"}
            while says_something(0):  # what it had said before
                os.read(pipe, 1 << 16)
            assert not says_something(0.3)
            assert not verify(record), "the state is read, not remembered"
            await fault.remove(world)
            assert says_something(20)
            assert verify(record)

        asyncio.run(story())


def test_the_record_alone_lets_it_go_on_from_another_process_and_again_changes_nothing(
    tmp_path: Path, word: str
) -> None:
    with somebody_elses(word) as [process]:
        _, record = asyncio.run(frozen(World(found_role(tmp_path, word))))
        assert state(process.pid) == {"T"}
        code = (
            "import sys, msgspec; from chaosrun.records import Undo; from chaosrun.safety.undo import take_away\n"
            "print(take_away(msgspec.json.decode(sys.argv[1], type=Undo)).clean)"
        )
        command = [sys.executable, "-c", code, msgspec.json.encode(record).decode()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd="/")
        assert done.stdout.strip() == "True"
        assert "T" not in state(process.pid)
        assert take_away(record).clean
        assert verify(record)


def test_an_undo_of_what_was_never_injected_changes_nothing(tmp_path: Path, word: str) -> None:
    with somebody_elses(word) as [process]:
        record = through_the_journal(pause().plan(World(found_role(tmp_path, word)), "f1"))
        assert "T" not in state(process.pid), "a plan touches nothing"
        assert take_away(record).clean
        assert process.poll() is None


@pytest.mark.parametrize("change", [{"start_time": 1.25}, {"boot_id": "another-boot"}])
def test_a_process_that_only_has_the_pid_is_not_set_going(word: str, change: dict[str, object]) -> None:
    with somebody_elses(word) as [process]:
        process.send_signal(signal.SIGSTOP)  # by somebody else, for a reason of theirs
        assert eventually(lambda: state(process.pid) == {"T"})
        identity = identify(process.pid)
        assert identity is not None
        record = record_of(replace(identity, **change))  # type: ignore[arg-type]
        assert take_away(record).clean
        assert state(process.pid) == {"T"}


def test_one_that_dies_while_it_is_frozen_needs_no_undo_not_even_as_a_zombie(tmp_path: Path, word: str) -> None:
    async def story() -> None:
        with somebody_elses(word) as [process]:
            world = World(found_role(tmp_path, word))
            fault, record = await frozen(world)
            process.kill()
            assert eventually(lambda: identify(process.pid) is None)  # a zombie: nobody has waited for it
            await fault.remove(world)
            assert take_away(record).clean
            process.wait()
            assert take_away(record).clean

    asyncio.run(story())


def test_all_of_several_expected_processes_stand_still_and_one_that_died_keeps_none_back(
    tmp_path: Path, word: str
) -> None:
    with somebody_elses(word, 3) as processes:
        _, record = asyncio.run(frozen(World(found_role(tmp_path, word, expect=3))))
        assert [state(process.pid) for process in processes] == [{"T"}] * 3
        processes[1].kill()
        assert take_away(record).clean
        assert not any("T" in state(process.pid) for process in processes)
        assert [process.poll() for process in (processes[0], processes[2])] == [None, None]


def test_of_a_share_exactly_so_many_stand_still_and_the_others_run_on(tmp_path: Path, word: str) -> None:
    async def story() -> None:
        with somebody_elses(word, 3) as processes:
            fault = make(ProcessPauseStep(fault="process_pause", role="server", processes=1, seed=3))
            world = World(found_role(tmp_path, word, expect=3))
            record = fault.plan(world, "f1")
            meant = int(str(record.identity["pids"]))
            await fault.inject(world)
            try:
                seen = await fault.confirm(world)
                assert seen.verified
                assert "(1 of 3 that match)" in seen.how
                assert state(meant) == {"T"}
                assert all("T" not in state(each.pid) for each in processes if each.pid != meant)
            finally:
                assert take_away(record).clean

    asyncio.run(story())


@pytest.mark.parametrize("count", [0, 2])
def test_another_number_of_processes_than_expected_is_not_frozen(tmp_path: Path, word: str, count: int) -> None:
    with somebody_elses(word, count) as processes:
        with pytest.raises(Unavailable, match="1 process expected"):
            pause().plan(World(found_role(tmp_path, word)), "f1")
        assert not any("T" in state(process.pid) for process in processes)


def test_what_somebody_else_has_stopped_is_refused_with_the_remedy_and_stays_stopped(tmp_path: Path, word: str) -> None:
    with somebody_elses(word) as [process]:
        process.send_signal(signal.SIGSTOP)
        assert eventually(lambda: state(process.pid) == {"T"})
        with pytest.raises(Unavailable, match=f"process {process.pid} .* stopped already.*kill -CONT {process.pid}"):
            pause().plan(World(found_role(tmp_path, word)), "f1")
        assert state(process.pid) == {"T"}


def test_one_that_ended_before_the_signal_is_not_confirmed(tmp_path: Path, word: str) -> None:
    async def story() -> None:
        with somebody_elses(word) as [process]:
            world, fault = World(found_role(tmp_path, word)), pause()
            record = fault.plan(world, "f1")
            process.kill()
            process.wait()
            await fault.inject(world)
            seen = await fault.confirm(world)
            assert (seen.verified, seen.how) == (False, f"process {process.pid} ended and was not stopped")
            assert take_away(record).clean

    asyncio.run(story())


def test_a_thread_that_the_kernel_cannot_stop_is_told_and_not_confirmed(
    tmp_path: Path, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chaosrun.faults.process_pause._EFFECT_WITHIN_NS", 200_000_000)

    async def story() -> None:
        with running(IN_VFORK, word, count=2) as process:
            assert eventually(lambda: state(process.pid) == {"D"})
            world, fault = World(found_role(tmp_path, word, expect=2)), pause()
            record = fault.plan(world, "f1")
            await fault.inject(world)
            seen = await fault.confirm(world)
            assert not seen.verified
            assert f"process {process.pid} is not stopped 0.2 s after the signal (state D)" in seen.how
            assert take_away(record).clean

    asyncio.run(story())


def test_children_of_a_frozen_process_run_on_and_the_report_says_so(tmp_path: Path, word: str) -> None:
    parent = subprocess.Popen(["sh", "-c", "sleep 600 & echo $!; wait", word], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    try:
        # Until it has become `sleep` it looks just like its parent.
        assert eventually(lambda: Path(f"/proc/{child}/cmdline").read_bytes().startswith(b"sleep"))
        fault = pause()

        async def story() -> Confirmation:
            world = World(found_role(tmp_path, word))
            fault.plan(world, "f1")
            await fault.inject(world)
            return await fault.confirm(world)

        seen = asyncio.run(story())
        assert seen.verified
        assert seen.how.endswith(f"of its children {child} run on")
        assert "T" not in state(child)
    finally:
        os.kill(child, signal.SIGKILL)
        parent.kill()
        parent.wait()
        parent.stdout.close()


def test_a_step_of_the_yaml_becomes_the_fault_that_it_describes() -> None:
    fault = make(ProcessPauseStep(fault="process_pause", role="server"))
    assert (fault.name, fault.role, fault.sustained) == ("process_pause server", "server", True)
    assert make(ProcessPauseStep(fault="process_pause", role="server", name="freeze")).name == "freeze"
