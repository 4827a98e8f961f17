"""How a run ends early: one reason, the first one, and waits that it wakes; and the signals that give the reason."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Self, TypeVar

from chaosrun.records import Stop

T = TypeVar("T")
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """SIGINT, SIGTERM and SIGHUP as a wish to stop: the first one, told to whoever listens. For one event loop."""

    def __init__(self) -> None:
        self.first: str | None = None
        """In words, once one has come."""
        self._came = asyncio.Event()
        self._listeners: list[Callable[[str], None]] = []

    @contextlib.contextmanager
    def caught(self) -> Iterator[Self]:
        """They end nothing by themselves for as long as the context lasts.

        Nor afterwards, where one has come: the process is on its way out, and says what came of the run.
        """
        loop = asyncio.get_running_loop()
        # Who says nohup wants a run that outlives his terminal.
        is_nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        caught = [number for number in _SIGNALS if number != signal.SIGHUP or not is_nohup]
        for number in caught:
            loop.add_signal_handler(number, self._on_signal, number)
        try:
            yield self
        finally:
            for number in caught:
                loop.remove_signal_handler(number)
                if self.first is not None:
                    # Not SIG_IGN, which children would inherit.
                    signal.signal(number, lambda _number, _frame: None)

    @contextlib.contextmanager
    def told_to(self, listener: Callable[[str], None]) -> Iterator[None]:
        """`listener` hears of the first one, at once if it has come already."""
        self._listeners.append(listener)
        if self.first is not None:
            listener(self.first)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    async def quiet_for(self, length_ns: int) -> bool:
        """Wait; false as soon as one has come."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._came.wait(), length_ns / 1e9)
        return self.first is None

    def _on_signal(self, number: signal.Signals) -> None:
        if self.first is None:
            self.first = f"stopped by {signal.Signals(number).name}"
            self._came.set()
            for listener in self._listeners:
                listener(self.first)


class Stopped(Exception):
    """The run cannot go on as planned: it undoes, drains, and scores what there is."""


class Stopping:
    """The wish to stop, and the waits of a run that heed it. To be used within one event loop."""

    def __init__(self, origin_ns: int, tell: Callable[[Stop], None]) -> None:
        self._origin_ns = origin_ns
        self._tell = tell
        self._event = asyncio.Event()
        self.why: Stop | None = None

    def now(self) -> int:
        """Run time in ns."""
        return time.monotonic_ns() - self._origin_ns

    def ask(self, why: str, *, by_signal: bool = False, trouble: bool = False) -> None:
        """Stop the run. Only the first reason counts: a second signal finds the undo already under way.

        Args:
            trouble: nobody asked for it; something that the measurement needs broke.
        """
        if self.why is not None:
            return
        self.why = Stop(t=self.now(), why=why, signal=by_signal, trouble=trouble)
        self._event.set()
        self._tell(self.why)

    def ask_by_signal(self, why: str) -> None:
        """Stop the run because a signal came."""
        self.ask(why, by_signal=True)

    async def or_stop(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for `work`.

        Raises:
            Stopped: the run was stopped first; `work` has been cancelled and has ended.
        """
        if self.why is not None:
            work.close()
            raise Stopped
        task = asyncio.create_task(work)
        stop = asyncio.create_task(self._event.wait())
        try:
            await asyncio.wait((task, stop), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise Stopped
        finally:
            stop.cancel()
            task.cancel()
            await asyncio.gather(stop, task, return_exceptions=True)

    async def sleep_until(self, t: int) -> None:
        """Sleep to run time `t`.

        Raises:
            Stopped: the run was stopped first.
        """
        await self.or_stop(asyncio.sleep(max(0, t - self.now()) / 1e9))
