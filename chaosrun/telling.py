"""A word from outside to a run that goes on, over a Unix socket in its folder: one line of JSON, and one in answer.

The folder is its owner's alone (0700), and so is the socket (0600): whoever may speak here may do all that the run may.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from glob import escape
from pathlib import Path
from typing import Final

import msgspec

from chaosrun.errors import NotNow, UsageError
from chaosrun.foreign import brief

FOLDER: Final = "faults"
"""Of a run, where the sockets of its faults are, by their ids."""
SUFFIX: Final = ".sock"
ANSWERED_WITHIN_S: Final = 30.0
"""The run writes to disk before it answers."""
_SPOKEN_WITHIN_S: Final = 5.0
_LAST_ANSWERS_WITHIN_S: Final = 1.0
_LONGEST: Final = 4096
_LOOK_S: Final = 0.05


class Word(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said: `word`, and `detail` for people."""

    word: str
    detail: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`ok`: it was heard at `at_s` of run time; else `why` not."""

    ok: bool
    at_s: float | None = None
    why: str = ""


Heed = Callable[[Word], Awaitable[int]]
"""Hears a word; when (ns of run time). Raises UsageError for a word that is out of place."""


class Ear:
    """The run's end. To be used within one event loop; `close` must be called whatever happens."""

    def __init__(self, path: Path, heed: Heed) -> None:
        self.path = path
        self._heed = heed
        self._server: asyncio.Server | None = None
        self._speaking: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """
        Raises:
            OSError: there can be no socket here.
        """
        self.path.parent.mkdir(mode=0o700, exist_ok=True)
        self.path.unlink(missing_ok=True)
        ours = socket.socket(socket.AF_UNIX)
        try:
            with _reachable(self.path) as name:
                ours.bind(name)
            self.path.chmod(0o600)  # nobody is listening before this
            self._server = await asyncio.start_unix_server(self._listen, sock=ours, limit=_LONGEST)
        except BaseException:
            ours.close()
            self.path.unlink(missing_ok=True)
            raise

    async def close(self) -> None:
        """Answers that are under way are given; then there is nobody to speak to."""
        if self._server is None:
            return
        self.path.unlink(missing_ok=True)
        self._server.close()
        self._server = None
        try:
            if self._speaking:
                await asyncio.wait(self._speaking, timeout=_LAST_ANSWERS_WITHIN_S)
        finally:
            for task in self._speaking:
                task.cancel()

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._speaking.add(task)
        try:
            with contextlib.suppress(OSError):
                answer = await self._answer(reader)
                writer.write(msgspec.json.encode(answer) + b"\n")
                await writer.drain()
        finally:
            self._speaking.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> Answer:
        try:
            line = await asyncio.wait_for(reader.readline(), _SPOKEN_WITHIN_S)
            return Answer(ok=True, at_s=await self._heed(msgspec.json.decode(line, type=Word)) / 1e9)
        except TimeoutError:
            return Answer(ok=False, why=f"nothing was said within {_SPOKEN_WITHIN_S:g} s")
        except (msgspec.MsgspecError, ValueError):  # the second: a line that is too long, or no UTF-8
            return Answer(ok=False, why='not understood; write {"word": "begin"} and a line end')
        except UsageError as error:
            return Answer(ok=False, why=str(error))


def tell(path: Path, word: str, detail: str = "") -> float:
    """Say a word at a socket, from any process; when it was heard, in seconds of run time. Blocks.

    Raises:
        NotNow: nobody listens: the run is not there yet, or is past it.
        UsageError: the word is out of place, and why.
    """
    try:
        with socket.socket(socket.AF_UNIX) as line, _reachable(path) as name:
            line.settimeout(ANSWERED_WITHIN_S)
            line.connect(name)
            line.sendall(msgspec.json.encode(Word(word, brief(detail))) + b"\n")
            with line.makefile("rb") as said:
                answer = said.readline(_LONGEST)
    except OSError as error:
        why = error.strerror or error
        raise NotNow(f"{path}: nobody listens ({why}); the run is not there yet, or past it") from error
    if not answer:
        raise NotNow(f"{path}: no answer; the run ends")
    try:
        heard = msgspec.json.decode(answer, type=Answer)
    except msgspec.MsgspecError as error:
        raise NotNow(f"{path}: no answer that can be read ({error})") from error
    if heard.at_s is None:
        raise UsageError(heard.why)
    return heard.at_s


def find_ear(place: Path, fault: str | None = None, *, within_s: float = 0.0) -> Path:
    """The socket of a run at which an outside fault is told.

    Args:
        place: the folder of the run, or one that it is in.
        fault: the fault's id, where there are several.
        within_s: wait so long for one.

    Raises:
        NotNow: nobody listens.
        UsageError: several do.
    """
    end = time.monotonic() + within_s
    while not (found := [path for path in _sockets(place, fault) if _is_heard(path)]):
        if time.monotonic() >= end:
            of = f" {fault}" if fault else ""
            raise NotNow(f"{place}: no run here waits to be told of a fault{of}; try --wait 1m")
        time.sleep(_LOOK_S)
    if len(found) > 1:
        raise UsageError(f"several listen; name the run's own folder, or a --fault: {', '.join(map(str, found))}")
    return found[0]


def _sockets(place: Path, fault: str | None) -> list[Path]:
    """Of a run, of one of a folder's, of a series', or of a series' of a folder."""
    name = f"{FOLDER}/{escape(fault) if fault else '*'}{SUFFIX}"
    found = [path for above in ("", "*/", "*/*/", "*/*/*/") for path in sorted(place.glob(f"{above}{name}"))]
    return list({path.resolve(): path for path in reversed(found)}.values())  # a link to the latest is no other run


def _is_heard(path: Path) -> bool:
    """The socket of a run that was killed is still there."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line, _reachable(path) as name:
        line.settimeout(_LOOK_S)
        line.connect(name)
        return True
    return False


@contextlib.contextmanager
def _reachable(path: Path) -> Iterator[str]:
    """A name for the socket that fits into an address, which holds 107 bytes (unix(7)), however deep its folder is."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
