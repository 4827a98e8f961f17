"""What one client received of one numbering: the state that the pass over the pushes keeps.

A `Lane` is a client's subscription to a channel over the whole run, or until its plan has it take leave; a `Stay` its
time on one connection, an `Account` the copies of one epoch, and a `Visit` an account on one connection. In-order
messages cost a comparison; memory goes by gaps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from chaosrun.plan import StreamPlan
from chaosrun.records import NONE
from chaosrun.scoring.intervals import Interval, IntervalSet

_NEVER = -(1 << 63)
"""A next number that no message has."""

_EVER = (1 << 63) - 1
"""Above all numbers."""


@dataclass(frozen=True, slots=True)
class Stay:
    """The client was subscribed on this connection during `[since, until)`."""

    conn: int
    since: int
    until: int


class Visit:
    """The receipts of one account on one connection."""

    __slots__ = ("account", "again", "arrived", "below", "conn", "fresh", "head", "highest", "lowest", "next",
                 "repeated", "run", "since", "stop")  # fmt: skip

    def __init__(self, account: Account, conn: int, since: int, head: int | None) -> None:
        self.account = account
        self.conn = conn
        self.since = since
        self.head = head
        """The newest number published before the subscription; None: not told."""
        self.fresh = IntervalSet()
        """First receipts that came on this connection."""
        self.lowest: int | None = None
        """The first receipt here that was above all before it on any connection."""
        self.highest = NONE
        self.arrived = False
        self.again = _NEVER
        """The number received last, if it had come before or is older than all that is owed."""
        self.below: tuple[int, ...] = ()
        """The last numbers received, at most three and each unlike the one before, as long as all are late."""
        self.repeated = False
        """Without an epoch, numbers in a row came a second time, or go on below others: a replay, or a numbering that
        began anew."""
        self.next = _NEVER
        """The number that is new and in order, while this connection has the account's highest."""
        self.run = _NEVER
        """`run..next-1` came in order and are not yet in the sets."""
        self.stop = _NEVER
        """The first number that is not owed though it would be in order."""

    @property
    def base(self) -> int | None:
        """Everything above it that was published up to the last receipt was due on this connection."""
        if self.head is not None:
            return self.head
        return None if self.lowest is None else self.lowest - 1

    def take(self, first: int, last: int) -> bool:
        """Count a message with the numbers `first..last`; whether it brought anything new that is not a replay."""
        account = self.account
        account.settle()
        if account.unnumbered is not None:
            account.unnumbered += 1
            return True
        if first < 0:
            account.unexpected += 1  # a message without a number where there should be one
            return False
        last = max(first, last)
        if not self.arrived:
            published = first if account.log is None else account.log.within(first, last).first
            if published is None:
                account.unexpected += last - first + 1
                account.unlogged += last - first + 1
                return False
            account.greet(self, published)
            account = self.account
            self.arrived = True
        if account.numbered_by_none:
            self._compare(first, last)
        fresh = False
        for part in account.owed_of(first, last):
            fresh = self._take(*part) or fresh
        return fresh

    def _take(self, first: int, last: int) -> bool:
        """Count `first..last`, all of them owed."""
        account = self.account
        new = account.receive(first, last)
        for part in new:
            self._first_receipt(*part)
        self.highest = max(self.highest, last)
        if last > account.highest:
            self.lowest = max(first, account.highest + 1) if self.lowest is None else self.lowest
            account.highest = last
        replayed_up_to = NONE if self.head is None else self.head
        if last == account.highest and last == self.highest and last >= replayed_up_to:
            account.tip = self
            self.run = self.next = last + 1
            self.stop = account.unpublished_after(last)
        return bool(new) and new[-1][1] > replayed_up_to

    def _compare(self, first: int, last: int) -> None:
        """Without an epoch: two numbers in a row that came before, or are older than all owed, may be of a second
        numbering.

        Not where they may be replayed: from a head on until something newer came, and on other connections where that
        is promised.
        """
        account = self.account
        before = account.seen if self.head is None and not account.lane.stream.resumes else self.fresh
        live = self.head is None or self.highest > self.head
        old = account.start is not None and last < account.start and (live or self is not account.visits[0])
        known = old or (live and not any(before.holes(first, last)))
        late = (
            live and last < self.highest and not (account.lane.stream.resumes and any(account.seen.holes(first, last)))
        )
        goes_on_below = self._goes_on_below(first, late=old or late)
        if ((known and first == self.again + 1) or goes_on_below) and not self.repeated:
            self.repeated = True
            account.lane.unaccountable += 1
        self.again = last if known else _NEVER

    def _goes_on_below(self, first: int, *, late: bool) -> bool:
        """Three different numbers in a row that are late, and they rise.

        Late is what is below the newest of this connection, or older than all that is owed. Late numbers of the same
        numbering are soon passed by newer ones, a second numbering goes on below. Where replays are promised, what they
        may bring tells nothing.
        """
        if not late:
            self.below = ()
        elif self.below[-1:] != (first,):
            self.below = (*self.below[-2:], first)
        return len(self.below) == 3 and self.below[0] < self.below[-1]

    def _first_receipt(self, first: int, last: int) -> None:
        self.fresh.add(first, last)
        if first < self.highest:
            above_replays = first if self.head is None else max(first, self.head + 1)
            self.account.reordered += max(0, min(last, self.highest - 1) - above_replays + 1)

    def settle(self) -> None:
        """Put the numbers that came in order into the sets."""
        if self.next > self.run:
            last = self.next - 1
            self.lowest = self.run if self.lowest is None else self.lowest
            self.account.seen.add(self.run, last)
            self.fresh.add(self.run, last)
            self.account.highest = self.highest = last
            self.again = _NEVER
            self.below = ()
        self.next = self.run = _NEVER


