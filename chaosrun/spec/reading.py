"""The only way in for a file that somebody names: a regular file, read up to a limit, and never one that would block.

A name may lead to a pipe that nobody writes to, to a device without an end, or to a terminal: those are never opened.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

_KINDS: Final = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_PIECE: Final = 1 << 16


class Unreadable(Exception):
    """A file cannot be read; the text says why."""


def read_file(name: str, most: int) -> bytes:
    """The content of the regular file `name`.

    Args:
        most: bytes that it may have.

    Raises:
        Unreadable: it is not there, is no regular file, may not be read, or is longer.
    """
    try:
        _refuse_all_but_regular(Path(name).stat().st_mode)
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            _refuse_all_but_regular(os.fstat(descriptor).st_mode)  # by now it may be another one
            content = _read(descriptor, most + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise Unreadable("there is no such file") from None
    except OSError as error:
        raise Unreadable(error.strerror or "it cannot be opened") from None
    except ValueError:  # a zero byte, or what the file system's encoding does not have
        raise Unreadable("no file can have such a name") from None
    if len(content) > most:
        raise Unreadable(f"it is longer than {most} bytes, the most that is read")
    return content


def _refuse_all_but_regular(mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "something else")
        raise Unreadable(f"it is {kind}, not a file")


def _read(descriptor: int, most: int) -> bytes:
    """To the end or to `most` bytes: what the system says of a file's size may be wrong, as it is below /proc."""
    pieces = []
    while most > 0 and (piece := os.read(descriptor, min(most, _PIECE))):
        pieces.append(piece)
        most -= len(piece)
    return b"".join(pieces)
