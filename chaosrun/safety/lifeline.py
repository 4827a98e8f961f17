"""The runner's end of its guardian: starts it, tells it once a second that all is well, and notices when it is gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Collection
from typing import Final

import msgspec

from chaosrun.errors import Unavailable
from chaosrun.processes import GUARDIAN_TAG, ROLE_TAG, RUN_TAG, essentials
from chaosrun.safety.guardian import BEAT, ENDING, FAILED, QUIT, READY, Charge

READY_WITHIN_S: Final = 60.0
"""A Python with all that undos need takes half a second, and many times that on a machine without a free core."""
_BEAT_EVERY_S: Final = 1.0
_END_WITHIN_S: Final = 5.0


class Lifeline:
    """One guardian. To be used within one event loop.

    Args:
        lost: told once, in words, when there is no guardian any more, or it wants to end.
        hidden: variables that are not to be seen in its environment.
    """

    def __init__(self, charge: Charge, lost: Callable[[str], None], hidden: Collection[str] = ()) -> None:
        self._charge = charge
        self._lost = lost
        self._hidden = hidden
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._pidfd = -1
        self._ready: asyncio.Future[None] | None = None
        self._unanswered = 0
        self._told = False
        self._beating: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start it; it gets ready by itself.

        Raises:
            Unavailable: the machine has no process left to give.
        """
        # On the loop, though it takes some ms: a cancelled wait for a thread would lose the process.
        ours, theirs = socket.socketpair()
        told = _environment_for_undos()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [
                        sys.executable,
                        "-P",  # the working directory is of others, whose modules may have the names of ours
                        "-m",
                        "chaosrun.safety.guardian",
                        str(theirs.fileno()),
                        str(told),
                        msgspec.json.encode(self._charge).decode(),
                    ],
                    pass_fds=[theirs.fileno(), told],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=essentials(self._hidden) | {GUARDIAN_TAG: self._charge.folder},
                    start_new_session=True,
                )
            except OSError as error:
                ours.close()
                raise Unavailable(
                    f"no guardian can be started ({error}), and nothing is injected without one"
                ) from error
            finally:
                os.close(told)
        ours.setblocking(False)
        self._line = ours
        # Our own child is not reaped yet, so its pid cannot be anybody else's.
        self._pidfd = os.pidfd_open(self._process.pid)
        loop = asyncio.get_running_loop()
        self._ready = loop.create_future()
        loop.add_reader(self._pidfd, self._on_end)
        loop.add_reader(ours, self._on_word)
        self._beating = asyncio.create_task(self._beat())

    async def ready(self) -> None:
        """Wait until it guards.

        Raises:
            Unavailable: it cannot, and why.
        """
        assert self._ready is not None
        try:
            await asyncio.wait_for(asyncio.shield(self._ready), READY_WITHIN_S)
        except TimeoutError:
            raise Unavailable(
                f"the guardian of this run did not get ready within {READY_WITHIN_S:g} s, and nothing is injected "
                "without one; is this machine overloaded?"
            ) from None

    async def quit(self) -> None:
        """Nothing is open any more: it ends. One that does not is killed."""
        if self._process is None or self._line is None:
            return
        self._told = True
        self._say(QUIT)
        if not self._is_ready:
            self._process.kill()
        if self._beating is not None:
            self._beating.cancel()
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._pidfd)
        loop.remove_reader(self._line)
        try:
            await asyncio.to_thread(self._process.wait, _END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
        os.close(self._pidfd)
        self._line.close()
        self._line = None

    @property
    def _is_ready(self) -> bool:
        return self._ready is not None and self._ready.done() and self._ready.exception() is None

    async def _beat(self) -> None:
        while True:
            self._say(BEAT)
            if self._is_ready:
                # Counted rather than measured: where this process stands still, the other one is not to blame.
                self._unanswered += 1
                if self._unanswered * _BEAT_EVERY_S >= self._charge.silence_s:
                    self._lose(f"{self._name} has not answered for {self._charge.silence_s:g} s")
            await asyncio.sleep(_BEAT_EVERY_S)

    def _on_word(self) -> None:
        assert self._line is not None
        try:
            said = self._line.recv(4096)
        except BlockingIOError:
            return
        except ConnectionError:
            said = b""
        if not said:
            asyncio.get_running_loop().remove_reader(self._line)  # its end is told by the kernel
            return
        self._unanswered = 0
        if said.startswith(FAILED):
            self._fail(f"{self._name} cannot guard this run: {said[1:].decode(errors='replace')}")
        if READY in said and self._ready is not None and not self._ready.done():
            self._ready.set_result(None)
        if ENDING in said:
            self._lose(f"{self._name} was told to end (SIGTERM)")

    def _on_end(self) -> None:
        assert self._process is not None
        asyncio.get_running_loop().remove_reader(self._pidfd)
        code = self._process.wait()
        self._fail(f"{self._name} ended before it was ready, with {code}")
        self._lose(f"{self._name} ended with {code}")

    def _fail(self, why: str) -> None:
        """It never was ready."""
        if self._ready is not None and not self._ready.done():
            self._told = True
            self._ready.set_exception(Unavailable(why))
            self._ready.exception()  # nobody may wait for it any more

    def _lose(self, why: str) -> None:
        if not self._told:
            self._told = True
            self._lost(why)

    def _say(self, word: bytes) -> None:
        """It may be gone, or not listening: that is noticed otherwise."""
        assert self._line is not None
        with contextlib.suppress(OSError):
            self._line.send(word, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)

    @property
    def _name(self) -> str:
        assert self._process is not None
        return f"the guardian (pid {self._process.pid})"


def _environment_for_undos() -> int:
    """A file in memory with all of this process's environment: programs that an undo starts are to find what they would
    have found in the run. In the guardian's own environment everybody who may list processes of this user could read
    it for as long as the run takes."""
    told = os.memfd_create("environment")
    kept = {key: text for key, text in os.environb.items() if os.fsdecode(key) not in (RUN_TAG, ROLE_TAG)}
    with open(told, "wb", closefd=False) as file:
        file.write(b"\0".join(b"=".join(pair) for pair in kept.items()))
    return told
