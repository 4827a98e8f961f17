"""Terminals under a real Wine: found by their Windows names, told apart by their prefixes, killed, frozen and started.

The terminal is a small program of ours of the same name, built by mingw: what is tested is Wine, not MetaTrader.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import psutil
import pytest

from chaosrun.faults.process_kill import ProcessKill
from chaosrun.faults.process_pause import ProcessPause
from chaosrun.identity import Identity, all_stats, is_alive, send_signal, thread_states
from chaosrun.processes import Selector, environment, find
from chaosrun.recorded import read_run
from chaosrun.records import Undo
from chaosrun.safety.undo import take_away
from chaosrun.targets.output import Output
from chaosrun.targets.ports import free_port
from chaosrun.targets.process import ProcessRole

COMPILER = "x86_64-w64-mingw32-gcc"
HERE = Path(__file__).parent / "wine"
PATIENCE_S = 120.0
INCONCLUSIVE = 3
TRIES = 3
UPDATER = ("/update", "liveupdate")

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(400),
    *(
        pytest.mark.skipif(shutil.which(program) is None, reason=f"no {program} on PATH")
        for program in ("wine", COMPILER)
    ),
]


class World:
    """Implements `chaosrun.faults._base.World`."""

    def __init__(self, role: ProcessRole) -> None:
        self.roles = {role.name: role}

    def now(self) -> int:
        return time.monotonic_ns()


@dataclass
class Wine:
    """Two prefixes with a terminal each, and the updater beside the first."""

    folder: Path
    program: str
    """As Windows has it: wine's drive Z is the root."""
    prefixes: tuple[Path, Path]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @classmethod
    def in_folder(cls, folder: Path) -> Wine:
        program = folder / "terminal64.exe"
        source = HERE / "terminal64.c"
        subprocess.run([COMPILER, "-O1", "-Wall", "-Werror", "-o", program, source, "-lws2_32"], check=True, timeout=60)
        return cls(folder, "Z:" + str(program).replace("/", "\\"), (folder / "one", folder / "two"))

    def make_prefixes(self) -> None:
        """The first as Wine makes it; the second shares its 700 MB of libraries, which nothing changes."""
        one, two = self.prefixes
        self.run(["env", f"WINEPREFIX={one}", "WINEDEBUG=-all", "wine", "wineboot", "--init"])
        assert self.started[0].wait(PATIENCE_S) == 0
        assert eventually(lambda: not self.processes()), "the registry is on disk"
        subprocess.run(["cp", "-al", one, two], check=True, timeout=60)

    def run(self, command: list[str]) -> None:
        self.started.append(
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )

    def command(self, prefix: Path, *arguments: str) -> list[str]:
        return ["env", f"WINEPREFIX={prefix}", "WINEDEBUG=-all", "wine", self.program, *arguments]

    def terminals(self, prefix: Path) -> list[Identity]:
        return find(Selector(name="terminal64.exe", cmdline_excludes=UPDATER, wineprefix=str(prefix)))

    def updaters(self) -> list[Identity]:
        return find(Selector(name="terminal64.exe", cmdline_contains=("/update",), wineprefix=str(self.prefixes[0])))

    def role(self, prefix: Path, folder: Path) -> ProcessRole:
        selector = Selector(name="terminal64.exe", cmdline_excludes=UPDATER, wineprefix=str(prefix))
        return ProcessRole("terminal", selector, output=Output(folder / "terminal.log"), start=self.command(prefix))

    def processes(self) -> list[psutil.Process]:
        """All that Wine has started for these prefixes: wineserver, services.exe and others outlive their programs."""
        ours = {str(prefix) for prefix in self.prefixes}
        pids = [pid for pid, seen in all_stats().items() if seen.runs and environment(pid).get("WINEPREFIX") in ours]
        found = []
        for pid in pids:
            with suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(pid))
        return found

    def end(self) -> None:
        for _ in range(100):
            if not (left := self.processes()):
                break
            for each in left:
                with suppress(psutil.NoSuchProcess):
                    each.kill()
            time.sleep(0.1)
        for process in self.started:
            process.wait(10)
        shutil.rmtree(self.folder)


def eventually(holds: Callable[[], bool], within_s: float = PATIENCE_S) -> bool:
    end = time.monotonic() + within_s
    while not (held := holds()) and time.monotonic() < end:
        time.sleep(0.05)
    return held


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wine]:
    wine = Wine.in_folder(tmp_path_factory.mktemp("wine"))
    try:
        wine.make_prefixes()
        for prefix in wine.prefixes:
            wine.run(wine.command(prefix, "/portable"))
        assert eventually(lambda: all(len(wine.terminals(prefix)) == 1 for prefix in wine.prefixes))
        wine.run(wine.command(wine.prefixes[0], "/update"))
        assert eventually(lambda: len(wine.updaters()) == 1)
        yield wine
    finally:
        wine.end()
        assert wine.processes() == []


