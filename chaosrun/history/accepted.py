"""`accepted.json` in the folder of a run: slower is the new normal, and why. It lies with the runs, as the index holds
nothing that is not in their folders.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from chaosrun.errors import Unwritable
from chaosrun.journal import UNREADABLE
from chaosrun.runfolder import write_whole

FILE: Final = "accepted.json"
SCHEMA: Final = 1
LONGEST: Final = 500
"""A reason has at most so many characters."""
_LARGEST: Final = 1 << 20
UNDATED: Final = datetime.min.replace(tzinfo=UTC)


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    """The runs from one on, up to that in whose folder this lies, are good ones as far as one number goes, and those
    before them no longer count."""

    since: str
    """When the first of them began."""
    why: str
    """As somebody wrote it."""
    accepted_at: str

    @property
    def began(self) -> datetime:
        return moment(self.since)


class _File(msgspec.Struct, frozen=True, kw_only=True):
    schema: int
    numbers: dict[str, Acceptance]
    """By name, as in the history: `ttr`, `response_p99 of pollers`."""


def moment(text: str) -> datetime:
    """When a run began; one whose time nobody can read is older than all others."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return UNDATED
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def read_accepted(folder: Path) -> dict[str, Acceptance]:
    """What was accepted with the run in this folder, by the name of the number; empty: nothing.

    Raises:
        ValueError: the file cannot be used, with the reason.
    """
    path = folder / FILE
    if path.is_symlink() or not path.is_file():  # a pipe would never end
        return {}
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise ValueError(f"{FILE}: {error.strerror}") from error
    if len(data) > _LARGEST:
        raise ValueError(f"{FILE}: is larger than chaosrun ever writes it")
    try:
        found = msgspec.json.decode(data, type=_File)
    except UNREADABLE as error:
        raise ValueError(f"{FILE}: {error}") from error
    if found.schema > SCHEMA:
        raise ValueError(f"{FILE}: is of version {found.schema}, and this chaosrun knows version {SCHEMA}")
    if wrong := [each.since for each in found.numbers.values() if moment(each.since) == UNDATED]:
        raise ValueError(f"{FILE}: {wrong[0]!r} is no time")
    return found.numbers


def write_accepted(folder: Path, numbers: Mapping[str, Acceptance]) -> None:
    """Keep this of a run, and nothing else; where it is nothing, the file goes.

    Raises:
        Unwritable: it cannot be kept; what was there is as it was.
    """
    path = folder / FILE
    try:
        if numbers:
            data = msgspec.json.encode(_File(schema=SCHEMA, numbers=dict(sorted(numbers.items()))))
            write_whole(path, msgspec.json.format(data, indent=2) + b"\n")
        else:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
    except (Unwritable, OSError) as error:
        cause = error.__cause__ if isinstance(error, Unwritable) else error
        why = cause.strerror if isinstance(cause, OSError) else str(error)
        raise Unwritable(f"{path}: cannot be written ({why}); nothing was changed") from error
