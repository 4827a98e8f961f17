"""`history.sqlite3`: an index of the runs below a folder. It holds nothing that is not in their results, so it can
always be made anew; one that cannot be used is kept aside and told.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from chaosrun.errors import UsageError
from chaosrun.foreign import clean
from chaosrun.history.accepted import read_accepted
from chaosrun.history.alone import alone
from chaosrun.history.folders import Place, runs_below
from chaosrun.history.kept import Kept, is_outdone, kept
from chaosrun.journal import UNREADABLE
from chaosrun.kept_runs import read_result

FILE: Final = "history.sqlite3"
VERSION: Final = 2
_APPLICATION: Final = 0x63727368
"""`crsh`: a file of another program's that happens to have our name is not ours to change."""
_PATIENCE_S: Final = 30.0
_TURN_WITHIN_S: Final = 10.0
"""The others read some thousand results in that time; who takes longer hangs, or was stopped."""
_BESIDE: Final = ("", "-wal", "-shm", "-journal")
_OUTDONE: Final = "outdone"
_SCHEMA: Final = """
CREATE TABLE run (
    place TEXT PRIMARY KEY,
    stamp TEXT NOT NULL,
    why TEXT,
    title TEXT, profile TEXT, fingerprint TEXT, started_at TEXT, verdict TEXT,
    kept TEXT
) WITHOUT ROWID
"""
"""`why`: it cannot be read, or what was accepted with it cannot, and this is the reason. `kept`: all that is known of
it, as JSON; of a series whose runs were worse than earlier ones `outdone`. Whoever changes what is kept counts
`VERSION` up."""


class Unread(NamedTuple):
    """A result that cannot be read."""

    place: str
    why: str


@dataclass
class Runs:
    """Every run below a folder."""

    folder: Path
    runs: tuple[Kept, ...] = ()
    """In the order of their beginnings."""
    unread: tuple[Unread, ...] = ()
    unscored: tuple[str, ...] = ()
    """Places without a result: the run goes on, or ended without one."""
    notes: list[str] = field(default_factory=list)
    """What was amiss with the index, and what was done about it."""


class _Unfit(Exception):
    """The file is there and cannot be used as it is; `suffix` is what it is kept as."""

    def __init__(self, why: str, suffix: str) -> None:
        super().__init__(why)
        self.suffix = suffix


class _Held(Exception):
    """Another process has the turn, and keeps it."""

    def __init__(self, holder: str) -> None:
        super().__init__(
            f"is held, for more than {_TURN_WITHIN_S:g} s, by {clean(holder)}; let that end, or end it where it hangs"
        )


def read_runs(folder: Path, *, rebuild: bool = False) -> Runs:
    """All runs below a folder, from its index, which is brought up to date first. Two processes may do so at once, one
    after the other: each of them may be about to put a broken file aside. Where another one's turn does not end, every
    result is read instead.

    Args:
        rebuild: read every result again.

    Raises:
        UsageError: there is no such folder, or it cannot be read.
    """
    found = Runs(folder)
    try:
        with alone(folder, within_s=_TURN_WITHIN_S) as holder:
            places = list(runs_below(folder))
            try:
                if holder is not None:
                    raise _Held(holder)
                _read_with(found, places, rebuild=rebuild)
            except (_Held, sqlite3.Error, OSError) as error:
                why = str(error) if isinstance(error, _Held) else f"cannot be kept ({error})"
                found.notes.append(f"{folder / FILE}: {why}; every result was read instead, which takes longer")
                with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as memory:
                    _make(memory)
                    _bring_up_to_date(memory, found, places)
    except OSError as error:
        raise UsageError(
            f"{folder}: cannot be read ({error.strerror}); name the folder that runs are kept in"
        ) from error
    return found


def _read_with(found: Runs, places: Sequence[Place], *, rebuild: bool) -> None:
    """Raises: sqlite3.Error, OSError: no index can be kept here."""
    file = found.folder / FILE
    try:
        _read_from(file, found, places, rebuild=rebuild)
    except (_Unfit, sqlite3.OperationalError, sqlite3.DatabaseError) as error:
        if not isinstance(error, _Unfit) and not _is_broken(error):
            raise
        suffix = error.suffix if isinstance(error, _Unfit) else "broken"
        aside = _keep_aside(file, suffix)
        found.notes.append(f"{file}: {error}; it is kept as {aside.name}, and the index was made anew from the runs")
        _read_from(file, found, places, rebuild=False)


def _read_from(file: Path, found: Runs, places: Sequence[Place], *, rebuild: bool) -> None:
    """Raises: _Unfit, sqlite3.Error."""
    with contextlib.closing(sqlite3.connect(file, timeout=_PATIENCE_S, isolation_level=None)) as index:
        with contextlib.suppress(OSError):  # of another owner
            file.chmod(0o600)  # what is in it was said to its owner only, as the folders of runs are
        _check(index)
        if rebuild:
            _make(index)
        index.execute("PRAGMA journal_mode = WAL")
        index.execute("PRAGMA synchronous = NORMAL")
        _bring_up_to_date(index, found, places)


