"""A run in which one part breaks at a chosen moment: what was measured is kept, and told for what it is."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from e2e_running import GONE_WITHIN_S, TINY, command_line, descendants
from fleet_stage import MS, Bridge, begin, play

from chaosrun import engine
from chaosrun.errors import ChaosrunError, Exit, Unavailable, Unwritable, UsageError
from chaosrun.identity import Identity, identify, stat
from chaosrun.journal import Journal, PendingRows, SlotRows
from chaosrun.load import fleet as fleet_module
from chaosrun.load.fleet import Fleet
from chaosrun.load.probing import Probing
from chaosrun.outcome import Outcome
from chaosrun.plan import GroupPlan, Plan
from chaosrun.recorded import ENGINE, read_run
from chaosrun.records import NONE, Began, Ended, Kind, LoadStopped, Phase, Status
from chaosrun.reports._view import View
from chaosrun.safety.standing import StandingFaults
from chaosrun.safety.undo import UndoOutcome
from chaosrun.spec import model
from chaosrun.spec.loader import load_experiment
from chaosrun.spec.secret import Secret
from chaosrun.targets.own import OwnTarget
from chaosrun.undertest import make_target

QUICK = (
    "steady_state.load.accounts.requests=20/s",
    "timing={warmup: 100ms, baseline: 2s}",
    "method=[{fault: noop, name: nothing}]",
)


def run(folder: Path, *sets: str) -> Outcome:
    loaded = load_experiment(TINY, sets=[*QUICK, *sets])
    return asyncio.run(engine.run(loaded, engine.Options(report_dir=folder), View()))


def left() -> list[Identity]:
    """Children of this test that still run, but for the one that Python's own multiprocessing leaves."""
    end = time.monotonic() + GONE_WITHIN_S
    while (alive := [each for each in descendants(os.getpid()) if not python_s_own(each)]) and time.monotonic() < end:
        time.sleep(0.05)
    return alive


def python_s_own(process: Identity) -> bool:
    return "resource_tracker" in command_line(process.pid)


def test_a_worker_that_an_order_finds_dead_leaves_an_inconclusive_run_with_its_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only the look five times a second finds it: whichever order comes first does."""
    obeyed = Fleet.sentinels

    async def killed_before(self: Fleet, at_ns: int) -> None:
        os.kill(self.processes[0].pid, signal.SIGKILL)
        await obeyed(self, at_ns)

    monkeypatch.setattr(Fleet, "sentinels", killed_before)
    outcome = run(tmp_path)
    assert outcome.exit == Exit.INCONCLUSIVE
    assert any("load process 0" in reason for reason in outcome.result.reasons)
    assert (outcome.folder / "result.json").exists()
    assert left() == []


def test_a_fault_that_finds_nothing_to_hit_any_more_leaves_an_inconclusive_run_with_its_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: object, **__: object) -> None:
        raise Unavailable("role server is not running\n  4711: somebody --token hunter2")

    monkeypatch.setattr(StandingFaults, "inject", gone)
    monkeypatch.setattr(engine._Run, "_steady", _steady)
    outcome = run(tmp_path)
    assert outcome.exit == Exit.INCONCLUSIVE
    assert any("role server is not running" in reason for reason in outcome.result.reasons)
    kept = [path for path in outcome.folder.rglob("*") if path.is_file()]
    assert not [path for path in kept if b"hunter2" in path.read_bytes()], "other people's commands are not kept"
    assert left() == []


async def _steady(_run: object) -> bool:
    return True


def test_an_undo_that_failed_is_told_before_the_full_disk_that_ended_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Journal) -> None:
        raise Unwritable("no space left")

    async def unwritable(*_: object, **__: object) -> None:
        monkeypatch.setattr(Journal, "flush", full)
        raise Unwritable("no space left")

    monkeypatch.setattr(engine._Run, "_steady", _steady)
    monkeypatch.setattr(engine._Run, "_recovery", unwritable)
    monkeypatch.setattr("chaosrun.safety.standing.take_away", lambda _record: UndoOutcome(False, False, "stuck"))
    with pytest.raises(ChaosrunError) as raised:
        run(tmp_path)
    assert raised.value.exit == Exit.DIRTY
    assert "stuck" in str(raised.value)
    assert "no space left" in str(raised.value)
    assert left() == []


def test_a_full_disk_is_told_with_what_was_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unwritable(*_: object, **__: object) -> None:
        raise Unwritable("no space left")

    monkeypatch.setattr(engine._Run, "_steady", _steady)
    monkeypatch.setattr(engine._Run, "_recovery", unwritable)
    with pytest.raises(Unwritable, match="every fault was undone"):
        run(tmp_path)


# ---- the load -------------------------------------------------------------------------------------------------------


def test_the_other_worker_of_a_lost_one_still_ends_in_order(tmp_path: Path) -> None:
    async def during(stage: Any) -> None:
        await stage.all_usable()
        os.kill(stage.fleet.processes[0].pid, signal.SIGKILL)
        await asyncio.wait_for(stage.fleet.failed(), 30)

    stage, _ = play(tmp_path, during, clients=4, workers=2)
    assert stage.stopped > 0
    ended = {line.w for line in read_run(tmp_path).lines.of(Ended)}
    assert ended == {ENGINE, "load-1"}


def test_a_start_that_is_cut_short_between_process_and_conversation_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(**_: object) -> None:
        await asyncio.sleep(60)

    async def story() -> tuple[int, ...]:
        bridge = Bridge()
        stage = await begin(tmp_path, bridge, clients=1, workers=1, period_ns=100 * MS, load={})
        with monkeypatch.context() as patch:
            patch.setattr(fleet_module.asyncio, "open_connection", never)
            starting = asyncio.create_task(stage.fleet.start())
            while not stage.fleet.processes:
                await asyncio.sleep(0.01)
            pids = tuple(each.pid for each in stage.fleet.processes)
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        await stage.fleet.close()
        return pids

    pids = asyncio.run(story())
    assert pids
    assert [pid for pid in pids if identify(pid) is not None] == []


def test_a_prober_that_has_ended_has_nothing_to_flush() -> None:
    class Gone:
        returncode = -9

    probing = Probing(None)  # type: ignore[arg-type]
    probing._process = Gone()  # type: ignore[assignment]
    asyncio.run(probing.flush())


# ---- the target -----------------------------------------------------------------------------------------------------


class Nobody:
    def spawned(self, role: str, identity: object) -> None: ...

    def exited(self, role: str, identity: object, code: int | None, expected: bool) -> None: ...


def test_a_run_ends_no_process_of_another_run_that_began_in_the_same_second(tmp_path: Path) -> None:
    """Their folders have one name, in two places."""
    spec = model.Target(reference="mt5-bridge")
    folders = [tmp_path / place / "20260101T000000Z-same-title" for place in ("here", "there")]
    here, there = [make_target(spec, run=str(folder), folder=folder, events=Nobody()) for folder in folders]

    async def story() -> None:
        await asyncio.gather(here.start(), there.start())
        await here.stop()
        assert all(role.is_alive() for role in there.roles.values())
        await there.stop()

    asyncio.run(story())
    assert left() == []


def test_a_secret_in_the_start_of_a_found_role_is_refused_because_it_would_be_written_down(tmp_path: Path) -> None:
    spec = model.Target.model_construct(
        reference=None,
        url="ws://127.0.0.1:1",
        ready=None,
        roles={
            "server": model.Role.model_construct(
                process=model.ProcessSelector.model_construct(
                    name="x",
                    cmdline_contains=(),
                    cmdline_excludes=(),
                    wineprefix=None,
                    expect=1,
                    start=("x", Secret("hunter2")),
                ),
                ready=None,
            )
        },
    )
    with pytest.raises(UsageError, match="holds a secret") as raised:
        make_target(spec, run="r", folder=tmp_path, events=Nobody())
    assert "hunter2" not in str(raised.value)


@pytest.mark.skipif(not Path("/usr/bin/setpriv").exists(), reason="the kernel's help is asked for through setpriv")
def test_a_role_that_never_looks_at_its_input_dies_with_chaosrun_all_the_same(tmp_path: Path) -> None:
    starter = f"""
