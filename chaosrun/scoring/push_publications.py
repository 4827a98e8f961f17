"""Gathers, after the pass over the pushes, what is known of each numbering, and when its numbers were published."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from chaosrun.records import Head, History
from chaosrun.scoring.intervals import Interval, IntervalSet
from chaosrun.scoring.publication import Instants, Publication
from chaosrun.scoring.push_accounts import Account, Lane
from chaosrun.scoring.push_lanes import POOLED, Lanes


def publications(history: History, g: int, found: Lanes) -> Mapping[Account, Publication]:
    """The publication of every account; a lane that missed a whole epoch is given the account that it owes."""
    book = _Book(history, g, found)
    book.gather()
    for lane in found.lanes:
        book.owe_the_newest(lane)
    book.mark()
    book.time()
    return book.of


class _Book:
    """The numberings of one group, shared by its clients or a client's own."""

    def __init__(self, history: History, g: int, found: Lanes) -> None:
        self._history = history
        self._found = found
        self._limit = history.plan.groups[g].latency_limit_ns
        self._heads = [head for head in history.heads if head.g is None or head.g == g]
        self._heads_of: dict[int | None, list[Head]] = defaultdict(list)
        """By the client that they are true for; None: all."""
        for head in self._heads:
            self._heads_of[head.c].append(head)
        self._shared: dict[tuple[str, str], dict[str | None, Publication]] = defaultdict(dict)
        """By channel and stream, then by epoch."""
        self.of: dict[Account, Publication] = {}
        for lane in found.lanes:
            for account in lane.accounts:
                self._enter(account)

    def _enter(self, account: Account) -> None:
        if account.private:
            self.of[account] = Publication(None)
        else:
            siblings = self._siblings(account.lane)
            self.of[account] = siblings.setdefault(account.epoch, Publication(account.log))

    def _siblings(self, lane: Lane) -> dict[str | None, Publication]:
        return self._shared[lane.channel, lane.stream.name]

    def _accounts(self) -> Iterable[tuple[Publication, list[Account]]]:
        by_publication: dict[Publication, list[Account]] = defaultdict(list)
        for account, publication in self.of.items():
            by_publication[publication].append(account)
        return by_publication.items()

    def gather(self) -> None:
        """What clients received and were told."""
        for publication, accounts in self._accounts():
            seen: list[Interval] = []
            for account in accounts:
                seen += account.seen
                for visit in account.visits:
                    publication.appeared = min(publication.appeared, visit.since)
                    if visit.head is not None:
                        publication.told = max(visit.head, publication.told or visit.head)
            publication.seen = IntervalSet(sorted(seen))

    def owe_the_newest(self, lane: Lane) -> None:
        """A client that was subscribed when an epoch began, and heard nothing since, is owed that epoch."""
        plan = lane.stream
        epochs = {epoch: each for epoch, each in self._siblings(lane).items() if epoch is not None}
        newest = max(epochs, key=lambda epoch: epochs[epoch].appeared, default=None)
        start: int | None = plan.first_seq
        if not lane.accounts:
            start = lane.told_head + 1 if lane.told_head is not None and len(epochs) == 1 else None
        elif newest is None or newest in {account.epoch for account in lane.accounts} or not lane.open_at_end:
            return
        elif lane.accounts[-1].private or lane.fresh_at > epochs[newest].appeared:
            return  # its own epoch went on beside the new one
        private = plan.scope != "channel"
        log = None if private else self._found.logs.get((lane.channel, plan.name, newest))
        lane.accounts.append(Account(lane, newest, start=start, private=private, log=log))
        self._enter(lane.accounts[-1])

    def mark(self) -> None:
        """High-water marks, and which numberings go on to the end."""
        for publication, accounts in self._accounts():
            account = accounts[0]
            publication.alive = any(each.lane.open_at_end and each is each.lane.accounts[-1] for each in accounts)
            if not publication.alive and account.epoch is None:
                continue  # without an epoch a mark is of whatever numbering was the last
            if not account.private:
                publication.marks = [head for head in self._heads if self._is_of(head, account)]
            elif account is account.lane.accounts[-1]:
                heads = self._heads_of[account.lane.client] + self._heads_of[None]
                publication.marks = [head for head in heads if _is_of_client(head, account)]

    def _is_of(self, head: Head, account: Account) -> bool:
        lane = account.lane
        if (head.channel, head.stream) != (lane.channel, lane.stream.name):
            return False
        if head.epoch is not None or account.epoch is None:
            return head.epoch == account.epoch
        # A mark without an epoch is of the newest one.
        newest = max(publication.appeared for publication in self._siblings(lane).values())
        return self.of[account].appeared == newest

    def time(self) -> None:
        """Find out how far each numbering had come when its clients came and went, where anything is missing."""
        for publication, accounts in self._accounts():
            account = accounts[0]
            if account.unnumbered is not None or not any(_lacks(each, publication) for each in accounts):
                continue
            lanes = {id(each.lane): each.lane for each in accounts}.values()
            publication.instants = Instants(t for lane in lanes for t in _instants(lane, self._limit))
            publication.stamped = account.log is not None or account.lane.stream.has_sent_at
            if account.log is not None:
                key = (account.lane.channel, account.lane.stream.name, account.epoch)
                for line in self._history.published:
                    if (line.channel, line.stream, line.epoch) == key:
                        publication.instants.saw(line.t, line.last)
        self._sight()
        for publication, _ in self._accounts():  # each once: it is shared by all accounts of a channel
            publication.instants.settle()

    def _sight(self) -> None:
        """A second pass over the pushes: each is a sighting of its number."""
        watched: list[tuple[Instants, bool] | None] = []
        for visit in self._found.visit_of:
            publication = None if visit is None else self.of[visit.account]
            wanted = publication is not None and publication.instants.asked and publication.log is None
            watched.append((publication.instants, publication.stamped) if publication and wanted else None)
        if not any(watched):
            return
        for at, first, last, sent_at, sid in self._history.pushes:
            watch = watched[sid]
            if watch is None or first < 0:
                continue
            instants, stamped = watch
            if not stamped:
                instants.saw(at, max(first, last))
            elif sent_at is not None:
                instants.saw(sent_at, max(first, last))


def _is_of_client(head: Head, account: Account) -> bool:
    lane = account.lane
    if head.stream != lane.stream.name or head.epoch not in (None, account.epoch):
        return False
    if lane.channel == POOLED:
        return head.c == lane.client
    return head.channel == lane.channel and head.c in (None, lane.client)


def _lacks(account: Account, publication: Publication) -> bool:
    """Whether the account misses anything up to the newest number, so that it matters when that was published."""
    newest = publication.newest
    if newest is None or account.start is None:
        return newest is not None
    return any(account.seen.holes(account.start, newest))


def _instants(lane: Lane, limit: int) -> Iterable[int]:
    for stay in lane.stays:
        yield from (stay.since, stay.since + limit, stay.until, stay.until - limit)
