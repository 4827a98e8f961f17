"""A worker's records on their way from its own machine's disk to the run folder, as they grow."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from chaosrun.errors import Unwritable
from chaosrun.journal import JOURNAL, SAMPLES, Appender, PendingRows, PushRows, SlotRows
from chaosrun.load.on_ray.wire import Piece

GROWING: Final = ("journal", SlotRows.suffix, PushRows.suffix)
REPLACED: Final = PendingRows.suffix
MOST_BYTES: Final = 4 << 20
"""Of one file at a time: a worker that has much to tell still says every 200 ms how it is."""


def path_of(folder: Path, file: str, writer: str) -> Path:
    """Where a writer's file is in a run folder, and in its copy on the worker's machine."""
    return folder / JOURNAL if file == "journal" else folder / SAMPLES / f"{writer}.{file}"


class Growing:
    """What has been added to a worker's files since the last look."""

    def __init__(self, folder: Path, writer: str) -> None:
        self._paths = {file: path_of(folder, file, writer) for file in GROWING}
        self._pending = path_of(folder, REPLACED, writer)
        self._taken = dict.fromkeys(GROWING, 0)
        self._pending_as: tuple[int, int] | None = None

    def take(self) -> tuple[Piece, ...]:
        """Never half of a journal's line."""
        return (*self._grown(), *self._replaced())

    def take_all(self) -> Iterator[tuple[Piece, ...]]:
        """All that is left, when nothing comes any more."""
        while pieces := self.take():
            yield pieces

    def _grown(self) -> Iterator[Piece]:
        for file, path in self._paths.items():
            data = (_read_lines if file == "journal" else _read)(path, self._taken[file])
            if data:
                self._taken[file] += len(data)
                yield Piece(file=file, data=data)

    def _replaced(self) -> Iterator[Piece]:
        try:
            found = self._pending.stat()
        except FileNotFoundError:
            return
        now = (found.st_mtime_ns, found.st_size)
        if now != self._pending_as:
            self._pending_as = now
            yield Piece(file=REPLACED, data=self._pending.read_bytes(), whole=True)


def is_cut_short(pieces: Iterable[Piece]) -> bool:
    """There may be more of it already."""
    return any(len(piece.data) >= MOST_BYTES and not piece.whole for piece in pieces)


def _read(path: Path, offset: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(MOST_BYTES)
    except FileNotFoundError:
        return b""


def _read_lines(path: Path, offset: int) -> bytes:
    """Whole ones: the writer may be in the middle of the next."""
    data = _read(path, offset)
    if len(data) == MOST_BYTES and b"\n" not in data:  # one line that is longer
        with path.open("rb") as file:
            file.seek(offset)
            data = file.readline()
    return data[: data.rfind(b"\n") + 1]


class Kept:
    """The other end: a worker's files in the run folder."""

    def __init__(self, folder: Path, writer: str) -> None:
        self._folder = folder
        self._writer = writer
        self._files: dict[str, Appender] = {}
        with contextlib.suppress(OSError):  # which its first file tells
            (folder / SAMPLES).mkdir(mode=0o700, exist_ok=True)

    def keep(self, pieces: Iterable[Piece]) -> None:
        """Write pieces where they belong.

        Raises:
            Unwritable: the disk is full; what was not written is kept, and tried again with the next.
            ValueError: no file of a worker is called so.
        """
        troubles: list[Unwritable] = []
        for piece in pieces:
            try:
                self._write(piece)
            except Unwritable as error:
                troubles.append(error)
        if troubles:
            raise troubles[0]

    def close(self) -> None:
        for file in self._files.values():
            with contextlib.suppress(Unwritable):  # which `keep` has told
                file.close()

    def _write(self, piece: Piece) -> None:
        if piece.whole != (piece.file == REPLACED) or piece.file not in (*GROWING, REPLACED):
            raise ValueError(f"no file {piece.file!r} of a worker")
        path = path_of(self._folder, piece.file, self._writer)
        if piece.whole:
            with contextlib.closing(Appender(path, truncate=True)) as file:
                file.write(piece.data)
            return
        if piece.file not in self._files:
            self._files[piece.file] = Appender(path)
        self._files[piece.file].write(piece.data)
        self._files[piece.file].flush()
