"""The guardian: whatever becomes of a run's process, what it froze goes on, and what it started is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from guarded_runner import Story

from chaosrun.identity import Identity, identify, is_alive, send_signal, thread_states, tools_of, wait_gone
from chaosrun.journal import JOURNAL
from chaosrun.processes import GUARDIAN_TAG, RUN_TAG, environment
from chaosrun.recorded import read_lines
from chaosrun.records import Note, Removed, Undone
from chaosrun.safety.open_runs import Index
from chaosrun.tagged import tagged

RUNNER = Path(__file__).with_name("guarded_runner.py")
PATIENCE_S = 60.0


def wait_for(what: Callable[[], bool], told: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < end, f"not within {PATIENCE_S:g} s: {told}"
        time.sleep(0.01)


def is_frozen(process: Identity) -> bool:
    return "T" in thread_states(process).values()


@dataclass
class Victims:
    """Processes of somebody else, to be frozen."""

    started: list[subprocess.Popen[bytes]]

    def one(self, **environment: str) -> Identity:
        process = subprocess.Popen(["sleep", "1000"], env=os.environ | environment)
        self.started.append(process)
        found = identify(process.pid)
        assert found is not None
        return found


@pytest.fixture
def victims() -> Iterator[Victims]:
    victims = Victims([])
    yield victims
    for process in victims.started:
        process.kill()
        process.wait()


@dataclass
class Told:
    """A run that came to where its story leads, and waits."""

    process: subprocess.Popen[str]
    folder: Path

    @property
    def identity(self) -> Identity:
        found = identify(self.process.pid)
        assert found is not None
        return found

    @property
    def guardian(self) -> Identity:
        [found] = tagged({GUARDIAN_TAG: str(self.folder)})
        return found

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@pytest.fixture
def tell(tmp_path: Path) -> Iterator[Callable[[Story], Told]]:
    told: list[Told] = []

    def start(story: Story) -> Told:
        process = subprocess.Popen(
            [sys.executable, RUNNER, msgspec.json.encode(story).decode()], stdout=subprocess.PIPE, text=True
        )
        run = Told(process, Path(story.folder))
        told.append(run)
        assert run.says() == "there"
        return run

    yield start
    for run in told:
        run.process.kill()
        run.process.wait()
        for each in tagged({GUARDIAN_TAG: str(run.folder)}):
            send_signal(each, signal.SIGCONT)
            wait_gone(each, PATIENCE_S)


def undone(folder: Path) -> list[str]:
    return [line.id for line in read_lines(folder).of(Undone) if line.done and line.verified and line.w == "guardian"]


def test_with_its_runner_killed_the_guardian_undoes_what_is_open_the_last_first_and_ends(
    tmp_path: Path, victims: Victims, tell: Callable[[Story], Told]
) -> None:
    first, second = victims.one(), victims.one()
    run = tell(Story(folder=str(tmp_path / "run"), frozen=(first, second), tears=True))
    wait_for(lambda: is_frozen(first) and is_frozen(second), "both frozen")
    guardian = run.guardian
    run.process.kill()
    wait_for(lambda: not is_frozen(first) and not is_frozen(second), "both go on")
    assert wait_gone(guardian, PATIENCE_S)
    assert undone(run.folder) == ["f1", "f0"], "in spite of half a line before its own"
    assert len(read_lines(run.folder).of(Removed)) == 2
    assert Index.here().runs() == [], "and the run is no longer in the index of open runs"


def test_modules_of_the_working_directory_are_none_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, victims: Victims, tell: Callable[[Story], Told]
) -> None:
    (tmp_path / "select.py").write_text("raise SystemExit('a module of the project')")
    monkeypatch.chdir(tmp_path)
    victim = victims.one()
    run = tell(Story(folder=str(tmp_path / "run"), frozen=(victim,)))
    wait_for(lambda: is_frozen(victim), "frozen")
    run.process.kill()
    wait_for(lambda: not is_frozen(victim), "goes on")


@pytest.mark.slow
def test_what_it_was_started_with_holds_no_secret_and_an_undo_finds_all_that_the_run_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tell: Callable[[Story], Told]
) -> None:
    monkeypatch.setenv("PLANTED", "s3cret in the environment")
    told = tmp_path / "told"
    run = tell(Story(folder=str(tmp_path / "run"), tells=str(told)))
    guardian = run.guardian
    started_with = environment(guardian.pid)
    assert "PLANTED" not in started_with and started_with["PATH"] == os.environ["PATH"]
    run.process.kill()
    assert wait_gone(guardian, PATIENCE_S)
    assert told.read_text() == "s3cret in the environment"


@pytest.mark.slow
def test_it_does_not_undo_again_what_the_run_has_undone(
    tmp_path: Path, victims: Victims, tell: Callable[[Story], Told]
) -> None:
    run = tell(Story(folder=str(tmp_path / "run"), frozen=(victims.one(), victims.one()), undoes_first=1))
    guardian = run.guardian
    run.process.kill()
    assert wait_gone(guardian, PATIENCE_S)
    assert undone(run.folder) == ["f0"]


@pytest.mark.slow
def test_it_ends_with_a_run_that_says_so_and_leaves_the_rest_alone(
    tmp_path: Path, tell: Callable[[Story], Told]
) -> None:
    run = tell(Story(folder=str(tmp_path / "run"), quits=True))
    assert tagged({GUARDIAN_TAG: str(run.folder)}) == []
    assert is_alive(run.identity)
    assert Index.here().runs() == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_signals_that_end_a_run_do_not_end_its_guardian(
    tmp_path: Path, victims: Victims, tell: Callable[[Story], Told], number: signal.Signals
) -> None:
    frozen = victims.one()
    run = tell(Story(folder=str(tmp_path / "run"), frozen=(frozen,)))
    send_signal(run.guardian, number)
    guardian = run.guardian
    run.process.kill()
    wait_for(lambda: not is_frozen(frozen), "it goes on")
    assert wait_gone(guardian, PATIENCE_S)


@pytest.mark.slow
def test_told_to_end_it_tells_its_run_and_still_guards_it(
    tmp_path: Path, victims: Victims, tell: Callable[[Story], Told]
) -> None:
    frozen = victims.one()
    run = tell(Story(folder=str(tmp_path / "run"), frozen=(frozen,)))
    send_signal(run.guardian, signal.SIGTERM)
    assert "SIGTERM" in run.says()
    run.process.kill()
    wait_for(lambda: not is_frozen(frozen), "it goes on")


@pytest.mark.slow
def test_a_run_that_was_stopped_is_killed_and_then_undone(
    tmp_path: Path, victims: Victims, tell: Callable[[Story], Told]
) -> None:
    frozen = victims.one()
    run = tell(Story(folder=str(tmp_path / "run"), frozen=(frozen,), silence_s=3.0))
    wait_for(lambda: is_frozen(frozen), "frozen")
    run.process.send_signal(signal.SIGSTOP)
    wait_for(lambda: not is_frozen(frozen), "it goes on")
    assert run.process.wait(PATIENCE_S) == -signal.SIGKILL, "a run that hangs must not inject after the undo"
    wait_for(lambda: bool(undone(run.folder)), "written down")
    assert any("said nothing for 3 s" in line.text for line in read_lines(run.folder).of(Note))


@pytest.mark.slow
def test_a_run_is_told_that_its_guardian_was_killed_or_is_frozen(tmp_path: Path, tell: Callable[[Story], Told]) -> None:
    killed = tell(Story(folder=str(tmp_path / "killed")))
    send_signal(killed.guardian, signal.SIGKILL)
    assert "ended with -9" in killed.says()
    frozen = tell(Story(folder=str(tmp_path / "frozen"), silence_s=3.0))
    send_signal(frozen.guardian, signal.SIGSTOP)
    assert "has not answered for 3 s" in frozen.says()


def test_what_carries_the_tag_of_the_run_is_killed_even_if_nobody_wrote_it_down(
    tmp_path: Path, victims: Victims, tell: Callable[[Story], Told]
) -> None:
    """A child that was started by a runner that was killed before the line that was to tell of it."""
    folder = tmp_path / "run"
    leaked, other = victims.one(**{RUN_TAG: str(folder)}), victims.one(**{RUN_TAG: str(tmp_path / "another")})
    run = tell(Story(folder=str(folder)))
    guardian, tool = run.guardian, victims.one(**tools_of(run.identity))
    run.process.kill()
    assert wait_gone(leaked, PATIENCE_S)
    assert wait_gone(tool, PATIENCE_S), "a tool of the runner's, which could act after the undo"
    assert wait_gone(guardian, PATIENCE_S)
    assert is_alive(other)


@pytest.mark.slow
def test_a_folder_that_is_gone_keeps_nothing_from_being_undone(
    tmp_path: Path, victims: Victims, tell: Callable[[Story], Told]
) -> None:
    frozen = victims.one()
    run = tell(Story(folder=str(tmp_path / "run"), frozen=(frozen,)))
    (run.folder / JOURNAL).unlink()
    run.folder.rmdir()
    run.process.kill()
    wait_for(lambda: not is_frozen(frozen), "it goes on")


@pytest.mark.slow
def test_its_surroundings_are_its_own(tmp_path: Path, tell: Callable[[Story], Told]) -> None:
    run = tell(Story(folder=str(tmp_path / "run")))
    guardian = run.guardian
    assert Path(f"/proc/{guardian.pid}/cwd").readlink() == Path("/")
    assert os.getsid(guardian.pid) == guardian.pid
    # Its line, the journal to write and to read, and what its waiting needs; nothing that its runner had open.
    own = {str(each.readlink()) for each in Path(f"/proc/{guardian.pid}/fd").iterdir()}
    files = {each for each in own if each.startswith("/")}
    assert files == {"/dev/null", str(run.folder / JOURNAL)}
