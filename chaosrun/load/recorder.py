"""Everything a load process records, in one place: its lines of the journal and its rows.

A disk that is full stops neither the load nor the run in silence: the engine is told once, and what could not be
written is kept and tried again (see `journal.Appender`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from chaosrun.errors import Unwritable
from chaosrun.journal import Journal, PendingRows, PushRows, SlotRows
from chaosrun.records import NONE, Ended, Head, Malformed, Record, Status, Stream, Subscribed
from chaosrun.spec.masking import NO_SECRETS, Mask, without
from chaosrun.spec.secret import holds_secret

MOST_COMPLAINTS: Final = 2_000
"""Lines about malformed messages per worker: a service that is to be measured for hours may send nothing else."""
MOST_NAMES: Final = 1_000_000
"""Lines that name streams, subscriptions and heads, per worker: some hundred MB. A service that makes up names, and
closes its connections to make up others, fills no disk with them; what it pushes under names that are left out counts
as lost from the record."""

PendingSlot = tuple[int, int, int, int, int, int, int]
"""group, client, due, sent, kind, conn, request"""


class Recorder:
    def __init__(
        self, run_dir: Path, writer: str, on_unwritable: Callable[[str], None], mask: Mask = NO_SECRETS
    ) -> None:
        self._run_dir = run_dir
        self._writer = writer
        self._on_unwritable = on_unwritable
        self._told = False
        self._journal = Journal(run_dir, writer, mask)
        self._mask = mask
        self._slots = SlotRows(run_dir, writer)
        self._pushes = PushRows(run_dir, writer)
        self._streams = 0
        self._complaints = 0
        self._names = 0
        self.push = self._pushes.add
        """Called for every message: its caller catches Unwritable and passes it to `unwritable`."""

    def append(self, record: Record) -> None:
        try:
            self._journal.append(record)
        except Unwritable as error:
            self.unwritable(error)

    def told(self, text: str, account: Mapping[str, str]) -> str:
        """What a server said to a client, without secrets, those of the client's own account among them."""
        return without(self._mask(text), [account[name] for name in account if holds_secret(name)])

    def name(self, line: Stream | Subscribed | Head) -> None:
        """Write a line with names in it that a server chose."""
        self._names += 1
        if self._names <= MOST_NAMES:
            self.append(line)
        else:
            self._journal.leave_out()

    def complain(self, line: Malformed) -> None:
        """Write a line of a message that cannot be read, unless there are very many."""
        self._complaints += 1
        if self._complaints <= MOST_COMPLAINTS:
            self.append(line)

    def slot(
        self, g: int, c: int, due: int, sent: int, got: int, status: Status, kind: int, conn: int, request: int
    ) -> None:
        try:
            self._slots.add(g, c, due, sent, got, status, kind, conn, request)
        except Unwritable as error:
            self.unwritable(error)

    def next_stream(self) -> int:
        """A `sid` that no stream of this writer has had."""
        self._streams += 1
        return self._streams - 1

    def flush(self) -> None:
        try:
            self._slots.flush()
            self._pushes.flush()
            self._journal.flush()
        except Unwritable as error:
            self.unwritable(error)

    def write_pending(self, slots: Iterable[PendingSlot]) -> None:
        """The slots sent and not yet decided, in place of those written before."""
        try:
            rows = PendingRows(self._run_dir, self._writer)
            for g, c, due, sent, kind, conn, request in slots:
                rows.add(g, c, due, sent, NONE, Status.SENT, kind, conn, request)
            rows.close()
        except Unwritable as error:
            self.unwritable(error)

    def end(self, now: int, malformed: Sequence[int]) -> None:
        """The last line: how much there should be, and how many messages of each group could not be accepted."""
        slots, pushes = self._slots.count, self._pushes.count
        self.append(Ended(t=now, slots=slots, pushes=pushes, malformed=tuple(malformed)))
        self.flush()

    def unwritable(self, error: Unwritable) -> None:
        if not self._told:
            self._told = True
            self._on_unwritable(str(error))
