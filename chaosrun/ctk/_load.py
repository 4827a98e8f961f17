"""The load that is held around one experiment of Chaos Toolkit: started, told of the fault, and read when it is over.

There is one at a time, in the process that runs the experiment: control and probes find it here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chaosrun.errors import ChaosrunError
from chaosrun.running import Asked, Ended, Running
from chaosrun.safety.open_runs import Index
from chaosrun.telling import find_ear, tell

if TYPE_CHECKING:
    from chaosrun.scoring.result import Result

_LOOK_S: Final = 0.1


class Unproved(Exception):
    """There is no load, or no result of it, and why."""


class HeldLoad:
    """A run of chaosrun whose fault somebody else injects."""

    def __init__(self, asked: Asked, say: Callable[[str], None]) -> None:
        self._running = Running(asked.command_line(), tell=say)
        self._ended: Ended | None = None
        self._ear: Path | None = None
        self._lock = threading.Lock()
        self.folder: Path | None = None
        self.begun = False
        self.is_over = False
        """The fault is: nothing more is owed to the run."""

    def wait_until_steady(self) -> None:
        """Until the baseline was steady, and the fault may begin.

        Raises:
            Unproved: it was not, or the run could not start.
        """
        while self._ear is None:
            if self._running.is_over:
                raise Unproved(f"no load is held: {self._why()}")
            try:
                found = Index.here().of_runner(self._running.process.pid)
                self.folder = self.folder if found is None else Path(found.folder)
                if self.folder is not None:
                    self._ear = find_ear(self.folder)
            except ChaosrunError:  # nobody listens there yet
                pass
            time.sleep(_LOOK_S)

    def check(self) -> None:
        """
        Raises:
            Unproved: the load has ended by itself, such as by a guard.
        """
        if self._running.is_over:
            raise Unproved(f"the load has ended: {self._why()}")

    @property
    def goes_on(self) -> bool:
        return not self._running.is_over

    def say(self, word: str, detail: str = "") -> None:
        """Tell the run of its fault; heard when this returns.

        Raises:
            ChaosrunError: it was not heard, and why.
        """
        with self._lock:
            assert self._ear is not None
            tell(self._ear, word, detail)
            self.begun = self.begun or word == "begin"
            self.is_over = self.is_over or word == "over"

    def result(self) -> Result:
        """Wait until the run has seen the recovery, and is scored; the same each time.

        Raises:
            Unproved: it ended without a result.
        """
        from chaosrun.scoring.result import decode  # noqa: PLC0415 - when there is one

        ended = self._end()
        if not ended.out.strip():
            raise Unproved(self._why())
        return decode(ended.out)

    def stop(self) -> None:
        """End it now, in order; nothing where it has ended."""
        if self._ended is None:
            self._ended = self._running.stop()

    @property
    def exit_code(self) -> int | None:
        """None: it has not ended."""
        return None if self._ended is None else self._ended.code

    def _end(self) -> Ended:
        if self._ended is None:
            self._ended = self._running.wait()
        return self._ended

    def _why(self) -> str:
        ended = self._end()
        if ended.out.strip():
            result = self.result()
            return "; ".join([result.verdict, *result.reasons])
        return f"chaosrun ended with {ended.code}\n{ended.complaint}".rstrip()


class _Stage:
    """What is on in this process."""

    load: HeldLoad | None = None
    is_dry: bool = False
    """The experiment is only rehearsed: nothing is done, and nothing is held."""


STAGE = _Stage()
