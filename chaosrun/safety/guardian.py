"""The guardian: a process that outlives its run, and takes away what the run's end left standing.

It is started before the first undo is written down, says when it is ready, and then waits: for the death of the runner,
told by the kernel; for the end of the line to it; for a runner that says nothing any more. What is open it learns from
the journal alone, read when it is needed. Nothing that ends a run ends it but `QUIT`, said by the runner in the end.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Final, NamedTuple

import msgspec

from chaosrun.errors import ChaosrunError
from chaosrun.identity import Identity, pidfd_of, send_signal, wait_gone
from chaosrun.journal import JOURNAL, Journal
from chaosrun.processes import GUARDIAN_TAG, spare
from chaosrun.records import Note
from chaosrun.safety import leftovers, locks
from chaosrun.safety.undo import preload

GUARDIAN: Final = "guardian"
"""The writer of its lines in the journal."""

BEAT: Final = b"."
"""Said by the runner once a second, and answered."""
QUIT: Final = b"q"
"""Nothing is open any more."""
READY: Final = b"+"
ENDING: Final = b"!"
"""Somebody wants the guardian to end: the run has to, first."""
FAILED: Final = b"-"
"""Followed by why it cannot guard."""

SILENCE_S: Final = 15.0
"""A runner that says nothing for so long hangs, or was stopped."""
ENDING_WITHIN_S: Final = 60.0
"""How long a run may take to end in order, once its guardian was told to end."""
_LOOK_EVERY_S: Final = 0.25
_DEATH_WITHIN_S: Final = 5.0
"""The line's end comes before the runner's death; one that lives on without its line is ended after so long."""
_KILLED_WITHIN_S: Final = 60.0


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """What a guardian is told when it is started."""

    folder: str
    """Of the run."""
    origin_ns: int
    runner: Identity
    above: tuple[Identity, ...] = ()
    """The processes above the runner, which no selector of the run may match."""
    kinds: tuple[str, ...] = ()
    """Of the faults that the run may inject."""
    entry: str = ""
    """The run's file in the index of open runs."""
    silence_s: float = SILENCE_S


class _Woken(NamedTuple):
    """Why the guardian acts, and how long the runner may take to be dead by itself."""

    why: str
    patience_s: float


_DIED = _Woken("the process of the run ended without a word", _DEATH_WITHIN_S)


class Guardian:
    """Watches one runner over `line`, once it was made.

    Raises:
        OSError, ChaosrunError, ImportError: it cannot guard this run.
    """

    def __init__(self, charge: Charge, line: socket.socket) -> None:
        self._charge = charge
        self._line = line
        self._told_to_end = False
        # Opened while all is well: the folder may be gone when they are needed.
        self._journal = Journal(Path(charge.folder), GUARDIAN)
        self._history = os.open(Path(charge.folder) / JOURNAL, os.O_RDONLY | os.O_CLOEXEC)
        spare(charge.above)
        for kind in charge.kinds:
            preload(kind)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            # Not SIG_IGN, which a service that is started again would inherit.
            signal.signal(number, self._on_signal)
        os.chdir("/")

    def guard(self) -> None:
        """Until the run has ended, and nothing is left of it."""
        woken = self._watch()
        if woken is None:
            return
        runner = self._charge.runner
        if not wait_gone(runner, woken.patience_s):
            send_signal(runner, signal.SIGKILL)
            wait_gone(runner, _KILLED_WITHIN_S)
        # The runner held it, and now whoever else sees to this run does: what that has done is in the journal.
        locks.take(self._history, within_s=None)
        self._journal.begin_line()
        self._journal.append(
            Note(t=time.monotonic_ns() - self._charge.origin_ns, text=f"the guardian sees to the run: {woken.why}")
        )
        left = leftovers.set_right(self._charge.folder, runner, self._left, self._journal)
        if not left and self._charge.entry:
            Path(self._charge.entry).unlink(missing_ok=True)

    def _watch(self) -> _Woken | None:
        """Why it has to act; None: it need not."""
        pidfd = pidfd_of(self._charge.runner)
        if pidfd is None:
            return _DIED
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        poll.register(self._line, select.POLLIN)
        self._say(READY)
        # Counted in our own looks rather than by the clock: while a machine stands still nobody is silent.
        silence, end_at = 0.0, float("inf")
        while silence < self._charge.silence_s and time.monotonic() < end_at:
            ready = {descriptor for descriptor, _ in poll.poll(_LOOK_EVERY_S * 1000)}
            if self._told_to_end and end_at == float("inf"):
                end_at = time.monotonic() + ENDING_WITHIN_S
                self._say(ENDING)
            if self._line.fileno() in ready:
                said = self._hear()
                if QUIT in said:
                    return None
                if not said:
                    return _DIED
                self._say(BEAT)
                silence = 0.0
            elif pidfd in ready:
                return _DIED
            else:
                silence += _LOOK_EVERY_S
        if silence < self._charge.silence_s:
            return _Woken(f"the guardian was told to end, and the run did not within {ENDING_WITHIN_S:g} s", 0.0)
        return _Woken(f"the process of the run said nothing for {self._charge.silence_s:g} s", 0.0)

    def _left(self) -> leftovers.Leftovers:
        size = os.fstat(self._history).st_size
        data = bytearray()
        while len(data) < size and (piece := os.pread(self._history, size - len(data), len(data))):
            data += piece
        return leftovers.read(bytes(data))

    def _hear(self) -> bytes:
        """What the runner said; nothing: its end of the line is closed."""
        try:
            return self._line.recv(4096)
        except ConnectionError:
            return b""

    def _say(self, word: bytes) -> None:
        """Whoever does not listen is told nothing."""
        with contextlib.suppress(OSError):
            self._line.send(word, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._told_to_end = self._told_to_end or number == signal.SIGTERM


def _take_environment(told: int) -> None:
    """What undos, and the programs that they start, find in the environment of the run: read from a descriptor, since
    the environment that a process was started with can be listed."""
    with open(told, "rb") as file:
        file.seek(0)
        for entry in filter(None, file.read().split(b"\0")):
            name, _, text = entry.partition(b"=")
            os.environb[name] = text


def main() -> None:
    """`python -m chaosrun.safety.guardian DESCRIPTOR ENVIRONMENT CHARGE`."""
    line = socket.socket(fileno=int(sys.argv[1]))
    line.set_inheritable(False)
    _take_environment(int(sys.argv[2]))
    # It tells others who we are, as they look; what we start is none of us.
    os.environ.pop(GUARDIAN_TAG, None)
    try:
        guardian = Guardian(msgspec.json.decode(sys.argv[3], type=Charge), line)
    except (OSError, ChaosrunError, ImportError) as error:
        line.sendall(FAILED + str(error).encode())
        sys.exit(1)
    guardian.guard()
    # An undo that hangs has a thread that nothing can end.
    os._exit(0)


if __name__ == "__main__":
    main()
