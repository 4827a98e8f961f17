"""Where runs lie below a folder: each by itself, in a series, in a suite of experiments, or in a series of a suite."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from chaosrun.history.accepted import FILE
from chaosrun.journal import JOURNAL
from chaosrun.kept_runs import RESULT

_DEEPEST: Final = 4
"""SUITE/SERIES/RUN, and a folder of the user's own around them."""


class Place(NamedTuple):
    """The folder of a run."""

    name: str
    """Below the folder that was searched; `.` is that folder itself."""
    stamp: str
    """Another one as soon as its result, or what was accepted with it, is another; empty: it has no result."""

    @property
    def told(self) -> str:
        """The name as text; another one where it is no UTF-8."""
        return os.fsencode(self.name).decode(errors="backslashreplace")


def runs_below(folder: Path) -> Iterator[Place]:
    """Every folder of a run, by name. Links are not followed, and a folder that cannot be read has no runs.

    Raises:
        OSError: `folder` itself cannot be read.
    """
    yield from _within(_listed(folder), "", _DEEPEST)


def _within(entries: list[os.DirEntry[str]], name: str, deeper: int) -> Iterator[Place]:
    files = {entry.name: entry for entry in entries if entry.is_file(follow_symlinks=False)}
    if JOURNAL in files or RESULT in files:
        yield Place(name or ".", _stamps(files.get(RESULT), files.get(FILE)))
    if JOURNAL in files or deeper == 0:
        return  # below a run there are only its own files
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            try:
                below = _listed(Path(entry.path))
            except OSError:
                continue
            yield from _within(below, f"{name}/{entry.name}".lstrip("/"), deeper - 1)


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _stamps(result: os.DirEntry[str] | None, accepted: os.DirEntry[str] | None) -> str:
    own, beside = _stamp(result), _stamp(accepted)
    return f"{own} {beside}" if own and beside else own


def _stamp(file: os.DirEntry[str] | None) -> str:
    if file is None:
        return ""
    try:
        found = file.stat(follow_symlinks=False)
    except OSError:  # it went away just now
        return ""
    return f"{found.st_mtime_ns}:{found.st_size}:{found.st_ino}"
