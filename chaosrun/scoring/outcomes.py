"""What became of every due request of a group: its class in the ledger, good or bad, and how long its user waited.

A slot is judged once, here; the ledger, the histograms, sessions, usability and tolerance all read these outcomes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from chaosrun.plan import GroupPlan
from chaosrun.records import NONE, Closed, History, Kind, Slot, Status
from chaosrun.scoring.node_clocks import clock_bound
from chaosrun.scoring.pacing import late_after


class Fate(StrEnum):
    """The classes of docs/measurement.md, section 3; every slot is in exactly one."""

    SKIPPED_DISCONNECTED = "skipped_disconnected"
    SKIPPED_OBSERVER = "skipped_observer"
    REPLIED_IN_TIME = "replied_in_time"
    REPLIED_LATE = "replied_late"
    REPLIED_ERROR = "replied_error"
    LOST_CONNECTED = "lost_connected"
    LOST_AT_BREAK = "lost_at_break"
    IN_FLIGHT = "in_flight_at_end"


class Outcome(NamedTuple):
    """One slot, canary or sentinel, judged. Times in ns of run time."""

    due: int
    client: int
    kind: Kind
    conn: int
    request: int
    sent: int
    """NONE: never sent."""
    got: int
    """Receipt of its own reply, valid or not; NONE: none."""
    fate: Fate
    good: bool | None
    """None: not an observation, either by the observer's fault or because the run ended before its limit did."""
    late_observer: bool
    counts_at: int
    """The window that it counts in is the one with this instant: its due time, but a bad slot due before a fault and
    undecided when it struck, as far as the clocks can tell, belongs to the fault."""
    wait: int | None
    """Corrected response of a good slot, user wait of a bad one; None: censored, or not an observation."""

    @property
    def valid(self) -> bool:
        """Its own valid reply arrived, however late."""
        return self.got != NONE and self.fate is not Fate.REPLIED_ERROR

    @property
    def censored(self) -> bool:
        """Bad, and its user was still waiting when the run ended."""
        return self.good is False and self.wait is None


def judge(history: History, g: int) -> tuple[Outcome, ...]:
    """Every row of group `g`, in order of due time (then client), judged at the end of the run."""
    group = history.plan.groups[g]
    ends = {
        (closed.c, closed.conn): closed.passed_until
        for closed in history.closed
        if closed.g == g and _breaks(closed, history)
    }
    faults, clocks = sorted(call.t for call in history.called), clock_bound(history) or 0
    rows = sorted(row for row in history.slots if row.group == g)
    judged = [
        _judged(row, group, ends.get((row.client, row.conn), history.end), history.end, faults, clocks) for row in rows
    ]
    judged.sort(key=lambda outcome: (outcome.due, outcome.client, outcome.kind))
    return tuple(_with_user_waits(judged))


def _breaks(closed: Closed, history: History) -> bool:
    """Our own close after the load is the end of the run for what is still in flight, not a break."""
    return closed.cause != "ours" or closed.t < history.load_stopped


def _judged(row: Slot, group: GroupPlan, conn_end: int, end: int, faults: Sequence[int], clocks: int) -> Outcome:
    fate = _fate(row, group, conn_end, end)
    # A canary is due when it is sent: it cannot be late.
    late = row.sent != NONE and row.kind is not Kind.CANARY and row.sent - row.due > late_after(group)
    good = None if late or fate is Fate.SKIPPED_OBSERVER else _good(row, fate, group.latency_limit_ns, conn_end, end)
    return Outcome(
        due=row.due,
        client=row.client,
        kind=Kind(row.kind),
        conn=row.conn,
        request=row.request,
        sent=row.sent,
        got=row.got,
        fate=fate,
        good=good,
        late_observer=late,
        counts_at=row.due if good is not False else _counts_at(row, group.latency_limit_ns, faults, clocks),
        wait=row.got - row.due if good is not None and row.got != NONE and row.status == Status.SENT else None,
    )


def _fate(row: Slot, group: GroupPlan, conn_end: int, end: int) -> Fate:
    """The class of a row. A reply later than G, valid or not, counts as none; it still ends its user's wait."""
    if row.sent == NONE:
        return Fate.SKIPPED_OBSERVER if row.status == Status.SKIPPED_OBSERVER else Fate.SKIPPED_DISCONNECTED
    given_up = row.due + group.reply_timeout_ns
    if row.got != NONE and row.got <= given_up:
        if row.status == Status.ERROR:
            return Fate.REPLIED_ERROR
        return Fate.REPLIED_IN_TIME if row.got <= row.due + group.latency_limit_ns else Fate.REPLIED_LATE
    # An error without a receipt is an exchange that broke or was refused (HTTP has no standing connection to end).
    if row.got == NONE and (row.status == Status.ERROR or conn_end < min(given_up, end)):
        return Fate.LOST_AT_BREAK
    return Fate.IN_FLIGHT if end < given_up else Fate.LOST_CONNECTED


def _good(row: Slot, fate: Fate, limit: int, conn_end: int, end: int) -> bool | None:
    if fate is Fate.REPLIED_IN_TIME:
        return True
    undecided = fate is Fate.IN_FLIGHT and end <= row.due + limit and conn_end >= end
    return None if undecided else False


def _counts_at(row: Slot, limit: int, faults: Sequence[int], clocks: int) -> int:
    """`clocks`: how far (ns) those of client and engine may differ, so that it was perhaps decided so much later."""
    decided = row.due  # a skipped slot is bad at once
    if row.sent != NONE:
        decided = row.due + limit if row.got == NONE else min(row.due + limit, row.got)
    i = bisect_right(faults, row.due)
    return faults[i] if i < len(faults) and faults[i] < decided + clocks else row.due


def _with_user_waits(outcomes: Iterable[Outcome]) -> Iterable[Outcome]:
    """Bad slots without a reply of their own wait for the client's first good reply to something due after them."""
    outcomes = list(outcomes)
    waits = _NextGood(outcomes)
    for outcome in outcomes:
        if outcome.good is False and outcome.wait is None:
            answered = waits.after(outcome.client, outcome.due)
            yield outcome if answered is None else outcome._replace(wait=answered - outcome.due)
        else:
            yield outcome


class _NextGood:
    """Per client, the earliest receipt among the good slots and canaries due after an instant."""

    def __init__(self, outcomes: Iterable[Outcome]) -> None:
        """`outcomes` in order of due time."""
        self._dues: defaultdict[int, list[int]] = defaultdict(list)
        self._first: defaultdict[int, list[int]] = defaultdict(list)
        for outcome in outcomes:
            if outcome.good:
                self._dues[outcome.client].append(outcome.due)
                self._first[outcome.client].append(outcome.got)
        for receipts in self._first.values():
            for i in range(len(receipts) - 2, -1, -1):
                receipts[i] = min(receipts[i], receipts[i + 1])

    def after(self, client: int, due: int) -> int | None:
        dues = self._dues.get(client, [])
        i = bisect_right(dues, due)
        return self._first[client][i] if i < len(dues) else None
