"""`chaosrun recover`: what is open is undone once, after whatever crash."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from guarded_runner import freezing
from msgspec import structs

from chaosrun.cli import run_command_line
from chaosrun.errors import Exit
from chaosrun.identity import Identity, boot_id, identify, send_signal, thread_states
from chaosrun.journal import JOURNAL, Journal
from chaosrun.plan import Plan
from chaosrun.processes import RUN_TAG
from chaosrun.recorded import read_lines
from chaosrun.records import Began, Intent, Undo, Undone
from chaosrun.safety.locks import Lock
from chaosrun.safety.open_runs import Index, OpenRun

NOBODY = Identity(2**22 + 1, 1.0, boot_id())


@pytest.fixture
def frozen() -> Iterator[Identity]:
    process = subprocess.Popen(["sleep", "1000"])
    found = identify(process.pid)
    assert found is not None
    send_signal(found, signal.SIGSTOP)
    yield found
    process.kill()
    process.wait()


def is_frozen(process: Identity) -> bool:
    return "T" in thread_states(process).values()


def killed_run(folder: Path, *records: Undo) -> Path:
    """What a run leaves that was killed with its guardian, in the middle of a line."""
    folder.mkdir(parents=True)
    journal = Journal(folder, "engine")
    journal.append(
        Began(t=0, run=folder.name, chaosrun_version="0", title="A run", boot_id=boot_id(), plan=Plan(groups=()))
    )
    for number, record in enumerate(records):
        journal.append(Intent(t=number, undo=record))
    journal.close()
    with (folder / JOURNAL).open("ab") as file:
        file.write(b'{"w":"engine","n":')
    run = OpenRun(folder=str(folder), title="A run", runner=NOBODY)
    Index.here().claim(run)
    Index.here().arm(run)
    return folder


def test_it_undoes_what_is_open_and_a_second_call_finds_nothing(
    tmp_path: Path, frozen: Identity, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = killed_run(tmp_path / "run", freezing(1, frozen))
    assert run_command_line(["recover"]) == Exit.PASSED
    assert capsys.readouterr().out == f"run: undone: let process {frozen.pid} go on\n"
    assert not is_frozen(frozen)
    [line] = read_lines(folder).of(Undone)
    assert (line.w, line.done, line.verified) == ("recover", True, True)
    assert run_command_line(["recover", str(folder)]) == Exit.PASSED
    assert run_command_line(["recover"]) == Exit.PASSED
    assert capsys.readouterr().out == "run: nothing is open\nnothing is open\n"
    assert len(read_lines(folder).of(Undone)) == 1


def test_what_cannot_be_undone_is_told_and_stays_in_the_index(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = {"method": "POST", "url": "http://127.0.0.1:1/up", "body": None, "headers": {}}
    record = Undo(id="f1", kind="http", what="send POST", identity={}, args=msgspec.Raw(msgspec.json.encode(nowhere)))
    folder = killed_run(tmp_path / "run", record)
    assert run_command_line(["recover", "--format", "json"]) == Exit.DIRTY
    told = json.loads(capsys.readouterr().out)
    assert told["exit_code"] == 5
    [run] = told["runs"]
    assert (run["folder"], run["title"], run["state"]) == (str(folder), "A run", "dirty")
    assert "127.0.0.1:1/up was not answered" in run["left"][0]
    assert [each.folder for each in Index.here().runs()] == [str(folder)]


def test_after_a_reboot_processes_are_void_and_what_has_no_boot_is_not(
    tmp_path: Path, frozen: Identity, capsys: pytest.CaptureFixture[str]
) -> None:
    before = structs.replace(freezing(1, frozen), boot_id="another boot")
    anywhere = structs.replace(freezing(2, frozen), boot_id="", what="let the other one go on")
    folder = killed_run(tmp_path / "run", before)
    assert run_command_line(["recover", str(folder)]) == Exit.PASSED
    assert "void, for this machine was started again since" in capsys.readouterr().out
    assert is_frozen(frozen), "whoever has that pid now is nobody's business"
    other = killed_run(tmp_path / "other", anywhere)
    assert run_command_line(["recover", str(other)]) == Exit.PASSED
    assert "undone: let the other one go on" in capsys.readouterr().out


def test_a_run_that_goes_on_is_left_alone(tmp_path: Path, frozen: Identity, capsys: pytest.CaptureFixture[str]) -> None:
    folder = killed_run(tmp_path / "run", freezing(1, frozen))
    lock = Lock.take(folder / JOURNAL)
    assert lock is not None
    assert run_command_line(["recover", str(folder)]) == Exit.NOT_NOW
    assert run_command_line(["recover"]) == Exit.PASSED
    assert "goes on, and is left alone" in capsys.readouterr().out
    assert is_frozen(frozen)
    lock.release()


def test_what_the_run_started_is_ended_first(tmp_path: Path) -> None:
    folder = killed_run(tmp_path / "run")
    with subprocess.Popen(["sleep", "1000"], env={RUN_TAG: str(folder)}) as left:
        assert run_command_line(["recover", str(folder)]) == Exit.PASSED
        assert left.wait(30) == -signal.SIGKILL


def test_a_folder_of_runs_stands_for_each_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        killed_run(tmp_path / "reports" / name, structs.replace(freezing(1, NOBODY)))
    assert run_command_line(["recover", str(tmp_path / "reports")]) == Exit.PASSED
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == ["a", "b"]


def test_a_game_day_that_was_killed_stands_for_its_runs_and_for_those_of_its_series(
    tmp_path: Path, frozen: Identity, capsys: pytest.CaptureFixture[str]
) -> None:
    day = tmp_path / "day"
    killed_run(day / "first")
    killed_run(day / "series" / "second", freezing(1, frozen))
    Index.here().claim(OpenRun(folder=str(day), title="A day", runner=NOBODY, keys=("port 80",), is_day=True))
    assert run_command_line(["recover", str(day)]) == Exit.PASSED
    out = capsys.readouterr().out
    assert "first: nothing is open" in out
    assert "second: " in out
    assert not is_frozen(frozen)


def test_a_folder_without_a_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["recover", str(tmp_path)]) == Exit.USAGE
    assert "name the folder of a run" in capsys.readouterr().err


@pytest.mark.parametrize("named", [True, False])
def test_a_run_whose_folder_is_gone_is_told_and_forgotten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], named: bool
) -> None:
    folder = killed_run(tmp_path / "run", freezing(1, NOBODY))
    shutil.rmtree(folder)
    assert run_command_line(["recover", *([str(folder)] if named else [])]) == Exit.DIRTY
    assert "its journal is gone" in capsys.readouterr().out
    assert run_command_line(["recover"]) == Exit.PASSED
