"""What a run that is over left behind, by its journal, and its way out: for the guardian and for `chaosrun recover`.

What the run started is killed first, for it could act after the undo; then what is open is undone, the last first; then
all is looked at once more, for an order that was on its way to another program may have come after its undo.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from chaosrun.errors import ChaosrunError, Unwritable
from chaosrun.identity import Identity, boot_id, tools_of
from chaosrun.journal import UNREADABLE, Journal
from chaosrun.processes import RUN_TAG
from chaosrun.records import Intent, Note, Removed, Undo, Undone
from chaosrun.safety.undo import UndoOutcome, holds, still_open, take_away
from chaosrun.tagged import kill_tagged

LATE_ORDERS_S = 0.5
"""How long an order that was under way when the run died may take to be carried out."""

_WANTED = (b'"type":"intent"', b'"type":"undone"')
"""Of the lines of a journal: most are of the load, and to read them all takes seconds."""
_FIRST = b'"type":"began"'

Tell = Callable[[str], None]


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Of the first line of a journal what places the others in time."""

    title: str = ""
    origin_ns: int = 0
    wall_offset_ns: int = 0
    boot_id: str = ""

    def now(self) -> int:
        """Run time in ns; after a reboot by the wall clock, for the other one has begun anew."""
        if self.boot_id == boot_id():
            return time.monotonic_ns() - self.origin_ns
        return time.time_ns() - self.wall_offset_ns


class Leftovers(NamedTuple):
    """What a journal says is still open, the last fault first."""

    origin: Origin
    records: list[Undo]


def read(journal: bytes) -> Leftovers:
    """What is open by a journal's whole lines. A torn line is none: what it was to say was not yet acted on."""
    origin = Origin()
    decoder = msgspec.json.Decoder(Intent | Undone)
    intents: list[Intent] = []
    undone: list[Undone] = []
    for line in journal.split(b"\n"):
        with contextlib.suppress(*UNREADABLE):
            if any(wanted in line for wanted in _WANTED):
                match decoder.decode(line):
                    case Intent() as intent:
                        intents.append(intent)
                    case Undone() as closed:
                        undone.append(closed)
            elif _FIRST in line:
                origin = msgspec.json.decode(line, type=Origin)
    return Leftovers(origin, still_open(intents, undone))


def _end_processes(folder: str, runner: Identity | None) -> None:
    """SIGKILL to all that a run started and owes an end, and to the tools of its runner, which must be dead. Blocks."""
    # What may not be killed keeps nothing from being undone.
    with contextlib.suppress(OSError, ChaosrunError):
        kill_tagged({RUN_TAG: folder}, *([] if runner is None else [tools_of(runner)]))


def set_right(
    folder: str,
    runner: Identity | None,
    left: Callable[[], Leftovers],
    journal: Journal,
    tell: Tell = lambda _text: None,
) -> list[str]:
    """Take away what a run left behind, and write down what became of it.

    Args:
        folder: of the run.
        runner: its process, which is dead, where that is known.
        left: reads the journal, when nothing of the run acts any more.
        journal: to append to.
        tell: is told each thing done, in words.

    Returns:
        What is not as it was, and why, in words.
    """
    _end_processes(folder, runner)
    origin, records = left()
    if not records:
        return []
    setting = _Setting(origin, journal, tell)
    for record in records:
        setting.undo(record)
    time.sleep(LATE_ORDERS_S)
    _end_processes(folder, runner)
    setting.look_again(records)
    with contextlib.suppress(Unwritable):
        journal.sync()
    return list(setting.failed.values())


class _Setting:
    """One pass over what a run left."""

    def __init__(self, origin: Origin, journal: Journal, tell: Tell) -> None:
        self._origin = origin
        self._journal = journal
        self._tell = tell
        self.failed: dict[str, str] = {}

    def undo(self, record: Undo) -> None:
        if _is_void(record):
            told = f"void, for this machine was started again since: {record.what}"
            self._write(record, UndoOutcome(True, True), told)
            return
        outcome = take_away(record)
        how = f"not undone: {record.what} ({outcome.error})" if not outcome.clean else f"undone: {record.what}"
        self._write(record, outcome, how)
        if outcome.clean:
            self.failed.pop(record.id, None)
        else:
            self.failed[record.id] = f"{record.what} ({outcome.error})"

    def look_again(self, records: Iterable[Undo]) -> None:
        for record in records:
            if record.id not in self.failed and not _is_void(record) and not holds(record):
                self._tell(f"came back after its undo: {record.what}")
                self.undo(record)

    def _write(self, record: Undo, outcome: UndoOutcome, told: str) -> None:
        """To the journal, at once, and to whoever listens. A full disk keeps nothing from being undone."""
        now = self._origin.now()
        if outcome.done:
            self._journal.append(Removed(t=now, id=record.id))
        self._journal.append(
            Undone(t=now, id=record.id, done=outcome.done, verified=outcome.verified, error=outcome.error)
        )
        self._journal.append(Note(t=now, text=told))
        with contextlib.suppress(Unwritable):
            self._journal.flush()
        self._tell(told)


def _is_void(record: Undo) -> bool:
    """It was about this machine as it was before it was started again: processes, queues of devices."""
    return bool(record.boot_id) and record.boot_id != boot_id()
