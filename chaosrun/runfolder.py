"""The folder that a run leaves behind: `reports/<UTC time>-<slug>/`, for its owner's eyes only."""

from __future__ import annotations

import contextlib
import os
import re
from datetime import UTC, datetime
from pathlib import Path

from chaosrun.errors import Unwritable
from chaosrun.foreign import clean

_SLUG_LENGTH = 60


def slug(title: str) -> str:
    """A title as a piece of a file name: nothing in it can name another folder."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:_SLUG_LENGTH].rstrip("-") or "run"


def make_run_folder(reports: Path, title: str, started: datetime) -> Path:
    """Create the folder of a run, with mode 0700; a second run within one second gets a number.

    Raises:
        Unwritable: it cannot be created, or nothing can be written into it.
    """
    folder = _make(reports, title, started, "")
    try:
        (folder / "samples").mkdir(mode=0o700)
    except OSError as error:
        raise _unwritable(reports, error) from error
    return folder


def make_series_folder(reports: Path, title: str, started: datetime) -> Path:
    """Create the folder of a series of runs, `<UTC time>-<slug>-series`, below which each has its own.

    Raises:
        Unwritable: as for `make_run_folder`.
    """
    return _make(reports, title, started, "-series")


def make_suite_folder(reports: Path, title: str, started: datetime, kind: str) -> Path:
    """Create the folder of several experiments, `<UTC time>-<slug>-<kind>`, below which each has its own.

    Raises:
        Unwritable: as for `make_run_folder`.
    """
    return _make(reports, title, started, f"-{kind}")


def _make(reports: Path, title: str, started: datetime, what: str) -> Path:
    name = f"{started.astimezone(UTC).strftime('%Y%m%dT%H%M%SZ')}-{slug(title)}{what}"
    try:
        os.path.realpath(reports).encode()
    except UnicodeError as error:
        raise Unwritable(
            f"{clean(str(reports))}: no run can be kept here (what is written down names it, and it is not UTF-8); "
            "choose another place with --report-dir"
        ) from error
    try:
        reports.mkdir(parents=True, exist_ok=True)
        for number in range(1, 1000):
            folder = reports / (name if number == 1 else f"{name}-{number}")
            try:
                folder.mkdir(mode=0o700)
            except FileExistsError:
                continue
            return folder.resolve()
    except OSError as error:
        raise _unwritable(reports, error) from error
    raise Unwritable(f"{reports}: a thousand runs within one second; choose another place with --report-dir")


def _unwritable(reports: Path, error: OSError) -> Unwritable:
    return Unwritable(f"{reports}: no run can be kept here ({error.strerror}); choose another place with --report-dir")


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file in one step, so that a reader never sees half of it.

    Raises:
        Unwritable: the disk is full or gone; the file is as it was.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        # Never through a link that somebody left in its place.
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):  # of a disk that can only be read, or is gone
            part.unlink(missing_ok=True)
        raise Unwritable(
            f"{path}: cannot be written ({error.strerror}); free space, then `chaosrun score {path.parent}`"
        ) from error
