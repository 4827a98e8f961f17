"""When to wake a link: one kernel timer for all of them.

The loop's own timers count in whole milliseconds; a delay of 100 ms must not become 101. A timerfd counts in ns.
"""

from __future__ import annotations

import asyncio
import ctypes
import heapq
import os
import time
from collections.abc import Callable
from itertools import count

Wake = Callable[[int], None]

_TFD_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
_TFD_TIMER_ABSTIME = 1
_LONGEST_NS = 3600 * 10**9
"""Times further away are looked at again then."""

_libc = ctypes.CDLL(None, use_errno=True)


class _Timespec(ctypes.Structure):
    _fields_ = (("sec", ctypes.c_long), ("nsec", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class Alarm:
    """Calls what was asked for at the time that was asked for, on a loop. Linux only. Raises `OSError`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._fd = _libc.timerfd_create(time.CLOCK_MONOTONIC, _TFD_NONBLOCK_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._heap: list[tuple[int, int, Wake]] = []
        self._numbers = count()
        self._set_for: int | None = None
        loop.add_reader(self._fd, self._ring)

    def at(self, when: int, wake: Wake) -> None:
        """Calls `wake(now)` as soon as `when`, in ns of the monotonic clock, has come. There is no taking it back."""
        heapq.heappush(self._heap, (when, next(self._numbers), wake))
        self._set()

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def _ring(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return
        self._set_for = None
        while self._heap and self._heap[0][0] <= (now := time.monotonic_ns()):
            heapq.heappop(self._heap)[2](now)
        self._set()

    def _set(self) -> None:
        if not self._heap:
            return
        first = self._heap[0][0]
        if self._set_for is not None and self._set_for <= first:
            return
        self._set_for = min(first, time.monotonic_ns() + _LONGEST_NS)
        value = _Timespec(*divmod(max(1, self._set_for), 10**9))
        _libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, ctypes.byref(_Itimerspec(_Timespec(0, 0), value)), None)
