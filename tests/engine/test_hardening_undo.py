"""Undos under bad luck: none left out, none run twice, and nothing in their records that must not be read."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from plugged_in import plugged_in
from small_world import World as SmallWorld
from small_world import owned_role

from chaosrun.faults._base import Confirmation, Fault, World
from chaosrun.faults.process_kill import ProcessKill, undo
from chaosrun.identity import Identity, send_signal, wait_gone
from chaosrun.journal import Journal
from chaosrun.processes import Selector, find
from chaosrun.recorded import read_lines
from chaosrun.records import Called, Intent, Note, Undo, Undone
from chaosrun.safety.standing import StandingFaults
from chaosrun.safety.undo import take_away
from chaosrun.targets.output import Output
from chaosrun.targets.process import ProcessRole

UNDONE: list[str] = []
MAY_UNDO = threading.Event()


class Fragile(Fault):
    """A fault whose removal is a defect of its own."""

    kind = "fragile"

    def plan(self, world: World, identifier: str) -> Undo:
        return Undo(id=identifier, kind=self.kind, what=f"mend {self.name}", identity={})

    async def inject(self, world: World) -> None:
        pass

    async def confirm(self, world: World) -> Confirmation:
        return Confirmation(True, "it is so")

    async def remove(self, world: World) -> None:
        if self.name == "broken":
            raise RuntimeError("a defect")


def _undo(record: Undo) -> None:
    MAY_UNDO.wait(10)
    UNDONE.append(record.what)


@pytest.fixture(autouse=True)
def fragile() -> Iterator[None]:
    UNDONE.clear()
    MAY_UNDO.set()
    with plugged_in("fragile", _undo, lambda _record: True):
        yield


class Nowhere:
    def __init__(self) -> None:
        self.roles: dict[str, object] = {}

    def now(self) -> int:
        return time.monotonic_ns()


def standing(folder: Path) -> tuple[StandingFaults, Journal]:
    journal = Journal(folder, "engine")
    return StandingFaults(Nowhere(), journal, lambda *_event: None), journal  # type: ignore[arg-type]


def test_a_defect_in_one_removal_keeps_none_of_the_other_faults(tmp_path: Path) -> None:
    faults, journal = standing(tmp_path)

    async def story() -> bool:
        for name in ("first", "broken"):
            await faults.inject(Fragile(name, sustained=True), name)
        return await faults.remove_all(alive=True)

    assert not asyncio.run(story())
    journal.flush()
    assert UNDONE == ["mend broken", "mend first"]
    assert {line.id: line.done for line in read_lines(tmp_path).of(Undone)} == {"broken": False, "first": True}
    assert faults.left == ["mend broken (a defect)"]


def test_a_stop_that_comes_while_an_undo_runs_begins_no_second_one(tmp_path: Path) -> None:
    faults, journal = standing(tmp_path)
    MAY_UNDO.clear()

    async def story() -> bool:
        injecting = asyncio.create_task(faults.inject(Fragile("slow", sustained=False), "slow"))
        await asyncio.sleep(0.2)
        injecting.cancel()
        removing = asyncio.create_task(faults.remove_all(alive=False))
        await asyncio.sleep(0.2)
        MAY_UNDO.set()
        with contextlib.suppress(asyncio.CancelledError):
            await injecting
        return await removing

    assert asyncio.run(story())
    journal.flush()
    assert UNDONE == ["mend slow"]
    assert len(read_lines(tmp_path).of(Undone)) == 1


def test_nobody_writes_to_the_journal_between_an_undo_and_its_injection(tmp_path: Path) -> None:
    """The sync writes the buffer that all append to: what came between would be torn, lost, or there twice."""
    faults, journal = standing(tmp_path)

    async def chatter() -> None:
        while True:
            journal.append(Note(t=0, text="tick"))
            await asyncio.sleep(0)

    async def story() -> None:
        talking = asyncio.create_task(chatter())
        await asyncio.sleep(0)
        await faults.inject(Fragile("a", sustained=True), "a")
        talking.cancel()

    asyncio.run(story())
    journal.flush()
    lines = read_lines(tmp_path)
    assert lines.of(Called)[0].n == lines.of(Intent)[0].n + 1


# ---- a found role whose start command takes its time ----------------------------------------------------------------


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Path]:
    """A program of its own name, running once; whatever carries the name afterwards is ended."""
    program = tmp_path / f"d{time.monotonic_ns() % 10**12}"
    shutil.copy("/bin/sleep", program)
    process = subprocess.Popen([program, "600"])
    try:
        while not find(Selector(name=program.name)):
            time.sleep(0.01)
        yield program
    finally:
        process.kill()
        process.wait()
        kill_all(find(Selector(name=program.name)))


def slow_start(program: Path) -> ProcessRole:
    start = ["/bin/sh", "-c", f"sleep 1; exec {program} 600"]
    output = Output(program.parent / "server.log")
    return ProcessRole("server", Selector(name=program.name), output=output, start=start)


def only_one(daemon: Path) -> bool:
    """There is one, and when a second launcher would have had its time too, there is still only that one."""
    while not find(Selector(name=daemon.name)):
        time.sleep(0.01)
    time.sleep(1.5)
    return len(find(Selector(name=daemon.name))) == 1


def kill_all(processes: list[Identity]) -> None:
    """And see them gone: a process that is about to die is still found."""
    for each in processes:
        send_signal(each, signal.SIGKILL)
        assert wait_gone(each, 20)


def test_a_role_with_a_slow_launcher_is_started_once_not_twice(daemon: Path, tmp_path: Path) -> None:
    world = SmallWorld(slow_start(daemon))
    faults = StandingFaults(world, Journal(tmp_path, "engine"), lambda *_event: None)
    kill = ProcessKill("kill", role="server", number=signal.SIGKILL, restart_after_s=0.1)

    async def story() -> bool:
        await faults.inject(kill, "f1")
        return await faults.remove_all(alive=True)

    assert asyncio.run(story())
    assert only_one(daemon)


def test_a_stop_while_the_launcher_is_at_work_starts_no_second_one(daemon: Path, tmp_path: Path) -> None:
    world = SmallWorld(slow_start(daemon))
    faults = StandingFaults(world, Journal(tmp_path, "engine"), lambda *_event: None)
    kill = ProcessKill("kill", role="server", number=signal.SIGKILL, restart_after_s=0.1)

    async def story() -> bool:
        injecting = asyncio.create_task(faults.inject(kill, "f1"))
        await asyncio.sleep(0.6)
        injecting.cancel()
        await asyncio.gather(injecting, return_exceptions=True)
        return await faults.remove_all(alive=False)

    assert asyncio.run(story())
    assert only_one(daemon)


def test_an_undo_after_an_undo_does_not_start_the_launcher_again(daemon: Path) -> None:
    record = ProcessKill("kill", role="server", number=signal.SIGKILL, restart_after_s=0.1).plan(
        SmallWorld(slow_start(daemon)), "f1"
    )
    kill_all(find(Selector(name=daemon.name)))
    threads = [threading.Thread(target=undo, args=(record,)), threading.Thread(target=undo, args=(record,))]
    threads[0].start()
    while not find(Selector(cmdline_contains=(str(daemon),))):  # the launcher is at work, or already the role
        time.sleep(0.01)
    threads[1].start()
    for thread in threads:
        thread.join(20)
    assert only_one(daemon)


def test_the_command_of_a_role_of_ours_is_not_in_the_record_of_its_undo(tmp_path: Path) -> None:
    """It may hold a secret, and the undo of a role that ends with the run has no use for it."""
    role = owned_role(tmp_path)

    async def story() -> Undo:
        await role.start()
        try:
            return ProcessKill("kill", role="server", number=signal.SIGKILL, restart_after_s=0.1).plan(
                SmallWorld(role), "f1"
            )
        finally:
            await role.stop()

    assert role.argv[-1].encode() not in bytes(asyncio.run(story()).args)


def test_of_two_processes_as_many_are_started_again_as_are_missing(
    daemon: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chaosrun.faults.process_kill._EFFECT_WITHIN_S", 0.5)
    second = subprocess.Popen([daemon, "600"])
    selector = Selector(name=daemon.name, expect=2)
    role = ProcessRole("server", selector, output=Output(daemon.parent / "s.log"), start=[str(daemon), "600"])
    while len(found := find(selector)) < 2:
        time.sleep(0.01)
    kill = ProcessKill("kill", role="server", number=signal.SIGKILL, restart_after_s=0.1)
    record = kill.plan(SmallWorld(role), "f1")
    kill_all(found)
    second.wait()
    assert take_away(record).clean
    assert len(find(selector)) == 2