import asyncio, os, pathlib, sys
from chaosrun.targets.command import CommandRole
from chaosrun.targets.output import Output
from chaosrun.targets.readiness import Ready
async def main():
    role = CommandRole("app", [sys.executable, "-uc", "import time; print('up'); time.sleep(600)"], run="r",
                       output=Output(pathlib.Path({str(tmp_path)!r}) / "app.log"), ready=Ready("log", "up"))
    await role.start()
    print(role.pids()[0].pid, flush=True)
    await role.wait_ready()
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", starter], stdout=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == -9
    end = time.monotonic() + GONE_WITHIN_S
    while (seen := stat(int(done.stdout))) is not None and seen.runs and time.monotonic() < end:
        time.sleep(0.02)
    assert seen is None or not seen.runs


def test_a_role_that_cannot_be_ended_keeps_none_of_the_others() -> None:
    ended: list[str] = []

    class Role:
        def __init__(self, name: str) -> None:
            self.name = name

        async def stop(self) -> None:
            if self.name == "of another user":
                raise Unavailable("not allowed to send SIGTERM")
            ended.append(self.name)

    names = ("first", "of another user", "last")
    target = OwnTarget("ws://127.0.0.1:1", {name: Role(name) for name in names})  # type: ignore[misc]
    with pytest.raises(Unavailable, match="not allowed"):
        asyncio.run(target.stop())
    assert ended == ["last", "first"]


# ---- what is read back ----------------------------------------------------------------------------------------------


def engine_lines(folder: Path, *, ended: bool) -> None:
    journal = Journal(folder, ENGINE)
    plan = Plan(groups=(GroupPlan(name="users", clients=1),))
    journal.append(Began(t=0, run="r", chaosrun_version="0", title="t", plan=plan))
    journal.append(Phase(t=0, name="start"))
    journal.append(LoadStopped(t=90))
    if ended:
        journal.append(Ended(t=100))
    journal.close()


@pytest.mark.parametrize("ended", [True, False])
def test_a_run_whose_engine_was_killed_is_not_whole_though_its_load_ended_in_order(tmp_path: Path, ended: bool) -> None:
    engine_lines(tmp_path, ended=ended)
    assert read_run(tmp_path).history.lost_records == int(not ended)


def test_a_slot_that_was_pending_and_then_decided_is_one_slot(tmp_path: Path) -> None:
    engine_lines(tmp_path, ended=True)
    pending = PendingRows(tmp_path, "load-0")
    for due in (10, 20):
        pending.add(0, 0, due, due, NONE)
    pending.add(0, 0, 10, 10, NONE, Status.SENT, Kind.CANARY)
    pending.close()
    decided = SlotRows(tmp_path, "load-0")
    decided.add(0, 0, 10, 10, 15)
    decided.close()
    for until in (None, 50):
        slots = read_run(tmp_path, until=until).history.slots
        assert [(slot.due, slot.kind, slot.got) for slot in slots] == [
            (10, Kind.SLOT, 15),
            (10, Kind.CANARY, NONE),
            (20, Kind.SLOT, NONE),
        ]
