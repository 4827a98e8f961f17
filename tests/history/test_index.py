"""The index of runs: what is found, what is read again, and what becomes of a file that cannot be used."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest
from kept import keep
from msgspec.structs import replace
from past import STEADY, keep_days, ran

from chaosrun.against import Against, Standard
from chaosrun.errors import UsageError
from chaosrun.history.alone import alone
from chaosrun.history.index import FILE, VERSION, Runs, read_runs
from chaosrun.scoring.against import hold_series
from chaosrun.scoring.result import Repeats, Spread, encode

REPEATS = Repeats(
    n=1, asked=1, passed=1, failed=0, inconclusive=0, aborted=0, dirty=0, broken=0, failure_probability_below=None,
    confidence=0.95, ttr_s=Spread(), seed=1, cool_down_s=0.0, worst="run-1", runs=[],
)  # fmt: skip


def places(runs: Runs) -> list[str]:
    return [run.place for run in runs.runs]


def test_runs_are_found_in_series_and_in_suites_wherever_results_may_lie(tmp_path: Path) -> None:
    keep(tmp_path / "run", ran(2.0, day=0))
    keep(tmp_path / "series" / "run-1", ran(2.0, day=1))
    (tmp_path / "series" / "series.jsonl").write_text("{}")
    (tmp_path / "series" / "result.json").write_bytes(encode(ran(2.0, day=9)))
    keep(tmp_path / "suite" / "run", ran(2.0, day=2))
    keep(tmp_path / "suite" / "series" / "run-1", ran(2.0, day=3))
    series = keep(tmp_path / "suite" / "series-2", replace(ran(2.0), repeats=REPEATS))
    keep(series / "run-1", ran(2.0, day=4))
    found = read_runs(tmp_path)
    assert {"run", "series/run-1", "suite/run", "suite/series/run-1", "suite/series-2/run-1"} <= set(places(found))
    assert "suite/series-2" not in places(found), "the result of a series is made of its runs"
    assert (found.unread, found.notes) == ((), [])


def test_runs_are_in_the_order_of_their_beginnings_whatever_their_names(tmp_path: Path) -> None:
    keep(tmp_path / "a", ran(2.0, day=2))
    keep(tmp_path / "b", ran(2.0, day=1))
    keep(tmp_path / "c", replace(ran(2.0), started_at="2026-03-02T05:30:00.000+01:00"))  # 04:30 in UTC, after b
    keep(tmp_path / "d", replace(ran(2.0), started_at="nobody knows"))
    assert places(read_runs(tmp_path)) == ["d", "b", "c", "a"]


def test_only_what_is_new_or_another_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_days(tmp_path, [2.0, 2.1])
    read_runs(tmp_path)
    opened: list[str] = []
    from chaosrun.history import index

    read_result = index.read_result
    monkeypatch.setattr(index, "read_result", lambda file: opened.append(file.parent.name) or read_result(file))
    read_runs(tmp_path)
    assert opened == []
    keep(tmp_path / "new", ran(2.2, day=9))
    shutil.rmtree(tmp_path / "run-000")
    keep(tmp_path / "run-000", ran(9.0))
    found = read_runs(tmp_path)
    assert sorted(opened) == ["new", "run-000"]
    assert [value.value for run in found.runs if (value := run.value("ttr"))] == [9.0, 2.1, 2.2]


def test_a_run_whose_folder_is_gone_is_forgotten(tmp_path: Path) -> None:
    keep_days(tmp_path, [2.0, 2.1])
    read_runs(tmp_path)
    shutil.rmtree(tmp_path / "run-000")
    assert places(read_runs(tmp_path)) == ["run-001"]


def test_a_result_that_cannot_be_read_is_named_with_its_reason_each_time(tmp_path: Path) -> None:
    keep_days(tmp_path, [2.0])
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "result.json").write_bytes((tmp_path / "run-000" / "result.json").read_bytes()[:500])
    (tmp_path / "later").mkdir()
    text = (tmp_path / "run-000" / "result.json").read_text().replace('"schema": 1', '"schema": 7', 1)
    (tmp_path / "later" / "result.json").write_text(text)
    for _ in range(2):
        found = read_runs(tmp_path)
        assert places(found) == ["run-000"]
        assert {each.place: "schema 7" in each.why for each in found.unread} == {"torn": False, "later": True}


def test_a_run_that_goes_on_is_no_run_yet_and_is_named(tmp_path: Path) -> None:
    keep_days(tmp_path, [2.0])
    (tmp_path / "going").mkdir()
    (tmp_path / "going" / "journal.jsonl").write_text("{}\n")
    found = read_runs(tmp_path)
    assert (places(found), found.unscored) == (["run-000"], ("going",))


def test_a_link_to_a_run_is_no_second_run(tmp_path: Path) -> None:
    (first,) = keep_days(tmp_path, [2.0])
    (tmp_path / "again").symlink_to(first, target_is_directory=True)
    assert places(read_runs(tmp_path)) == ["run-000"]


def test_a_run_that_was_copied_counts_once_and_it_is_said(tmp_path: Path) -> None:
    keep_days(tmp_path, [2.0, 2.1])
    shutil.copytree(tmp_path / "run-000", tmp_path / "backup" / "run-000")
    shutil.copytree(tmp_path / "run-001", tmp_path / "backup" / "run-001")
    for _ in range(2):
        found = read_runs(tmp_path)
        assert places(found) == ["run-000", "run-001"]
        assert found.notes == ["backup/run-000 and 1 more are copies of other runs here; each is counted once"]


def test_a_folder_whose_name_is_no_text_is_named_and_keeps_no_other_from_being_read(tmp_path: Path) -> None:
    keep_days(tmp_path, [2.0, 2.1])
    (tmp_path / "run-000").rename(tmp_path / os.fsdecode(b"caf\xe9"))
    for _ in range(2):
        found = read_runs(tmp_path)
        assert (places(found), found.notes) == (["run-001"], [])
        assert found.unread == (("caf\\xe9", "its name is no UTF-8; rename it"),)


@pytest.mark.parametrize("value", ["-1.0", "5e-324", "1.7e308", "-0.5"])
def test_a_number_that_no_run_can_have_is_told_and_never_counted_with(tmp_path: Path, value: str) -> None:
    keep_days(tmp_path, [2.0, 2.125])
    file = tmp_path / "run-001" / "result.json"
    file.write_text(file.read_text().replace('"ttr_s": 2.125', f'"ttr_s": {value}'))
    found = read_runs(tmp_path)
    assert places(found) == ["run-000"]
    assert [each.why for each in found.unread] == [
        f"{file}: is no result.json of chaosrun: ttr is no number that a run can have"
    ]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_runs(tmp_path / "nowhere")


def test_what_never_ended_stays_infinite_and_what_was_not_measured_unknown(tmp_path: Path) -> None:
    keep_days(tmp_path, [None, 2.0])
    keep(tmp_path / "cut", replace(ran(2.0, day=5), stopped_by="SIGINT"))
    for _ in range(2):
        values = [run.value("ttr") for run in read_runs(tmp_path).runs]
        assert [value and value.value for value in values] == [float("inf"), 2.0, None]


def test_runs_of_a_series_that_was_worse_than_earlier_ones_are_not_good_though_each_passed(tmp_path: Path) -> None:
    standard = Standard(metric="ttr", values=((2.0, 0.01), (2.1, 0.01), (2.2, 0.01)))
    against = Against(named="last-good", runs=("a", "b", "c"), numbers=(standard,))
    for name, ttr in (("slow", 3.0), ("same", 2.0)):
        runs = [ran(ttr + number / 10, day=number) for number in range(3)]
        for number, run in enumerate(runs):
            keep(tmp_path / name / f"run-{number}", run)
        whole = hold_series(replace(runs[0], repeats=REPEATS), runs, against)
        (tmp_path / name / "result.json").write_bytes(encode(whole))
    for _ in range(2):
        good = {run.place: run.is_good for run in read_runs(tmp_path).runs}
        assert good == {f"{name}/run-{number}": name == "same" for name in ("slow", "same") for number in range(3)}


def test_a_series_that_was_worse_is_known_by_its_own_folder_too(tmp_path: Path) -> None:
    against = Against(named="x", runs=("a",), numbers=(Standard(metric="ttr", values=((2.0, 0.01),) * 3),))
    runs = [ran(3.0 + number / 10, day=number) for number in range(3)]
    for number, run in enumerate(runs):
        keep(tmp_path / f"run-{number}", run)
    (tmp_path / "result.json").write_bytes(encode(hold_series(replace(runs[0], repeats=REPEATS), runs, against)))
    assert [run.is_good for run in read_runs(tmp_path).runs] == [False] * 3


# ---- a file that cannot be used -------------------------------------------------------------------------------------


def damaged(folder: Path, how: str) -> None:
    """An index of many runs, damaged."""
    keep_days(folder, [2.0 + n / 100 for n in range(40)])
    read_runs(folder)
    file = folder / FILE
    with sqlite3.connect(file) as index:
        index.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    index.close()
    data = bytearray(file.read_bytes())
    chance = Random(5)
    match how:
        case "garbage":
            data = bytearray(chance.randbytes(len(data)))
        case "truncated":
            del data[len(data) // 2 :]
        case "torn page":
            data[3 * 4096 + 1 : 3 * 4096 + 900] = chance.randbytes(899)
        case "not a database":
            data = bytearray(b"my own notes\n")
        case "another program's":
            with sqlite3.connect(folder / "other") as other:
                other.execute("CREATE TABLE run (place TEXT)")
            other.close()
            data = bytearray((folder / "other").read_bytes())
        case "a row of somebody else" | "a row too deep" | "a row that is no text":
            told = {"a row of somebody else": b'{"place": 7}', "a row too deep": b'{"x":' + b"[" * 200_000}
            with sqlite3.connect(file) as index:
                values = (told.get(how, b"\xff{"),)
                index.execute("UPDATE run SET kept = CAST(? AS TEXT) WHERE place = 'run-003'", values)
            index.close()
            return
    file.write_bytes(data)


@pytest.mark.parametrize(
    "how",
    [
        "garbage",
        "truncated",
        "torn page",
        "not a database",
        "another program's",
        "a row of somebody else",
        "a row too deep",
        "a row that is no text",
    ],
)
def test_a_broken_index_is_told_kept_aside_and_made_anew(tmp_path: Path, how: str) -> None:
    damaged(tmp_path, how)
    before = (tmp_path / FILE).read_bytes()
    found = read_runs(tmp_path)
    assert len(found.runs) == 40
    (note,) = found.notes
    assert f"kept as {FILE}.broken-1" in note
    if not how.startswith("a row"):  # which SQLite keeps beside the file first
        assert (tmp_path / f"{FILE}.broken-1").read_bytes() == before
    assert read_runs(tmp_path).notes == []
    assert sqlite3.connect(tmp_path / FILE).execute("PRAGMA quick_check").fetchone() == ("ok",)


def test_a_second_broken_one_does_not_take_the_place_of_the_first(tmp_path: Path) -> None:
    keep_days(tmp_path, [2.0])
    for text in (b"first", b"second"):
        (tmp_path / FILE).write_bytes(text * 1000)
        read_runs(tmp_path)
    assert (tmp_path / f"{FILE}.broken-1").read_bytes().startswith(b"first")
    assert (tmp_path / f"{FILE}.broken-2").read_bytes().startswith(b"second")


def test_an_index_of_a_newer_chaosrun_is_kept_for_it(tmp_path: Path) -> None:
    keep_days(tmp_path, [2.0])
    read_runs(tmp_path)
    with sqlite3.connect(tmp_path / FILE) as index:
        index.execute(f"PRAGMA user_version = {VERSION + 1}")
        index.execute("ALTER TABLE run ADD COLUMN colour TEXT")
    index.close()
    found = read_runs(tmp_path)
    assert places(found) == ["run-000"]
    assert f"is of version {VERSION + 1}, and this chaosrun knows version {VERSION}" in found.notes[0]
    aside = sqlite3.connect(tmp_path / f"{FILE}.newer-1")
    assert aside.execute("SELECT count(colour), count(*) FROM run").fetchone() == (0, 1)


def test_an_index_of_an_older_chaosrun_is_made_anew_without_a_word(tmp_path: Path) -> None:
    keep_days(tmp_path, [2.0])
    read_runs(tmp_path)
    with sqlite3.connect(tmp_path / FILE) as index:
        index.execute("PRAGMA user_version = 1")
        index.execute("UPDATE run SET kept = '{}'")
    index.close()
    found = read_runs(tmp_path)
    assert (places(found), found.notes) == (["run-000"], [])
    index = sqlite3.connect(tmp_path / FILE)
    assert index.execute("PRAGMA user_version").fetchone() == (VERSION,)
    index.close()


@pytest.mark.parametrize("rebuild", [False, True])
def test_an_index_that_cannot_be_opened_is_done_without(tmp_path: Path, rebuild: bool) -> None:
    keep_days(tmp_path, STEADY)
    (tmp_path / FILE).mkdir()
    found = read_runs(tmp_path, rebuild=rebuild)
    assert len(found.runs) == len(STEADY)
    assert "cannot be kept" in found.notes[0]
    assert (tmp_path / FILE).is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")
@pytest.mark.parametrize("options", ["ro", "full", "ro and broken"])
def test_a_disk_that_is_full_or_read_only_still_answers(tmp_path: Path, options: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        keep_days(disk, STEADY)
        if options == "ro and broken":
            (disk / FILE).write_bytes(b"of no use" * 1000)
        if options.startswith("ro"):
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        else:
            with pytest.raises(OSError, match="No space"), (disk / "filler").open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
        found = read_runs(disk)
        assert len(found.runs) == len(STEADY)
        assert "cannot be kept" in found.notes[0]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_rebuilding_reads_every_result_again(tmp_path: Path) -> None:
    keep_days(tmp_path, [2.0])
    read_runs(tmp_path)
    with sqlite3.connect(tmp_path / FILE) as index:
        index.execute("UPDATE run SET kept = replace(kept, '\"passed\"', '\"failed\"')")
    index.close()
    assert read_runs(tmp_path).runs[0].verdict == "failed"
    assert read_runs(tmp_path, rebuild=True).runs[0].verdict == "passed"


@pytest.mark.parametrize("how", ["not a database", "another program's"])
def test_rebuilding_deletes_nothing_that_cannot_be_made_anew(tmp_path: Path, how: str) -> None:
    damaged(tmp_path, how)
    before = (tmp_path / FILE).read_bytes()
    found = read_runs(tmp_path, rebuild=True)
    assert (len(found.runs), len(found.notes)) == (40, 1)
    assert (tmp_path / f"{FILE}.broken-1").read_bytes() == before


def test_it_is_for_its_owners_eyes_only_and_written_ahead(tmp_path: Path) -> None:
    keep_days(tmp_path, [2.0])
    read_runs(tmp_path)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert sqlite3.connect(tmp_path / FILE).execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_processes_at_once_all_find_all_runs_and_break_nothing(tmp_path: Path) -> None:
    keep_days(tmp_path, [2.0 + n / 100 for n in range(30)])
    (tmp_path / FILE).write_bytes(b"of no use" * 1000)
    program = (
        "import sys; from pathlib import Path; from chaosrun.history.index import read_runs\n"
        "for _ in range(5): print(len(read_runs(Path(sys.argv[1]), rebuild=len(sys.argv) > 2).runs))"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path), *more], stdout=subprocess.PIPE, text=True)
        for more in ([], [], ["rebuild"])
    ]
    told = [each.communicate(timeout=60)[0].split() for each in started]
    assert told == [["30"] * 5] * 3
    assert [path.name for path in tmp_path.glob("*broken*")] in ([f"{FILE}.broken-1"], [])
    assert sqlite3.connect(tmp_path / FILE).execute("PRAGMA quick_check").fetchone() == ("ok",)


def test_nobody_waits_for_ever_for_a_process_that_hangs_and_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chaosrun.history.index._TURN_WITHIN_S", 0.2)
    keep_days(tmp_path, [2.0, 2.1])
    before = read_runs(tmp_path)
    program = (
        "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        keep(tmp_path / "one-more", ran(2.2))
        for rebuild in (False, True):
            found = read_runs(tmp_path, rebuild=rebuild)
            (note,) = found.notes
            assert f"{FILE}: is held, for more than 0.2 s, by process {holder.pid}: {sys.executable} -c " in note
            assert "or end it where it hangs; every result was read instead" in note
            assert [run.place for run in found.runs if run.place != "one-more"] == [run.place for run in before.runs]
            assert len(found.runs) == 3
        holder.communicate()
    assert read_runs(tmp_path).notes == []


def test_a_turn_that_ends_in_time_is_waited_for(tmp_path: Path) -> None:
    keep_days(tmp_path, [2.0, 2.1])
    with ThreadPoolExecutor(1) as pool:
        with alone(tmp_path, within_s=0) as holder:
            assert holder is None
            waiting = pool.submit(read_runs, tmp_path)
            time.sleep(0.3)
            assert not waiting.done()
        assert (len(waiting.result(20).runs), waiting.result().notes) == (2, [])


def test_a_process_that_is_killed_while_it_writes_breaks_nothing(tmp_path: Path) -> None:
    keep_days(tmp_path, [2.0 + n / 100 for n in range(60)])
    program = (
        "import sys; from pathlib import Path; from chaosrun.history.index import read_runs\n"
        "print('ready', flush=True)\n"
        "while True: read_runs(Path(sys.argv[1]), rebuild=True)"
    )
    chance = Random(3)
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.1))
        process.kill()
        process.communicate()
        found = read_runs(tmp_path)
        assert (len(found.runs), found.notes, found.unread) == (60, [], ())
