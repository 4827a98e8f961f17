"""Disks that are full, gone or not to be written: all is undone, the exit code is 74, one message says what to do."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e_running import Finished, Run, chaosrun
from found_server import Served, found_server

FROZEN = Path(__file__).with_name("frozen.yaml")
UNWRITABLE = 74
SLOW = [pytest.mark.slow, pytest.mark.timeout(300)]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")


@contextlib.contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@contextlib.contextmanager
def failing_disk(folder: Path) -> Iterator[Path]:
    """One that its kernel can be told to take for broken: from then on it can only be read, by whoever has it open."""
    image, disk = folder / "image", folder / "disk"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    mounted = subprocess.run(
        ["mount", "-o", "loop", str(image), str(disk)], check=False, capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file can be mounted here: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path) -> None:
    """To the last byte, and the last file."""
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(b"x" * 4096)
    assert shutil.disk_usage(disk).free == 0


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with found_server(tmp_path) as served:
        yield served


def start(served: Served, reports: Path, *arguments: str, around: tuple[str, ...] = ()) -> Run:
    return chaosrun(FROZEN, "--target", served.target, *arguments, reports=reports, around=around)


def well_ended(finished: Finished, served: Served, *told: str) -> None:
    """With one clear message, and the system as it was found."""
    assert finished.code == UNWRITABLE, finished.err
    said = finished.err[finished.err.rindex("chaosrun: ") :]
    for text in told:
        assert text in said, finished.err
    # A run whose last lines still found room, in the page that was begun, is kept, and can be scored.
    assert "--report-dir" in said or "`chaosrun score" in said, finished.err
    assert "Traceback" not in finished.err
    assert finished.out == "", "nothing is scored that is not whole"
    assert not served.is_stopped()
    assert finished.left_behind() == []


@pytest.mark.parametrize(
    ("line", "had_faults"),
    [
        pytest.param({"type": "phase", "name": "ramp"}, False, marks=SLOW),
        pytest.param({"type": "phase", "name": "baseline"}, False, marks=SLOW),
        pytest.param({"type": "confirmed"}, True, marks=SLOW),
        pytest.param({"type": "phase", "name": "recovery"}, True, marks=SLOW),
        pytest.param({"type": "phase", "name": "verify"}, True, marks=SLOW),
    ],
    ids=["ramp", "baseline", "fault", "recovery", "verify"],
)
@needs_root
def test_a_disk_that_gets_full_in_any_phase_ends_the_run_with_all_undone(
    served: Served, tmp_path: Path, line: dict[str, object], had_faults: bool
) -> None:
    with small_disk(tmp_path, "size=2m") as disk:
        run = start(served, disk / "reports")
        run.wait_for(**line)
        fill(disk)
        finished = run.finish()
        well_ended(finished, served, "No space left", *(["every fault was undone"] if had_faults else []))


@pytest.mark.parametrize("line", [pytest.param({"type": "confirmed"}, marks=SLOW)], ids=["fault"])
@pytest.mark.parametrize("how", [shutil.rmtree, lambda folder: folder.rename(folder.with_name("elsewhere"))])
def test_a_folder_that_is_taken_away_while_a_fault_stands_keeps_nothing_from_being_undone(
    served: Served, tmp_path: Path, line: dict[str, object], how: object
) -> None:
    run = start(served, tmp_path / "reports")
    run.wait_for(**line)
    assert run.folder is not None
    assert callable(how)
    how(run.folder)
    well_ended(run.finish(), served, "every fault was undone")


@pytest.mark.parametrize("disk_options", [pytest.param("size=2m,nr_inodes=5", marks=SLOW)], ids=["no inodes"])
@needs_root
def test_a_disk_without_room_for_another_file_is_told_before_any_fault(
    served: Served, tmp_path: Path, disk_options: str
) -> None:
    with small_disk(tmp_path, disk_options) as disk:
        finished = start(served, disk / "reports").finish()
        well_ended(finished, served, "No space left")


@pytest.mark.slow
@needs_root
def test_a_disk_that_can_only_be_read_is_told_before_anything_starts(served: Served, tmp_path: Path) -> None:
    with small_disk(tmp_path, "size=2m,ro") as disk:
        finished = start(served, disk / "reports").finish()
        well_ended(finished, served, "Read-only file system")
        assert "phase" not in finished.err


@pytest.mark.parametrize(
    ("line", "had_faults"),
    [
        pytest.param({"type": "phase", "name": "baseline"}, False, marks=SLOW),
        pytest.param({"type": "confirmed"}, True, marks=SLOW),
        pytest.param({"type": "phase", "name": "recovery"}, True, marks=SLOW),
    ],
    ids=["baseline", "fault", "recovery"],
)
@needs_root
@pytest.mark.skipif(shutil.which("mkfs.ext4") is None, reason="mkfs.ext4 makes the disk")
def test_a_disk_that_breaks_and_can_only_be_read_from_then_on_ends_the_run_with_all_undone(
    served: Served, tmp_path: Path, line: dict[str, object], had_faults: bool
) -> None:
    with failing_disk(tmp_path) as disk:
        run = start(served, disk / "reports")
        run.wait_for(**line)
        subprocess.run(["mount", "-o", "remount,abort", str(disk)], check=True)
        finished = run.finish()
        well_ended(finished, served, "Read-only file system", *(["every fault was undone"] if had_faults else []))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(shutil.which("prlimit") is None, reason="prlimit sets the limit")
def test_a_limit_on_the_size_of_files_is_as_good_as_a_full_disk(served: Served, tmp_path: Path) -> None:
    """Root is not needed for it: the journal grows until the kernel refuses."""
    finished = start(served, tmp_path / "reports", around=("prlimit", "--fsize=12000")).finish()
    well_ended(finished, served, "File too large")
