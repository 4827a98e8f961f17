"""What became of every copy that one client was owed of one numbering: each number in exactly one class.

Where the words of docs/measurement.md leave a choice, this is it:

- A head told at a subscription is a boundary like a receipt: what is missing above it was missed on that connection
  (`lost_connected`), what is missing at or below it while away (`missed_disconnected`), replayed in part or not.
- An epoch that begins while the client listens is owed on that connection from `first_seq`; what is missing at the end
  of the epoch before it, on the same connection, is `lost_connected`.
- A client that never came back owes nothing after its last receipt but what is known to have been published more than
  `L` before the break. One that was connected at the end owes up to the newest high-water mark taken before it closed,
  or what others got by then.
- Of a stream with `order: increasing` only the newest number can be missing at the end; all else is `conflated`.
- `in_flight_at_end`: missing at the end, and known to have been published within `L` of it. Without a time: `tail`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from chaosrun.scoring.intervals import Interval, IntervalSet
from chaosrun.scoring.publication import Publication
from chaosrun.scoring.push_accounts import Account, Stay


@dataclass
class Copies:
    """The copies owed of one account by class, as sets of numbers."""

    owed: IntervalSet = field(default_factory=IntervalSet)
    live: IntervalSet = field(default_factory=IntervalSet)
    """With the replayed ones, where they cannot be told apart."""
    replayed: IntervalSet = field(default_factory=IntervalSet)
    lost_connected: IntervalSet = field(default_factory=IntervalSet)
    missed_disconnected: IntervalSet = field(default_factory=IntervalSet)
    conflated: IntervalSet = field(default_factory=IntervalSet)
    tail: IntervalSet = field(default_factory=IntervalSet)
    in_flight_at_end: IntervalSet = field(default_factory=IntervalSet)
    start_unknown: bool = False
    separated: bool = True
    """Every connection with receipts was told a head, so that live and replayed are apart."""
    clouded: set[tuple[str, str]] = field(default_factory=set)
    """Classes of which the number is only a lower bound, and why."""

    @property
    def lost(self) -> IntervalSet:
        """All that was owed, should have come and did not."""
        return self.lost_connected | self.missed_disconnected | self.tail


@dataclass(frozen=True)
class Frame:
    """What the classes of a group depend on besides the account."""

    limit_ns: int
    """The latency limit L."""
    load_stopped: int


def classify(account: Account, publication: Publication, frame: Frame) -> Copies:
    """Put every number that the account is owed into its class."""
    return _Classifier(account, publication, frame).copies()


class _Classifier:
    def __init__(self, account: Account, publication: Publication, frame: Frame) -> None:
        self.account = account
        self.lane = account.lane
        self.publication = publication
        self.instants = publication.instants
        self.limit = frame.limit_ns
        self.frame = frame
        index = self.lane.accounts.index(account)
        self.next = self.lane.accounts[index + 1] if index + 1 < len(self.lane.accounts) else None
        self.open = self.next is None and self.lane.open_at_end

    def copies(self) -> Copies:
        account = self.account
        if account.unnumbered is not None:
            return Copies(clouded={(c, "messages carry no number") for c in _LOSSES})
        start, unknown = self._start()
        if start is None:
            return Copies(start_unknown=True, clouded=set(self._clouds(None)))
        heads = [visit.head for visit in account.visits if visit.head is not None]
        extent = max([start - 1, account.highest, *heads])
        upto = self._upto(extent)
        owed = IntervalSet([(start, upto)])
        if account.log is not None:
            owed &= account.log
        copies = Copies(owed, start_unknown=unknown, clouded=set(self._clouds(upto)))
        self._received(copies)
        self._missing(copies, owed - account.seen, extent, upto)
        return copies

    def _start(self) -> tuple[int | None, bool]:
        """The first number owed, and whether nothing told it."""
        account = self.account
        if account.start is not None:
            return account.start, account.start_unknown
        told, unknown = account.told_before(self.lane.stays[-1].conn)
        if told is not None:
            return told, unknown
        # Nothing received, no head: what others got since the client came, though it heard of the epoch only later.
        later = account.visits and account is not self.lane.accounts[0]
        return self._first_published_after(account.visits[0].since if later else self.lane.stays[0].since), True

    def _first_published_after(self, t: int) -> int | None:
        if self.publication.stamped:
            first = self.instants.oldest_after(t)
            by = self.instants.newest_by(t)
            return first if first is not None or by is None else by + 1
        by = self.instants.newest_by(t + self.limit)
        return self.publication.seen.first if by is None else by + 1

    def _upto(self, extent: int) -> int:
        """The newest number owed; `extent` is the newest that the client itself got or was told of."""
        publication, until = self.publication, self.lane.until
        known: list[int | None]
        if self.open:
            by_time = self.instants.newest_by(until if publication.stamped else until - self.limit)
            known = [publication.mark(0, until), by_time]
        elif self.next is None or publication.alive or self.account.epoch is None:
            known = [self.instants.newest_by(self._last_stay().until - self.limit)]
        else:
            known = [publication.newest]
        return max([extent, *(number for number in known if number is not None)])

    def _last_stay(self) -> Stay:
        """The last stay in which the account's epoch was heard of."""
        conn = self.account.visits[-1].conn if self.account.visits and self.next else self.lane.stays[-1].conn
        return next(stay for stay in self.lane.stays if stay.conn == conn)

    def _received(self, copies: Copies) -> None:
        for visit in self.account.visits:
            got = visit.fresh & copies.owed
            if visit.head is None:
                copies.separated &= not got
                copies.live |= got
            elif got:
                copies.replayed |= got.within(got.first or 0, visit.head)
                copies.live |= got.within(visit.head + 1, got.last or 0)

    def _missing(self, copies: Copies, missing: IntervalSet, extent: int, upto: int) -> None:
        tail = missing.within(self._tail_from(extent) + 1, upto) if self.open else IntervalSet()
        before = missing - tail
        if self.lane.stream.order == "increasing":
            newest = IntervalSet([(tail.last, tail.last)]) if tail.last is not None else IntervalSet()
            copies.conflated = missing - newest
            tail = newest
        else:
            connected = IntervalSet(sorted(self._connected(extent, upto)))
            copies.lost_connected = before & connected
            copies.missed_disconnected = before - connected
        if self.publication.stamped and tail:
            flying = self.instants.oldest_after(self.lane.until - self.limit)
            if flying is not None:
                copies.in_flight_at_end = tail.within(flying, upto)
        copies.tail = tail - copies.in_flight_at_end

    def _tail_from(self, extent: int) -> int:
        """What is missing above it belongs to the last connection's end."""
        last = self.lane.stays[-1]
        # On its only connection a client can have missed nothing while it was away.
        if self._base(last.conn) is not None or len(self.lane.stays) == 1:
            return extent
        first = self._due_from(last)
        return extent if first is None else max(extent, first - 1)

    def _connected(self, extent: int, upto: int) -> Iterator[Interval]:
        """Ranges of numbers that were due while the client was connected."""
        for visit in self.account.visits:
            if visit.base is not None and visit.highest > visit.base:
                yield visit.base + 1, visit.highest
        for stay in self.lane.stays[:-1] if self.open else self.lane.stays:
            first = self._due_from(stay)
            last = self.instants.newest_by(stay.until - self.limit)
            if first is not None and last is not None and first <= last:
                yield first, last
        if self._ended_on_its_connection() and upto > extent:
            yield extent + 1, upto

    def _ended_on_its_connection(self) -> bool:
        """The next epoch began while the client listened to this one."""
        if self.next is None or not self.next.visits or not self.account.visits:
            return False
        return self.next.visits[0].conn == self.account.visits[-1].conn

    def _due_from(self, stay: Stay) -> int | None:
        """The first number that was due on the connection; None: not known."""
        base = self._base(stay.conn)
        if base is not None:
            return base + 1
        if self.publication.stamped:
            return self.instants.oldest_after(stay.since)
        by = self.instants.newest_by(stay.since + self.limit)
        return None if by is None else by + 1

    def _base(self, conn: int) -> int | None:
        return next((visit.base for visit in self.account.visits if visit.conn == conn), None)

    def _clouds(self, upto: int | None) -> Iterator[tuple[str, str]]:
        publication, lane = self.publication, self.lane
        if self.open and publication.log is None:
            told = publication.mark(self.frame.load_stopped - self.limit, lane.until)
            late = publication.mark(lane.until, _EVER)
            if told is None and (late is None or upto is None or late > upto):
                yield "tail", f"the end of {lane.channel} is unknown: no high-water mark"
        epoch = self.account.epoch
        if self.next is not None and epoch is not None and not self.account.private and publication.log is None:
            where = "lost_connected" if self._ended_on_its_connection() else "missed_disconnected"
            yield where, f"the end of epoch {epoch} of {lane.channel} is unknown: no log"
        if any(visit.repeated for visit in self.account.visits):
            for name in (*_LOSSES, "duplicates", "unexpected"):
                yield name, "numbers that came again on one connection may be a numbering begun anew, without an epoch"


_LOSSES = ("lost_connected", "missed_disconnected", "tail")
_EVER = (1 << 63) - 1
