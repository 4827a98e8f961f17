"""The one history of a run on disk: `journal.jsonl` and the packed rows of `samples/`, written and read back.

Every process of a run appends whole lines to the same journal through its own `Journal` (O_APPEND, so that lines of
several writers never mix), numbered per writer: what is lost is noticed when the run is read. Rows are little-endian
int64 columns behind an eight-byte magic, one file per writer and kind. A torn last line or row is tolerated, and
counted.
"""

from __future__ import annotations

import contextlib
import os
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import msgspec

from chaosrun.errors import Unwritable
from chaosrun.masked import masked
from chaosrun.records import NONE, Record, Status
from chaosrun.spec.masking import NO_SECRETS, Mask

JOURNAL = "journal.jsonl"
SAMPLES = "samples"

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises of a text that is damaged, or was never ours."""

_FLUSH_BYTES = 64 * 1024
_PIECE_ROWS = 8192


def unwritable(path: Path, error: OSError) -> Unwritable:
    """The error that says which file of a run cannot be written, why, and what to do."""
    return Unwritable(
        f"{path}: cannot be written ({error.strerror}); free space or choose another place with --report-dir"
    )


class Appender:
    """Bytes to the end of a file, buffered; what a full disk refused is kept and tried again at the next flush."""

    def __init__(self, path: Path, *, truncate: bool = False) -> None:
        self.path = path
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if truncate else 0)
        self._buffer = bytearray()
        self._fd = -1
        try:
            self._fd = os.open(path, flags, 0o600)
        except OSError as error:
            raise unwritable(path, error) from error

    def write(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) >= _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand everything to the kernel.

        Raises:
            Unwritable: the disk is full or gone; nothing is forgotten.
        """
        while self._buffer:
            try:
                written = os.write(self._fd, self._buffer)
            except OSError as error:
                raise unwritable(self.path, error) from error
            del self._buffer[:written]

    def sync(self) -> None:
        """Flush, and wait until file and directory are on disk: what is synced survives a crash of the machine."""
        self.flush()
        try:
            os.fsync(self._fd)
            directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            raise unwritable(self.path, error) from error

    def close(self) -> None:
        if self._fd >= 0:
            try:
                self.flush()
            finally:
                os.close(self._fd)
                self._fd = -1


class Journal:
    """One writer's end of the journal."""

    def __init__(self, run_dir: Path, writer: str, mask: Mask = NO_SECRETS) -> None:
        """
        Args:
            mask: blanks out secrets in what servers, tools and people say.
        """
        self.writer = writer
        self.lines = 0
        self._mask = mask
        self._file = Appender(run_dir / JOURNAL)
        self._encoder = msgspec.json.Encoder()
        self._head = b'{"w":%b,"n":' % self._encoder.encode(writer)

    def begin_line(self) -> None:
        """Go to a line of our own: a writer that was killed may have left half of one."""
        with contextlib.suppress(Unwritable):
            self._file.write(b"\n")

    def append(self, record: Record) -> None:
        """Add one line; it reaches the disk with the next `flush` or `sync`, or when the buffer is full.

        Never raises: who is undoing a fault must not be kept from it by a full disk. The next `flush` tells.
        """
        said = self._encoder.encode(record)
        if self._mask.finds(said):
            said = self._encoder.encode(masked(record, self._mask))
        line = b"%b%d,%b\n" % (self._head, self.lines, said[1:])
        self.lines += 1
        with contextlib.suppress(Unwritable):
            self._file.write(line)

    def leave_out(self) -> None:
        """A line is not written; whoever reads the journal counts it as lost."""
        self.lines += 1

    def flush(self) -> None:
        self._file.flush()

    def sync(self) -> None:
        self._file.sync()

    def close(self) -> None:
        self._file.close()


