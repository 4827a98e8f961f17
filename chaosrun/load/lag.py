"""Watches the load's own event loop: how late it gets to a call that is due every 10 ms, and what CPU it uses."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from chaosrun.load.agenda import Agenda
from chaosrun.records import Lag
from chaosrun.scoring.histogram import bucket_of

TICK_NS: Final = 10_000_000
SPAN_NS: Final = 1_000_000_000


class LagTicker:
    """Reports once a second. A stall counts as all the ticks that fell into it, each with its own lag: one late call
    for a stall of 200 ms would hide nineteen."""

    def __init__(self, agenda: Agenda, report: Callable[[Lag], None]) -> None:
        self._agenda = agenda
        self._report = report
        self._buckets: Counter[int] = Counter()
        self._max = 0
        self._max_seen = 0
        self._begun = agenda.now()
        self._cpu = time.process_time_ns()
        self._due = self._begun + TICK_NS
        self._running = True
        agenda.at(self._due, self._tick, None)

    def take_max(self) -> int:
        """The longest lag since the last call of this, in ns."""
        longest, self._max_seen = self._max_seen, 0
        return longest

    def report_now(self) -> None:
        """Report what there is: what comes next is no part of the load, and not to be told with its last second."""
        if self._running:
            now = self._agenda.now()
            self._count(now)
            self._emit(now)

    def stop(self) -> None:
        """Report what there is, and tick no more."""
        self.report_now()
        self._running = False

    def _tick(self, _: None) -> None:
        if not self._running:
            return
        now = self._agenda.now()
        self._count(now)
        if now - self._begun >= SPAN_NS:
            self._emit(now)
        self._agenda.at(self._due, self._tick, None)

    def _count(self, now: int) -> None:
        """Every tick that has fallen due, with its lag."""
        self._max = max(self._max, now - self._due)
        while self._due <= now:
            self._buckets[bucket_of(now - self._due)] += 1
            self._due += TICK_NS

    def _emit(self, now: int) -> None:
        cpu = time.process_time_ns()
        self._report(
            Lag(
                t=now,
                span_ns=now - self._begun,
                buckets=dict(self._buckets),
                max_ns=self._max,
                cpu_ns=cpu - self._cpu,
            )
        )
        self._max_seen = max(self._max_seen, self._max)
        self._buckets.clear()
        self._max = 0
        self._begun, self._cpu = now, cpu
