"""Where clients took leave by their own plan while the load went on: what they are not owed, and not expected to be.

A stage of the load or a script sends a client away, and perhaps calls it back. What happened meanwhile is nobody's
loss, so everything that is followed from message to message or from connection to connection begins anew with the
client's next connection.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import NamedTuple

from chaosrun.records import Closed, History


class Stay(NamedTuple):
    """A stretch `[start, end)` in which a client is to come and to be there, in ns of run time."""

    start: int
    by: int
    """When it should be usable at the latest: `connect_within` after it began, or should have begun, to connect."""
    end: int


class Leaves:
    """The leaves of the clients of group `g`."""

    def __init__(self, history: History, g: int) -> None:
        self._stop = history.load_stopped
        self._of: defaultdict[int, list[Closed]] = defaultdict(list)
        for closed in history.closed:
            if closed.g == g and is_leave(closed, history):
                self._of[closed.c].append(closed)
        self._grace = history.plan.groups[g].connect_within_ns
        self._attempts: defaultdict[int, list[int]] = defaultdict(list)
        for line in history.attempts if self._of else ():
            if line.g == g and line.c in self._of:
                self._attempts[line.c].append(line.t)

    def before(self, client: int, conn: int) -> int:
        """How often the client had taken leave before its connection `conn`: the number of its stay."""
        return bisect_left(self._of.get(client, []), conn, key=lambda closed: closed.conn)

    def end_of(self, client: int, stay: int) -> int:
        """When stay number `stay` of the client ended; the end of the load, if it did not take leave before."""
        leaves = self._of.get(client, [])
        return leaves[stay].t if stay < len(leaves) else self._stop

    def stays(self, client: int, start: int, end: int) -> list[Stay]:
        """What the client's leaves make of its planned life in `[start, end)`. From the last it may never return."""
        left = [closed.t for closed in self._of.get(client, []) if start <= closed.t < end]
        begins = [(start, start + self._grace), *((t, self._up(client, t)) for t in left)]
        return [Stay(since, by, until) for (since, by), until in zip(begins, [*left, end], strict=True)]

    def returns(self, client: int) -> list[int]:
        """When the client began to connect again after a leave."""
        return [back for closed in self._of.get(client, []) if (back := self._back(client, closed.t)) is not None]

    def _back(self, client: int, left: int) -> int | None:
        return _next(self._attempts.get(client, []), left)

    def _up(self, client: int, left: int) -> int:
        back = self._back(client, left)
        return self._stop if back is None else back + self._grace


def _next(times: list[int], t: int) -> int | None:
    """The first of the times, which ascend, at or after `t`."""
    i = bisect_left(times, t)
    return times[i] if i < len(times) else None


def is_leave(closed: Closed, history: History) -> bool:
    """Whether the client closed its connection because its plan had it go, and not because the load was over."""
    return closed.planned and closed.cause == "ours" and closed.t < history.load_stopped
