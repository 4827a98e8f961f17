"""The index of open runs: who holds what, what was left open, and where that is kept."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from guarded_runner import freezing

from chaosrun.errors import Dirty, NotNow, Unwritable
from chaosrun.identity import Identity, boot_id, this_process
from chaosrun.journal import JOURNAL, Journal
from chaosrun.records import Intent, Undone
from chaosrun.safety.locks import Lock
from chaosrun.safety.open_runs import Index, OpenRun, state_directory

NOBODY = Identity(2**22 + 1, 1.0, boot_id())
"""A process that has ended: its pid is above the kernel's largest."""


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(tmp_path / "state")


def a_run(folder: Path, *keys: str, runner: Identity = NOBODY) -> OpenRun:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / JOURNAL).touch()
    return OpenRun(folder=str(folder), title=folder.name, runner=runner, keys=keys)


def leave_open(folder: Path) -> None:
    journal = Journal(folder, "engine")
    journal.append(Intent(t=1, undo=freezing(1, NOBODY)))
    journal.close()


@contextmanager
def somebody_acts_for(folder: Path) -> Iterator[None]:
    lock = Lock.take(folder / JOURNAL)
    assert lock is not None
    yield
    lock.release()


def test_what_a_living_run_holds_is_refused_to_another_and_what_it_does_not_hold_is_not(
    index: Index, tmp_path: Path
) -> None:
    first = a_run(tmp_path / "first", "port 80 of this machine", "container a", runner=this_process())
    index.claim(first)
    with somebody_acts_for(tmp_path / "first"):
        with pytest.raises(NotNow, match=f"container a is held by a run that goes on .*{os.getpid()}.*first"):
            index.claim(a_run(tmp_path / "second", "container a"))
        index.claim(a_run(tmp_path / "third", "container b"))
        index.claim(a_run(tmp_path / "fourth"))
    index.claim(a_run(tmp_path / "fifth", "container a"))
    assert "first" not in {run.title for run in index.runs()}, "swept: its process is gone, and nothing is open"


def test_what_an_earlier_run_left_open_is_refused_with_the_command_that_clears_it(index: Index, tmp_path: Path) -> None:
    index.claim(a_run(tmp_path / "first", "container a"))
    leave_open(tmp_path / "first")
    with pytest.raises(Dirty, match=f"chaosrun recover {tmp_path / 'first'}"):
        index.claim(a_run(tmp_path / "second", "container a"))
    index.claim(a_run(tmp_path / "third", "container b"))
    assert [run.title for run in index.runs()] == ["first"]


def test_a_run_whose_folder_is_gone_holds_its_target_until_it_is_recovered(index: Index, tmp_path: Path) -> None:
    alive = a_run(tmp_path / "alive", "container a", runner=this_process())
    gone = a_run(tmp_path / "gone", "container b")
    for run in (alive, gone):
        index.claim(run)
        index.arm(run)
        (Path(run.folder) / JOURNAL).unlink()
    with pytest.raises(NotNow):
        index.claim(a_run(tmp_path / "second", "container a"))
    with pytest.raises(Dirty, match="its folder is gone"):
        index.claim(a_run(tmp_path / "third", "container b"))


def test_a_fault_that_was_injected_again_after_its_undo_is_open_again(index: Index, tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    journal = Journal(tmp_path / "run", "engine")
    journal.append(Intent(t=1, undo=freezing(1, NOBODY)))
    journal.append(Undone(t=2, id="f1", done=True, verified=True))
    journal.flush()
    assert run.state() == "closed"
    journal.append(Intent(t=3, undo=freezing(1, NOBODY)))
    journal.flush()
    assert run.state() == "open"
    journal.append(Undone(t=4, id="f1", done=True, verified=False))
    journal.flush()
    assert run.state() == "open", "that an undo ran does not say that it helped"
    journal.close()


def test_a_run_that_is_forgotten_is_not_there_any_more(index: Index, tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", "container a")
    index.claim(run)
    leave_open(tmp_path / "run")
    assert index.find(tmp_path / "run") == run
    index.forget(tmp_path / "run")
    assert index.find(tmp_path / "run") is None
    assert index.runs() == []


def test_a_damaged_entry_keeps_nobody_from_a_run(index: Index, tmp_path: Path) -> None:
    index.claim(a_run(tmp_path / "run", "container a"))
    (index.directory / "open" / "torn.json").write_text('{"folder": "/')
    assert [run.title for run in index.runs()] == []


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"CHAOSRUN_STATE_DIR": "/a", "XDG_STATE_HOME": "/b"}, Path("/a")),
        ({"XDG_STATE_HOME": "/b"}, Path("/b/chaosrun")),
        ({"XDG_STATE_HOME": "b"}, Path("~/.local/state/chaosrun").expanduser()),
        ({}, Path("~/.local/state/chaosrun").expanduser()),
    ],
)
def test_where_the_index_is(environment: dict[str, str], expected: Path) -> None:
    assert state_directory(environment) == expected


def test_nobody_else_may_look_into_it(index: Index) -> None:
    index.directory.mkdir(mode=0o777)
    index.directory.chmod(0o777)
    index.runs()
    assert index.directory.stat().st_mode & 0o777 == 0o700


def test_a_state_directory_that_cannot_be_used_is_one_error_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unwritable, match="set CHAOSRUN_STATE_DIR to a directory of your own"):
        Index(tmp_path / "file" / "state").runs()


def test_a_lock_ends_with_its_holder_though_a_child_of_it_lives(tmp_path: Path) -> None:
    lock = Lock.take(tmp_path / "lock", create=True)
    assert lock is not None
    with subprocess.Popen(["sleep", "60"]) as child:
        assert Lock.take(tmp_path / "lock") is None
        lock.release()
        again = Lock.take(tmp_path / "lock")
        child.kill()
    assert again is not None
    again.release()


def test_a_run_that_its_guardian_sees_to_still_holds_its_target(index: Index, tmp_path: Path) -> None:
    index.claim(a_run(tmp_path / "first", "container a"))
    with somebody_acts_for(tmp_path / "first"), pytest.raises(NotNow, match="is being undone now"):
        index.claim(a_run(tmp_path / "second", "container a"))


def test_a_run_that_was_killed_before_a_fault_could_be_holds_nothing_though_its_folder_is_gone(
    index: Index, tmp_path: Path
) -> None:
    index.claim(a_run(tmp_path / "first", "container a"))
    (tmp_path / "first" / JOURNAL).unlink()
    index.claim(a_run(tmp_path / "second", "container a"))