class Rows:
    """Rows of int64 columns, appended to `samples/<writer>.<suffix>`."""

    magic: ClassVar[bytes]
    suffix: ClassVar[str]
    columns: ClassVar[int]

    def __init__(self, run_dir: Path, writer: str, *, truncate: bool = False) -> None:
        samples = run_dir / SAMPLES
        try:
            samples.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise unwritable(samples, error) from error
        self._file = Appender(samples / f"{writer}.{self.suffix}", truncate=truncate)
        self._file.write(self.magic)
        self._rows = array("q")
        self.count = 0

    def flush(self) -> None:
        rows, self._rows = self._rows, array("q")
        if sys.byteorder == "big":
            rows.byteswap()
        self._file.write(rows.tobytes())
        self._file.flush()

    def close(self) -> None:
        self.flush()
        self._file.close()


class SlotRows(Rows):
    """Decided slots, canaries and sentinels."""

    magic = b"CRSLOT1\n"
    suffix = "slots"
    columns = 5

    def add(
        self,
        group: int,
        client: int,
        due: int,
        sent: int,
        got: int,
        status: int = Status.SENT,
        kind: int = 0,
        conn: int = 0,
        request: int = 0,
    ) -> None:
        self._rows.extend((group << 32 | client, due, sent, got, conn << 24 | request << 8 | kind << 4 | status))
        self.count += 1
        if len(self._rows) >= 4096:
            self.flush()


class PendingRows(SlotRows):
    """The slots sent and not yet decided, written anew at each flush of a worker.

    They are read only while the run goes on (or after a worker died); an ended worker has decided all its slots.
    """

    suffix = "pending"

    def __init__(self, run_dir: Path, writer: str) -> None:
        super().__init__(run_dir, writer, truncate=True)


class PushRows(Rows):
    """Pushed messages; `sid` is the key of a `Stream` line of the same writer."""

    magic = b"CRPUSH1\n"
    suffix = "pushes"
    columns = 5
    unknown: ClassVar[int] = -(1 << 63)
    """`sent_at` of a message without a time stamp."""

    def add(self, at: int, first: int, last: int, sent_at: int | None, sid: int) -> None:
        """Raises OverflowError for a number of more than 64 bits; then nothing is added."""
        rows = self._rows
        try:
            rows.extend((at, first, last, self.unknown if sent_at is None else sent_at, sid))
        except OverflowError:
            del rows[len(rows) - len(rows) % self.columns :]  # what came before the number that does not fit
            raise
        self.count += 1
        if len(self._rows) >= 8192:
            self.flush()


class ProbeRows(Rows):
    """The prober's probes; `got` is NONE for one that failed by `until`."""

    magic = b"CRPROB1\n"
    suffix = "probes"
    columns = 4

    def add(self, sent: int, got: int | None, until: int, connect: bool) -> None:
        self._rows.extend((sent, NONE if got is None else got, until, int(connect)))
        self.count += 1
        if len(self._rows) >= 1024:
            self.flush()


def read_rows(path: Path, kind: type[Rows]) -> tuple[array[int], int]:
    """The columns of all whole rows of a file, and 1 if its last row is torn or its magic wrong (else 0)."""
    _, torn = count_rows(path, kind)
    rows = array("q")
    for piece in read_pieces(path, kind):
        rows.extend(piece)
    return rows, torn


def count_rows(path: Path, kind: type[Rows]) -> tuple[int, int]:
    """How many whole rows a file has, and 1 if its last row is torn or its magic wrong (else 0)."""
    with path.open("rb") as file:
        if file.read(len(kind.magic)) != kind.magic:
            return 0, 1
        whole, torn = divmod(os.fstat(file.fileno()).st_size - len(kind.magic), 8 * kind.columns)
    return whole, int(bool(torn))


def read_pieces(path: Path, kind: type[Rows]) -> Iterator[array[int]]:
    """The columns of all whole rows of a file, some thousand rows at a time: all of them need not fit into memory."""
    width = 8 * kind.columns
    with path.open("rb") as file:
        readable = file.read(len(kind.magic)) == kind.magic
        while readable:
            data = file.read(_PIECE_ROWS * width)
            readable = len(data) == _PIECE_ROWS * width
            rows = array("q")
            rows.frombytes(data[: len(data) - len(data) % width])
            if sys.byteorder == "big":
                rows.byteswap()
            yield rows