def test_a_windows_program_goes_by_its_own_name_and_wines_loader_runs_it(wine: Wine) -> None:
    """What the selector rests on, and what it leaves alone."""
    [terminal] = wine.terminals(wine.prefixes[0])
    process = psutil.Process(terminal.pid)
    assert process.name() == "terminal64.exe"
    path, argument, *others = process.cmdline()
    assert (path, argument) == (wine.program, "/portable")
    assert others and not any(others), "empty strings, where Wine's own command line was"
    assert "terminal64" not in process.exe()
    assert "wine" in process.exe()


def test_without_prefix_and_exclusion_all_three_match(wine: Wine) -> None:
    everything = find(Selector(name="terminal64.exe"))
    expected = [*wine.terminals(wine.prefixes[0]), *wine.terminals(wine.prefixes[1]), *wine.updaters()]
    assert {each.pid for each in expected} <= {each.pid for each in everything}
    assert len(expected) == 3
    assert find(Selector(name="TERMINAL64.EXE")) == everything, "Windows names know no case"


def test_only_the_terminal_of_the_prefix_is_killed_and_it_is_started_again_there(wine: Wine, tmp_path: Path) -> None:
    one, two = wine.prefixes
    [before], neighbours = wine.terminals(one), [*wine.terminals(two), *wine.updaters()]

    async def story() -> None:
        world = World(wine.role(one, tmp_path))
        fault = ProcessKill("kill", role="terminal", number=signal.SIGKILL, restart_after_s=0.5)
        fault.plan(world, "f1")
        await fault.inject(world)
        assert (await fault.confirm(world)).verified
        assert wine.terminals(one) == []
        await fault.settle(world)

    asyncio.run(story())
    [after] = wine.terminals(one)
    assert after != before
    assert all(is_alive(each) for each in neighbours)


def test_the_record_of_a_kill_alone_starts_exactly_one_again(wine: Wine, tmp_path: Path) -> None:
    one, two = wine.prefixes
    [before], neighbours = wine.terminals(one), [*wine.terminals(two), *wine.updaters()]
    fault = ProcessKill("kill", role="terminal", number=signal.SIGKILL)
    record = msgspec.json.decode(msgspec.json.encode(fault.plan(World(wine.role(one, tmp_path)), "f1")), type=Undo)
    assert send_signal(before, signal.SIGKILL)
    assert eventually(lambda: wine.terminals(one) == [])
    assert take_away(record).clean
    assert take_away(record).clean
    assert len(wine.terminals(one)) == 1
    assert all(is_alive(each) for each in neighbours)


def test_a_terminal_is_frozen_with_all_its_threads_and_goes_on(wine: Wine, tmp_path: Path) -> None:
    one, two = wine.prefixes

    async def story() -> None:
        world = World(wine.role(one, tmp_path))
        fault = ProcessPause("freeze", role="terminal")
        record = fault.plan(world, "f1")
        await fault.inject(world)
        seen = await fault.confirm(world)
        assert seen.verified, seen.how
        [terminal], [neighbour] = wine.terminals(one), wine.terminals(two)
        assert set(thread_states(terminal).values()) == {"T"}
        assert "T" not in thread_states(neighbour).values()
        assert take_away(record).clean
        assert "T" not in thread_states(terminal).values()

    asyncio.run(story())


def test_a_whole_run_kills_a_terminal_under_wine_and_times_the_return_of_its_ticks(wine: Wine, tmp_path: Path) -> None:
    """The reference bridge, fed by the Windows program: chaosrun as a user calls it."""
    one, two = wine.prefixes
    for each in wine.terminals(one):
        send_signal(each, signal.SIGKILL)
    terminal_port = free_port()
    wine.run(wine.command(one, f"/port:{terminal_port}"))
    assert eventually(lambda: len(wine.terminals(one)) == 1)
    neighbours = [*wine.terminals(two), *wine.updaters()]
    env = os.environ | {
        "CHAOSRUN_TEST_PYTHON": sys.executable,
        "CHAOSRUN_TEST_BRIDGE_PORT": str(free_port()),
        "CHAOSRUN_TEST_TERMINAL_PORT": str(terminal_port),
        "CHAOSRUN_TEST_WINEPREFIX": str(one),
        "CHAOSRUN_TEST_PROGRAM": wine.program,
    }
    for number in range(TRIES):
        command = [sys.executable, "-m", "chaosrun", str(HERE / "terminal-crash.yaml"), "--format", "json"]
        reports = tmp_path / str(number)
        done = subprocess.run(
            [*command, "--report-dir", str(reports)], env=env, capture_output=True, text=True, timeout=200, check=False
        )
        if done.returncode != INCONCLUSIVE:
            break
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["recovery"]["impact_by"] == "accounts.pushes"
    assert result["clients"]["reconnects"] == 0
    [folder] = reports.iterdir()
    history = read_run(folder).history
    boots = list(dict.fromkeys(stream.epoch for stream in history.streams))
    assert len(boots) == 2
    first = min(push.at for push in history.pushes if history.streams[push.sid].epoch == boots[1])
    assert history.called[0].t + result["recovery"]["ttr_s"] * 1e9 >= first
    assert len(wine.terminals(one)) == 1
    assert all(is_alive(each) for each in neighbours)
