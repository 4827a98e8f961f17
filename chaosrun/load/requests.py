"""What one client has asked and what became of it: every request gets exactly one row, when it is decided."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chaosrun.load.recorder import PendingSlot
from chaosrun.protocols._base import Conversation
from chaosrun.records import NONE, REQUESTS, Kind, Status
from chaosrun.scoring.histogram import bucket_of

if TYPE_CHECKING:
    from chaosrun.load.group import Group

_Asked = tuple[int, int, Kind, int, int]
"""due, sent, kind, which request, on which connection"""


class Requests:
    """The requests of one client, slots, sentinels and canaries alike. A reply is waited for however long it takes,
    as long as its connection lives."""

    __slots__ = (
        "_asked",
        "_c",
        "_group",
        "_last_due",
        "_last_good",
        "_overdue",
        "_overdue_before",
        "_token",
        "canary_good",
    )

    def __init__(self, group: Group, c: int) -> None:
        self._group = group
        self._c = c
        self._asked: dict[int, _Asked] = {}
        self._token = 0
        self._last_due = 0
        self._last_good = False
        """The outcome of the last observation, by due time, that has one; it was due at `_last_due`."""
        self._overdue = 0
        self._overdue_before = 0
        """Of what is asked, the slots that were sent before this time."""
        self.canary_good = False
        """A canary of this session was good."""

    @property
    def in_flight(self) -> int:
        return len(self._asked)

    def usable(self, due_before: int) -> bool:
        """The last observation was good; one without a reply, due before the time given, is bad."""
        if not self._last_good:
            return False
        for due, *_ in reversed(self._asked.values()):
            if due < due_before:
                return due < self._last_due
        return True

    def overdue(self, before: int) -> int:
        """How many slots without a reply were sent before a time, which grows from call to call.

        Only what was sent since the last call's is looked at: while a service is frozen the rest may be very long.
        """
        for _, sent, kind, *_ in reversed(self._asked.values()):
            if sent < self._overdue_before:
                break
            self._overdue += sent < before and kind in REQUESTS
        self._overdue_before = before
        return self._overdue

    def put_down(self, due: int, now: int, kind: Kind, which: int, conn: int) -> int:
        """A request is about to be sent; its token. Down before it is: nothing that happens meanwhile may find it
        unknown."""
        self._token += 1
        self._asked[self._token] = (due, now, kind, which, conn)
        return self._token

    def ask(self, conversation: Conversation, due: int, now: int, kind: Kind, which: int, conn: int) -> bool:
        """Send a request; False: it could not be sent. What the conversation raises is passed on."""
        token = self.put_down(due, now, kind, which, conn)
        sent = False
        try:
            sent = conversation.request(token, which, now)
        finally:
            if not sent:
                self._asked.pop(token, None)
        return sent

    def skip(self, due: int, status: Status, kind: Kind, which: int, conn: int) -> None:
        """A slot was not sent."""
        self._decide((due, NONE, kind, which, conn), NONE, status)

    def replied(self, token: int, got: int, ok: bool) -> bool:
        """A reply came; False: to nothing that is asked."""
        return self._answered(token, got, Status.SENT if ok else Status.ERROR)

    def broken(self, token: int) -> bool:
        """The exchange broke or was refused before a reply was whole; False: it is not asked."""
        return self._answered(token, NONE, Status.ERROR)

    def unanswered(self, token: int) -> bool:
        """No reply came in time, and none is waited for any more; False: it is not asked."""
        return self._answered(token, NONE, Status.SENT)

    def give_up(self) -> None:
        """The connection is gone, or the run is over: whatever has no reply by now gets none."""
        asked, self._asked, self._overdue = self._asked, {}, 0
        for one in asked.values():
            self._decide(one, NONE, Status.SENT)
        self._last_good = False

    def pending(self) -> Iterator[PendingSlot]:
        """What was sent and is not yet decided."""
        for due, sent, kind, which, conn in self._asked.values():
            yield self._group.index, self._c, due, sent, kind, conn, which

    def _answered(self, token: int, got: int, status: Status) -> bool:
        asked = self._asked.pop(token, None)
        if asked is None:
            return False
        self._overdue -= asked[1] < self._overdue_before and asked[2] in REQUESTS
        self._decide(asked, got, status)
        return True

    def _decide(self, asked: _Asked, got: int, status: Status) -> None:
        due, sent, kind, which, conn = asked
        group, counts = self._group, self._group.counts
        group.recorder.slot(group.index, self._c, due, sent, got, status, kind, max(0, conn), which)
        good = status is Status.SENT and got != NONE and got - due <= group.latency_limit_ns
        counts.replies += got != NONE
        if kind is Kind.CANARY:
            self.canary_good |= good
        elif kind in REQUESTS and status is not Status.SKIPPED_OBSERVER and sent - due <= group.late_after_ns:
            counts.due += 1
            counts.good += good
            counts.bad += not good
            if got == NONE:
                counts.unanswered += 1
            else:
                counts.latency[bucket_of(got - due)] += 1
        if due >= self._last_due:
            self._last_due = due
            self._last_good = good
