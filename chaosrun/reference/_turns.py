"""When several feeds are due that share one pace: each once in a period, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

FORGIVEN_LAG_NS = 1_000_000_000
"""A service that was stopped for longer than this does not publish what it slept through."""

SHORTEST_WAIT_NS = 1_000_000
"""The loop's timers tick in ms: a shorter wait would be none, and every message would have its own turn of the loop."""


class Turns(Generic[T]):
    """Who is due, on a fixed schedule. They take turns within a period rather than coming in one burst."""

    def __init__(self, names: Sequence[T], period_ns: int, start_ns: int) -> None:
        self._names = names
        self._period_ns = period_ns
        self._start_ns = start_ns
        self._turn = 0

    @property
    def next_ns(self) -> int:
        """When the next of them is due."""
        rounds, place = divmod(self._turn, len(self._names))
        return self._start_ns + rounds * self._period_ns + place * self._period_ns // len(self._names)

    def wait_s(self, now_ns: int) -> float:
        """How long to sleep before somebody is due."""
        return max(SHORTEST_WAIT_NS, self.next_ns - now_ns) / 1e9

    def due(self, now_ns: int) -> Iterator[T]:
        """Those that are due by now, each as often as it is."""
        lag = now_ns - self.next_ns
        if lag > FORGIVEN_LAG_NS:
            self._start_ns += lag
        while self.next_ns <= now_ns:
            turn = self._names[self._turn % len(self._names)]
            self._turn += 1
            yield turn
