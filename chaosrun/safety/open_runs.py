"""The index of runs that may have something open, in a directory of the user's own: which folder, and what it holds.

An entry is there before the first undo of its run is written down, and goes when the run has ended with nothing open.
Who acts for a run holds the lock on its journal: so a run that goes on is told from one whose process was killed.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import structs

from chaosrun.errors import Dirty, NotNow, Unwritable
from chaosrun.identity import Identity, is_alive
from chaosrun.journal import JOURNAL, UNREADABLE
from chaosrun.safety import leftovers
from chaosrun.safety.locks import Lock

VARIABLE: Final = "CHAOSRUN_STATE_DIR"
_RUNS: Final = "open"
_SUFFIX: Final = ".json"
_LOCKED_WITHIN_S: Final = 30.0
_LOOK_S: Final = 0.1

State = Literal["alive", "open", "closed", "gone"]
"""`alive`: somebody acts for it; `open`: nobody does, and something is not undone; `closed`: nothing is open; `gone`:
its journal is not there any more, so that nobody can tell."""


class OpenRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that may have something open."""

    folder: str
    title: str
    runner: Identity
    keys: tuple[str, ...] = ()
    """What it takes for itself while it lasts."""
    armed: bool = False
    """Its guardian was ready: a fault may have been injected."""
    is_day: bool = False
    """It is a game day: what it takes, it takes for the runs that its own process makes. It has no journal."""

    def state(self) -> State:
        """How it is now. Reads its journal unless somebody acts for it."""
        journal = Path(self.folder) / JOURNAL
        try:
            # Whoever only looks, as we do, has it for an instant.
            lock = Lock.take(journal, within_s=_LOOK_S)
            if lock is None:
                return "alive"
            lock.release()
            return "open" if leftovers.read(journal.read_bytes()).records else "closed"
        except OSError:
            if is_alive(self.runner):
                return "alive"
            return "gone" if self.armed else "closed"


def state_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """`$CHAOSRUN_STATE_DIR`, else `chaosrun` in `$XDG_STATE_HOME`, else in `~/.local/state`.

    Relative paths in XDG_STATE_HOME are ignored, as https://specifications.freedesktop.org/basedir-spec wants it.
    """
    if environment.get(VARIABLE):
        return Path(environment[VARIABLE]).absolute()
    home = environment.get("XDG_STATE_HOME", "")
    return (Path(home) if home.startswith("/") else Path("~/.local/state").expanduser()) / "chaosrun"


class Index:
    """The entries of one state directory.

    Raises, in all methods:
        Unwritable: the directory cannot be used, with the remedy.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @classmethod
    def here(cls) -> Index:
        """That of this user and environment."""
        try:
            return cls(state_directory())
        except RuntimeError as error:  # there is no home to be expanded
            raise _unusable(Path("~/.local/state/chaosrun"), str(error)) from error

    def claim(self, run: OpenRun) -> Path:
        """Put a run into the index; its entry.

        Raises:
            NotNow: another run that goes on holds what this one would.
            Dirty: an earlier run left something of it open.
        """
        with self._locked():
            for path, other in self._entries():
                state = other.state()
                if state == "closed":
                    path.unlink(missing_ok=True)
                    continue
                if other.is_day and other.runner == run.runner:
                    continue
                shared = [key for key in run.keys if key in other.keys]
                if shared:
                    raise _refusal(shared[0], other, state)
            return self._write(run)

    def refusal(self, keys: Collection[str]) -> NotNow | Dirty | None:
        """Why a run that takes these for itself could not claim them now. Looks, and makes nothing."""
        for _, other in self._entries():
            state = other.state()
            shared = [key for key in keys if key in other.keys]
            if shared and state != "closed":
                return _refusal(shared[0], other, state)
        return None

    def arm(self, run: OpenRun) -> None:
        """From now on a fault may be injected."""
        with self._locked():
            self._write(structs.replace(run, armed=True))

    def runs(self) -> list[OpenRun]:
        """All of them, without those that have nothing open any more."""
        with self._locked():
            found = []
            for path, run in self._entries():
                if run.state() == "closed":
                    path.unlink(missing_ok=True)
                else:
                    found.append(run)
            return found

    def find(self, folder: Path) -> OpenRun | None:
        """The entry of a run folder; None: there is none."""
        path = self._path(str(folder))
        return _read(path) if path.exists() else None

    def of_runner(self, pid: int) -> OpenRun | None:
        """The entry of the run that a process makes; None: there is none. Looks, and makes nothing."""
        return next((run for _, run in self._entries() if run.runner.pid == pid and is_alive(run.runner)), None)

    def forget(self, folder: Path) -> None:
        """Take the entry of a run out; nothing where there is none."""
        with self._locked():
            self._path(str(folder)).unlink(missing_ok=True)

    def _entries(self) -> Iterator[tuple[Path, OpenRun]]:
        for path in sorted((self.directory / _RUNS).glob(f"*{_SUFFIX}")):
            run = _read(path)
            if run is not None:
                yield path, run

    def _write(self, run: OpenRun) -> Path:
        path = self._path(run.folder)
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            file.write(msgspec.json.encode(run))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return path

    def _path(self, folder: str) -> Path:
        return self.directory / _RUNS / f"{hashlib.sha256(os.fsencode(folder)).hexdigest()[:32]}{_SUFFIX}"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """The directory is there and nobody else's, and no other process looks or writes meanwhile."""
        lock = None
        try:
            (self.directory / _RUNS).mkdir(mode=0o700, parents=True, exist_ok=True)
            _refuse_if_open_to_others(self.directory)
            lock = Lock.take(self.directory / "lock", within_s=_LOCKED_WITHIN_S, create=True)
            if lock is None:
                raise _unusable(self.directory, f"it has been locked by another process for {_LOCKED_WITHIN_S:g} s")
            yield
        except OSError as error:
            raise _unusable(self.directory, error.strerror or str(error)) from error
        finally:
            if lock is not None:
                lock.release()


def _read(path: Path) -> OpenRun | None:
    """None: it has just gone, or was never ours."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=OpenRun)
    except (OSError, *UNREADABLE):
        return None


def _refuse_if_open_to_others(directory: Path) -> None:
    """What is undone by an entry is done with our rights: nobody else may write one."""
    seen = directory.stat()
    if seen.st_uid != os.geteuid():
        raise _unusable(directory, f"it belongs to user {seen.st_uid}")
    if stat.S_IMODE(seen.st_mode) & 0o077:
        directory.chmod(0o700)


def _unusable(directory: Path, why: str) -> Unwritable:
    return Unwritable(
        f"{directory}: which runs may have something open is kept here, and cannot be ({why}); "
        f"set {VARIABLE} to a directory of your own"
    )


def _refusal(key: str, other: OpenRun, state: State) -> NotNow | Dirty:
    if state == "alive":
        what = "game day" if other.is_day else "run"
        goes_on = f"a {what} that goes on (process {other.runner.pid}, {other.folder}); wait until it has ended"
        put_right = f"a run that was cut off, and is being undone now ({other.folder}); try again in a moment"
        return NotNow(f"{key} is held by {goes_on if is_alive(other.runner) else put_right}")
    left = "left something open" if state == "open" else "was cut off, and its folder is gone"
    return Dirty(
        f"{key}: an earlier run ({other.title!r}) {left}, so that nothing would be measured as it is; "
        f"see to that first: chaosrun recover {other.folder}"
    )