def _check(index: sqlite3.Connection) -> None:
    """Nothing where the file is new, whole, and of this version.

    Raises:
        _Unfit: it is not.
    """
    (application,), (version,) = (
        index.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
    )
    (tables,) = index.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if (application, version, tables) == (0, 0, 0):
        _make(index)
        return
    if application != _APPLICATION:
        raise _Unfit("is no index of chaosrun", "broken")
    if version > VERSION:
        raise _Unfit(f"is of version {version}, and this chaosrun knows version {VERSION}", "newer")
    if version < VERSION:
        _make(index)  # it held other things, and what it held is in the folders
        return
    (whole,) = index.execute("PRAGMA quick_check(1)").fetchone()
    if whole != "ok":
        raise _Unfit(f"is damaged ({' '.join(str(whole).split())})", "broken")


def _make(index: sqlite3.Connection) -> None:
    index.execute("BEGIN IMMEDIATE")
    index.execute("DROP TABLE IF EXISTS run")
    index.execute(_SCHEMA)
    index.execute(f"PRAGMA application_id = {_APPLICATION}")
    index.execute(f"PRAGMA user_version = {VERSION}")
    index.execute("COMMIT")


def _is_broken(error: sqlite3.Error) -> bool:
    """The file is none of SQLite's, or part of it is gone; not: it cannot be written, or the disk is full."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF  # without one: a text that is no UTF-8
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_SCHEMA)


def _keep_aside(file: Path, suffix: str) -> Path:
    """Give it a name of its own, with what SQLite wrote beside it."""
    for number in range(1, 1000):
        aside = file.with_name(f"{file.name}.{suffix}-{number}")
        if not aside.exists():
            break
    for beside in _BESIDE:
        with contextlib.suppress(FileNotFoundError):
            Path(f"{file}{beside}").rename(f"{aside}{beside}")
    return aside


# ---- what is in it --------------------------------------------------------------------------------------------------


def _bring_up_to_date(index: sqlite3.Connection, found: Runs, places: Sequence[Place]) -> None:
    """Read what is new or another, forget what is gone, and tell all runs.

    Raises:
        sqlite3.Error, _Unfit: the index is broken, or cannot be written.
    """
    nameless = [Unread(place.told, "its name is no UTF-8; rename it") for place in places if place.told != place.name]
    places = [place for place in places if place.told == place.name]
    known = dict(index.execute("SELECT place, stamp FROM run"))
    scored = [place for place in places if place.stamp]
    changed = [place for place in scored if known.get(place.name) != place.stamp]
    gone = known.keys() - {place.name for place in scored}
    rows = [_row(found.folder, place) for place in changed]
    if rows or gone:
        index.execute("BEGIN IMMEDIATE")
        try:
            index.executemany("DELETE FROM run WHERE place = ?", [(name,) for name in gone])
            index.executemany("INSERT OR REPLACE INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            index.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                index.execute("ROLLBACK")
            raise
    read, unread, outdone = [], [], []
    decoder = msgspec.json.Decoder(Kept)
    for place, why, text in index.execute("SELECT place, why, kept FROM run ORDER BY place"):
        if why is not None:
            unread.append(Unread(place, why))
        if text == _OUTDONE:
            outdone.append("" if place == "." else f"{place}/")
        elif text is not None:
            try:
                read.append(decoder.decode(text))
            except (*UNREADABLE, TypeError) as error:
                raise _Unfit(f"holds something else than chaosrun wrote ({error})", "broken") from error
    read = [replace(run, outdone=run.place.startswith(tuple(outdone))) for run in read]
    found.runs = tuple(sorted(_each_once(read, found.notes), key=lambda run: (run.began, run.place)))
    found.unread = (*unread, *nameless)
    found.unscored = tuple(place.name for place in places if not place.stamp)


def _each_once(runs: Sequence[Kept], notes: list[str]) -> Sequence[Kept]:
    """A run that was copied is one run, where it lies least deep: counted twice it would prove what it does not."""
    once: dict[bytes, Kept] = {}
    copies = []
    for run in sorted(runs, key=lambda run: (run.place.count("/"), run.place)):
        measured = msgspec.json.encode(replace(run, place="", outdone=False, accepted={}))
        if once.setdefault(measured, run) is not run:
            copies.append(run.place)
    if copies:
        more = f" and {len(copies) - 1} more are copies" if len(copies) > 1 else " is a copy"
        notes.append(f"{copies[0]}{more} of other runs here; each is counted once")
    return list(once.values())


def _row(folder: Path, place: Place) -> tuple[str | None, ...]:
    """A run as a row; of the result of a series, which is made of its runs, nothing but whether they were worse than
    earlier ones together."""
    nothing = (None,) * 6
    try:
        result = read_result(folder / place.name / "result.json")
    except (UsageError, *UNREADABLE) as error:
        return (place.name, place.stamp, str(error), *nothing)
    if result.repeats is not None:
        return (place.name, place.stamp, None, *nothing[1:], _OUTDONE if is_outdone(result) else None)
    run, why = kept(place.name, result), None
    try:
        run = replace(run, accepted=read_accepted(folder / place.name))
    except ValueError as error:
        why = str(error)
    text = msgspec.json.encode(run).decode()
    return (
        place.name, place.stamp, why, run.title, run.profile, run.fingerprint, run.started_at, run.verdict, text
    )  # fmt: skip