class Account:
    """The copies of one epoch that one lane is owed, as far as receipts tell."""

    __slots__ = (
        "duplicates",
        "epoch",
        "highest",
        "lane",
        "log",
        "private",
        "reordered",
        "seen",
        "start",
        "start_unknown",
        "tip",
        "unexpected",
        "unlogged",
        "unnumbered",
        "visits",
    )

    def __init__(
        self, lane: Lane, epoch: str | None, *, start: int | None, private: bool, log: IntervalSet | None
    ) -> None:
        self.lane = lane
        self.epoch = epoch
        self.start = start
        """The first number owed; None: not known before the first receipt."""
        self.private = private
        """The numbers mean nothing to other clients, or are not known to."""
        self.log = log
        """What the server says it published; None: it does not say."""
        self.visits: list[Visit] = []
        """By connection."""
        self.seen = IntervalSet()
        self.highest = NONE if start is None else start - 1
        self.tip: Visit | None = None
        self.start_unknown = False
        self.duplicates = 0
        self.unexpected = 0
        self.unlogged = 0
        """Of the unexpected receipts those that would have been owed, had the server's log had their numbers."""
        self.reordered = 0
        self.unnumbered: int | None = 0 if lane.stream.order == "none" else None
        """Messages of a stream without numbers; None in a stream with."""

    def settle(self) -> None:
        """Bring the sets up to date."""
        if self.tip is not None:
            self.tip.settle()
            self.tip = None

    @property
    def numbered_by_none(self) -> bool:
        """Neither the messages nor the protocol tell numberings apart."""
        return self.epoch is None and not self.lane.stream.has_epoch and self.unnumbered is None

    def greet(self, visit: Visit, first: int) -> None:
        """The first message of a visit, with the number `first`."""
        self.heed_heads()
        account = visit.account
        if account.begins_again(visit, first):
            account.split_before(visit)
        visit.account.open_at(visit.conn, first)

    def heed_heads(self) -> None:
        """Without an epoch, a head below what was received or told before tells that the numbering started anew."""
        if not self.numbered_by_none:
            return
        known = self.highest if self.seen else NONE
        last = max((index for index, visit in enumerate(self.visits) if visit.arrived), default=-1)
        for index, visit in enumerate(self.visits):
            if visit.head is None:
                continue
            if index > last and visit.head < known:
                self.split_before(visit)
                visit.account.heed_heads()
                return
            known = max(known, visit.head)

    def open_at(self, conn: int, first: int) -> None:
        """Settle where owed begins when the first receipt is `first`, on connection `conn`."""
        if self.start is None:
            self.start, self.start_unknown = self.told_before(conn)
            if self.start is None:
                self.start = first
            self.highest = self.start - 1

    def told_before(self, conn: int) -> tuple[int | None, bool]:
        """The first number after the head that was told first, on a connection up to `conn`, and whether owed may have
        begun before it: no head was told when the client first came."""
        told = next((v for v in self.visits if v.conn <= conn and v.head is not None), None)
        if told is None or told.head is None:
            return None, True
        came = self.lane.stays[0].conn if self is self.lane.accounts[0] else self.visits[0].conn
        return told.head + 1, told.conn > came

    def receive(self, first: int, last: int) -> tuple[Interval, ...]:
        """Count receipts of what is owed; which of them are first ones."""
        new = self.seen.add(first, last)
        self.duplicates += last - first + 1 - sum(b - a + 1 for a, b in new)
        return new

    def owed_of(self, first: int, last: int) -> list[Interval]:
        """What is owed of the receipts `first..last`; the rest is counted as unexpected."""
        assert self.start is not None
        owed = [(max(first, self.start), last)] if last >= self.start else []
        if self.log is not None:
            received = sum(b - a + 1 for a, b in owed)
            owed = [part for a, b in owed for part in self.log.within(a, b)]
            self.unlogged += received - sum(b - a + 1 for a, b in owed)
        self.unexpected += last - first + 1 - sum(b - a + 1 for a, b in owed)
        return owed

    def unpublished_after(self, number: int) -> int:
        """The first number after `number` that the log does not have."""
        return _EVER if self.log is None else next(self.log.holes(number + 1, _EVER))[0]

    def begins_again(self, visit: Visit, first: int) -> bool:
        """Without epoch and head, a connection that begins with the first number of all, or with one older than all
        that is owed, tells that the numbering started anew, unless replays are promised.

        Whether it is number 1 alone that came twice makes no difference: nothing tells a replay of it from a new one.
        """
        stream = self.lane.stream
        if not self.seen or not self.numbered_by_none or visit is self.visits[0] or visit.head is not None:
            return False
        begins = first == stream.first_seq or (self.start is not None and first < self.start)
        return not stream.resumes and begins and first <= self.highest

    def split_before(self, visit: Visit) -> None:
        """Give this visit, and later ones that received nothing yet, an account of their own."""
        cut = self.visits.index(visit)
        moved = [v for v in self.visits[cut:] if not v.arrived]
        fresh = Account(self.lane, self.epoch, start=None, private=True, log=None)
        for each in moved:
            each.account = fresh
            self.visits.remove(each)
        fresh.visits = moved
        self.lane.accounts.insert(self.lane.accounts.index(self) + 1, fresh)
        self.lane.unaccountable += 1


@dataclass(slots=True, eq=False)
class Lane:
    """A client's subscription to a channel (or, where numbers are per client or connection, to all of them)."""

    client: int
    channel: str
    stream: StreamPlan
    stays: list[Stay] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    """In the order in which they began."""
    open_at_end: bool = False
    fresh_at: int = NONE
    """When the newest message, or the newest subscription that named an epoch, came."""
    told_head: int | None = None
    """A head that was told without an epoch, before anything was received."""
    unaccountable: int = 0
    """Reconnects across which nothing tells what was missed, and connections on which numbers came again."""

    @property
    def until(self) -> int:
        """The end of the last stay."""
        return self.stays[-1].until


def settle_all(lanes: Iterable[Lane]) -> None:
    """Bring the sets of all accounts up to date; the pass is over."""
    for lane in lanes:
        for account in tuple(lane.accounts):
            account.settle()
            account.heed_heads()
