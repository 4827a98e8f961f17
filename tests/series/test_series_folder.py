"""`series.jsonl`, and which runs it names."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaosrun.errors import Exit, UsageError
from chaosrun.journal import JOURNAL
from chaosrun.series_folder import SERIES, Begun, Broken, Halted, Line, Planned, SeriesLog, read_series, runs_of

PLANNED = Planned(runs=6, seed=7, cool_down_ns=5_000_000_000)


def recorded(folder: Path, *lines: Line) -> Path:
    """A series whose runs all kept their first line."""
    log = SeriesLog(folder)
    for line in (PLANNED, *lines):
        log.write(line)
        if isinstance(line, Begun):
            (folder / line.folder).mkdir()
            (folder / line.folder / JOURNAL).write_text('{"w":"engine","n":0,"type":"began"}\n')
    log.close()
    return folder


def test_what_is_written_is_read_back_in_its_order(tmp_path: Path) -> None:
    begun = (Begun(folder="b", offset_ns=3), Begun(folder="a", offset_ns=0))
    halted = Halted(exit_code=Exit.ABORTED, why="stopped by SIGINT")
    series = read_series(recorded(tmp_path, *begun, halted))
    assert (series.planned, series.begun, series.broken, series.halted) == (PLANNED, begun, None, halted)
    assert runs_of(tmp_path) == (tmp_path / "b", tmp_path / "a")


def test_a_run_that_broke_off_is_none_that_a_result_can_be_made_of(tmp_path: Path) -> None:
    first, second = Begun(folder="a", offset_ns=1), Begun(folder="b", offset_ns=2)
    recorded(tmp_path, first, second, Broken(exit_code=Exit.UNAVAILABLE, why="no port"))
    assert runs_of(tmp_path) == (tmp_path / "a",)
    assert read_series(tmp_path).begun == (first, second)


def test_the_folder_of_a_run_gives_itself(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).touch()
    assert runs_of(tmp_path) == (tmp_path,)


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    recorded(tmp_path, Begun(folder="a", offset_ns=1), Begun(folder="b", offset_ns=2))
    file = tmp_path / SERIES
    file.write_bytes(file.read_bytes()[:-5])
    assert runs_of(tmp_path) == (tmp_path / "a",)


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither a run"):
        runs_of(tmp_path)


@pytest.mark.parametrize("data", [b"", b'{"type":"planned","runs":6', b'{"type":"begun","folder":"a","offset_ns":1}\n'])
def test_a_series_without_its_first_line_cannot_be_scored(tmp_path: Path, data: bytes) -> None:
    (tmp_path / SERIES).write_bytes(data)
    with pytest.raises(UsageError, match="first line"):
        runs_of(tmp_path)


@pytest.mark.parametrize("folder", ["../elsewhere", "/elsewhere", "..", ".", "", "a\0"])
def test_a_run_that_lies_elsewhere_is_refused(tmp_path: Path, folder: str) -> None:
    log = SeriesLog(tmp_path)
    log.write(PLANNED)
    log.write(Begun(folder=folder, offset_ns=1))
    log.close()
    with pytest.raises(UsageError, match="right below its folder"):
        read_series(tmp_path)


@pytest.mark.parametrize("damaged", [b'{"type":"begun","folder":"\xff","offset_ns":1}', b'{"x":' + b"[" * 100_000])
def test_a_damaged_line_is_left_out(tmp_path: Path, damaged: bytes) -> None:
    recorded(tmp_path, Begun(folder="a", offset_ns=1))
    with (tmp_path / SERIES).open("ab") as file:
        file.write(damaged + b"\n")
    assert runs_of(tmp_path) == (tmp_path / "a",)


def test_it_is_for_its_owners_eyes_only(tmp_path: Path) -> None:
    assert (recorded(tmp_path) / SERIES).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("journal", [None, "", '{"w":"load-0","n":0,"type":"attempt"}\n'])
def test_a_run_that_was_killed_before_its_first_line_is_one_that_broke_off(tmp_path: Path, journal: str | None) -> None:
    recorded(tmp_path, Begun(folder="a", offset_ns=1), Begun(folder="b", offset_ns=2))
    kept = tmp_path / "b" / JOURNAL
    kept.unlink()
    if journal is not None:
        kept.write_text(journal)
    series = read_series(tmp_path)
    assert series.broken is not None
    assert series.broken.exit_code == Exit.INCONCLUSIVE
    assert runs_of(tmp_path) == (tmp_path / "a",)
