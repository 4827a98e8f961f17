"""What a load process has to do and when: one heap of calls by run time, woken by one kernel timer.

The event loop's own timers round to milliseconds, which would show in every response time. A timerfd is exact to
some ten microseconds and costs one call to set.
"""

from __future__ import annotations

import asyncio
import ctypes
import heapq
import os
import time
from collections.abc import Callable
from typing import Any, Final

# <sys/timerfd.h> and <time.h>; the os module has timerfd from Python 3.13 on.
_CLOCK_MONOTONIC: Final = 1
_TFD_TIMER_ABSTIME: Final = 1
_TFD_FLAGS: Final = os.O_NONBLOCK | os.O_CLOEXEC
_SECOND: Final = 1_000_000_000


class _TimerSpec(ctypes.Structure):
    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class Alarm:
    """Calls back when the monotonic clock reaches the instant it was last set to, and again until it is set anew."""

    def __init__(self, loop: asyncio.AbstractEventLoop, rang: Callable[[], None]) -> None:
        self._loop = loop
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.timerfd_settime.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
        self._spec = _TimerSpec()
        self._spec_at = ctypes.addressof(self._spec)
        self._fd: int = self._libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_FLAGS)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        loop.add_reader(self._fd, rang)  # readable from the instant on, and no more once it is set anew

    def set(self, monotonic_ns: int) -> None:
        # All zero would disarm the timer instead of ringing at once.
        self._arm(max(1, monotonic_ns))

    def off(self) -> None:
        self._arm(0)

    def _arm(self, monotonic_ns: int) -> None:
        self._spec.value_s, self._spec.value_ns = divmod(monotonic_ns, _SECOND)
        if self._libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, self._spec_at, None) < 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)


class Agenda:
    """Calls in order of their run time; those of one time in the order in which they were put down.

    A call cannot be taken back: what it is for must be looked at when it comes.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, origin_ns: int, on_error: Callable[[Exception], None]) -> None:
        self.origin_ns = origin_ns
        self._on_error = on_error
        self._heap: list[tuple[int, int, Callable[[Any], None], Any]] = []
        self._count = 0
        self._set_to: int | None = None
        self._alarm = Alarm(loop, self._run)

    def now(self) -> int:
        """Run time: nanoseconds since the origin of the run."""
        return time.monotonic_ns() - self.origin_ns

    def at(self, when: int, call: Callable[[Any], None], argument: Any) -> None:
        """Call `call(argument)` at run time `when`, or as soon after as the loop gets to it."""
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, call, argument))
        if self._set_to is None or when < self._set_to:
            self._set_alarm(when)

    def _set_alarm(self, when: int) -> None:
        self._set_to = when
        self._alarm.set(self.origin_ns + when)

    def _run(self) -> None:
        heap = self._heap
        now = self.now()
        self._set_to = now  # calls put down meanwhile need no alarm of their own: it is set below
        while heap and heap[0][0] <= now:
            _, _, call, argument = heapq.heappop(heap)
            try:
                call(argument)
            except Exception as error:
                self._on_error(error)
        self._set_to = None
        if heap:
            self._set_alarm(heap[0][0])
        else:
            self._alarm.off()

    def close(self) -> None:
        self._heap.clear()
        self._alarm.close()
