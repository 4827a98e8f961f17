"""`chaosrun recover`: what the guardian would have done, by hand, for runs whose guardian was killed too, or whose
machine was started again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import msgspec

from chaosrun.errors import NotNow, Unavailable, UsageError
from chaosrun.journal import JOURNAL, Journal
from chaosrun.processes import GUARDIAN_TAG
from chaosrun.safety import leftovers
from chaosrun.safety.leftovers import Tell
from chaosrun.safety.locks import Lock
from chaosrun.safety.open_runs import Index, OpenRun
from chaosrun.tagged import kill_tagged

RECOVER = "recover"
"""The writer of its lines in the journal."""

_LOCKED_WITHIN_S = 2.0


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one run."""

    folder: str
    title: str
    state: Literal["clean", "dirty", "goes on"]
    done: list[str]
    """What was done, a line each."""
    left: list[str]
    """What is not as it was, and why."""


def folders_of(path: Path, index: Index) -> list[Path]:
    """The runs that a user means: a run folder, be it gone, or all that lie in a folder such as that of a series, or of
    a game day, whose own entry has nothing to be undone.

    Raises:
        UsageError: there is none.
    """
    known = index.find(path.resolve())
    is_one = (path / JOURNAL).exists() or (known is not None and not known.is_day)
    below = (*path.glob(f"*/{JOURNAL}"), *path.glob(f"*/*/{JOURNAL}"))
    found = [path] if is_one else sorted(each.parent for each in below)
    if not found:
        raise UsageError(f"{path}: no {JOURNAL} here; name the folder of a run, or none: chaosrun recover")
    return [each.resolve() for each in found]


def recover(folder: Path, index: Index, tell: Tell) -> Recovered:
    """Undo what a run left open. What was undone is not undone again.

    Raises:
        NotNow: somebody acts for this run: its own process, or its guardian.
        Unavailable: its journal is somebody else's, or cannot be read.
    """
    journal = folder / JOURNAL
    run = index.find(folder)
    if run is not None and not journal.exists():
        return _forget(run, index, tell)
    _refuse_others(journal)
    lock = Lock.take(journal, within_s=_LOCKED_WITHIN_S)
    if lock is None:
        raise NotNow(f"{folder}: this run goes on, or its guardian sees to it; wait until it has ended")
    try:
        return _recover(folder, run, index, tell)
    finally:
        lock.release()


def _recover(folder: Path, run: OpenRun | None, index: Index, tell: Tell) -> Recovered:
    done: list[str] = []

    def told(text: str) -> None:
        done.append(text)
        tell(f"{folder.name}: {text}")

    # One that was frozen holds nothing, and is not needed any more.
    kill_tagged({GUARDIAN_TAG: str(folder)})
    writer = Journal(folder, RECOVER)
    try:
        writer.begin_line()
        left = leftovers.set_right(
            str(folder),
            None if run is None else run.runner,
            lambda: leftovers.read((folder / JOURNAL).read_bytes()),
            writer,
            told,
        )
    finally:
        writer.close()
    if not left:
        index.forget(folder)
    if not done:
        told("nothing is open")
    title = leftovers.read((folder / JOURNAL).read_bytes()).origin.title
    return Recovered(folder=str(folder), title=title, state="dirty" if left else "clean", done=done, left=left)


def _forget(run: OpenRun, index: Index, tell: Tell) -> Recovered:
    if run.state() == "alive":
        raise NotNow(f"{run.folder}: this run goes on though its folder is gone; wait until it has ended")
    held = ", ".join(run.keys) or "what it started itself"
    left = f"its journal is gone, so that nobody knows whether something is open: look at {held}; it is forgotten now"
    tell(f"{Path(run.folder).name}: {left}")
    index.forget(Path(run.folder))
    return Recovered(folder=run.folder, title=run.title, state="dirty", done=[], left=[left])


def _refuse_others(journal: Path) -> None:
    """An undo may be any command: whoever wrote the journal would have it run with our rights."""
    try:
        owner = journal.stat().st_uid
    except OSError as error:
        raise Unavailable(f"{journal}: cannot be read ({error.strerror})") from error
    if owner != os.geteuid():
        raise Unavailable(
            f"{journal}: it belongs to user {owner}, who alone can say what is to be undone; recover as that user"
        )
