"""Places in which a run cannot be kept: each is told with its name and the remedy, and a link to a folder is one."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chaosrun.errors import Unwritable
from chaosrun.runfolder import make_run_folder, write_whole

NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
NOBODY = 65534


def test_a_link_to_a_folder_is_as_good_as_the_folder(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "reports").symlink_to("there")
    assert make_run_folder(tmp_path / "reports", "x", NOON).parent == tmp_path / "there"


def test_a_link_to_nothing_a_link_to_itself_and_a_file_are_told(tmp_path: Path) -> None:
    (tmp_path / "nothing").symlink_to("nowhere")
    (tmp_path / "itself").symlink_to("itself")
    (tmp_path / "file").write_text("precious")
    for name in ("nothing", "itself", "file"):
        with pytest.raises(Unwritable, match=rf"{name}: no run can be kept here .*--report-dir"):
            make_run_folder(tmp_path / name, "x", NOON)
    assert (tmp_path / "file").read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


def test_a_place_whose_name_is_no_text_is_told_before_anything_is_kept_in_it(tmp_path: Path) -> None:
    place = tmp_path / os.fsdecode(b"runs\xff")
    with pytest.raises(Unwritable, match=r"runs\\udcff: no run can be kept here .*UTF-8.*--report-dir"):
        make_run_folder(place, "x", NOON)
    assert not place.exists()


def test_a_folder_without_permission_is_told(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        with pytest.raises(Unwritable, match=r"Permission denied.*--report-dir"):
            make_run_folder(closed, "x", NOON)
        with pytest.raises(Unwritable, match=r"Permission denied.*chaosrun score"):
            write_whole(closed / "result.json", b"x")
    finally:
        if is_root:
            os.seteuid(0)


def test_a_folder_that_is_gone_is_told_when_its_result_is_written(tmp_path: Path) -> None:
    with pytest.raises(Unwritable, match=r"No such file or directory.*chaosrun score"):
        write_whole(tmp_path / "gone" / "result.json", b"x")
