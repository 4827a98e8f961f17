"""How long a whole run may take: it is stopped early enough that its undo and its drain fit in as well."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import Final

from chaosrun.plan import GroupPlan
from chaosrun.spec.units import format_duration
from chaosrun.stopping import Stopping

_UNDO_NS: Final = 5_000_000_000
"""Kept for the undo: most are done within milliseconds."""


def kept_ns(limit_ns: int, groups: Sequence[GroupPlan]) -> int:
    """What of the limit is left for undo and drain: 5 s and the longest `reply_timeout`, but never more than half."""
    return min(_UNDO_NS + max(group.reply_timeout_ns for group in groups), limit_ns // 2)


class Deadline:
    """The limit of one run, counted from its origin. To be used within one event loop."""

    def __init__(self, limit_ns: int | None, groups: Sequence[GroupPlan], stopping: Stopping) -> None:
        """`limit_ns`: None: there is none."""
        self._limit_ns = limit_ns
        self._groups = groups
        self._stopping = stopping
        self._timer: asyncio.TimerHandle | None = None

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """The run is stopped in time while this lasts."""
        if self._limit_ns is not None:
            left_ns = self._limit_ns - kept_ns(self._limit_ns, self._groups) - self._stopping.now()
            self._timer = asyncio.get_running_loop().call_later(max(0, left_ns) / 1e9, self._over)
        try:
            yield
        finally:
            self.met()

    def met(self) -> None:
        """The run has come to its end by itself."""
        if self._timer is not None:
            self._timer.cancel()

    def _over(self) -> None:
        assert self._limit_ns is not None
        limit = format_duration(self._limit_ns)
        self._stopping.ask(f"max_duration: with its undo and its drain the run has to be over within {limit}")
