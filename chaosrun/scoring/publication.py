"""What a server published of one numbering, as far as anything tells: its log, its counter, and what clients got."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from chaosrun.records import Head
from chaosrun.scoring.intervals import IntervalSet

PushSource = Literal["log", "counter", "seen", "lower_bound"]
"""How it is known what was published, best first: the server's own log; its counter at the end (a high-water mark of a
numbering without gaps); numbers without a gap seen by any client; otherwise no more than a lower bound."""

SOURCES: tuple[PushSource, ...] = ("log", "counter", "seen", "lower_bound")

_NOTHING = -(1 << 63)
_BEYOND = (1 << 63) - 1


class Instants:
    """How far the numbering had come at a few instants, from any number of sightings; memory goes by the instants.

    Numbers rise with time of publication, so that the newest of them by an instant tells about all before it.
    """

    def __init__(self, times: Iterable[int]) -> None:
        self._times = sorted(set(times))
        self._newest = [_NOTHING] * (len(self._times) + 1)
        self._oldest = [_BEYOND] * (len(self._times) + 1)

    @property
    def asked(self) -> bool:
        """There is an instant to tell of."""
        return bool(self._times)

    def saw(self, t: int, number: int) -> None:
        """`number` was published at `t`."""
        index = bisect_left(self._times, t)
        self._newest[index] = max(self._newest[index], number)
        self._oldest[index] = min(self._oldest[index], number)

    def settle(self) -> None:
        """All has been seen; the answers may be asked for."""
        for index in range(1, len(self._newest)):
            self._newest[index] = max(self._newest[index], self._newest[index - 1])
        for index in range(len(self._oldest) - 1, 0, -1):
            self._oldest[index - 1] = min(self._oldest[index - 1], self._oldest[index])

    def newest_by(self, t: int) -> int | None:
        """The highest number published at or before `t`, one of the instants; None: none that is known."""
        number = self._newest[bisect_left(self._times, t)] if self._times else _NOTHING
        return None if number == _NOTHING else number

    def oldest_after(self, t: int) -> int | None:
        """The lowest number published after `t`, one of the instants; None: none that is known."""
        if not self._times:
            return None
        index = bisect_left(self._times, t)
        # A replay may be stamped when it is sent again; what was out by `t` was not published after it.
        number = max(self._oldest[index + 1], self._newest[index] + 1)
        return None if self._oldest[index + 1] == _BEYOND else number


@dataclass(eq=False)
class Publication:
    """One numbering: an epoch of a channel, or, where numbers are a client's own, of that client."""

    log: IntervalSet | None
    marks: list[Head] = field(default_factory=list)
    seen: IntervalSet = field(default_factory=IntervalSet)
    """What any client of the group received."""
    told: int | None = None
    """The highest head told at a subscription."""
    appeared: int = _BEYOND
    """The first that was heard of it."""
    alive: bool = False
    """It is the current numbering of a client that is connected at the end."""
    stamped: bool = False
    """`instants` are times of publication; otherwise of receipt, which are no earlier."""
    instants: Instants = field(default_factory=lambda: Instants(()))

    def mark(self, since: int, by: int) -> int | None:
        """The highest high-water mark taken in `[since, by]`."""
        return max((mark.seq for mark in self.marks if since <= mark.t <= by), default=None)

    @property
    def newest(self) -> int | None:
        """The highest number that anything tells of."""
        told = [self.told, self.seen.last, self.log.last if self.log else None, *(mark.seq for mark in self.marks)]
        return max((number for number in told if number is not None), default=None)

    def unlogged(self) -> int:
        """How many numbers of a numbering without gaps were published by all other evidence, and are not in the log."""
        log = self.log or IntervalSet()
        newest = self.newest
        firsts = [first for first in (log.first, self.seen.first) if first is not None]
        return 0 if newest is None or not firsts else sum(b - a + 1 for a, b in log.holes(min(firsts), newest))

    @property
    def source(self) -> PushSource:
        if self.log is not None:
            return "log"
        if self.marks:
            return "counter"
        first, last = self.seen.first, self.newest
        gapless = first is not None and last is not None and not any(self.seen.holes(first, last))
        return "seen" if gapless else "lower_bound"
