"""The ledger of pushed messages: which copies a server owed each client, and what became of every one.

Copies are counted per (client, channel, epoch) and summed. For every history, with `None` counted as 0:

    owed     = live + replayed + lost_connected + missed_disconnected + conflated + tail + in_flight_at_end
    received = live + replayed + duplicates + unexpected
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chaosrun.records import History, Push
from chaosrun.scoring.intervals import IntervalSet
from chaosrun.scoring.publication import SOURCES, Publication, PushSource
from chaosrun.scoring.push_accounts import Account, Lane, Visit, settle_all
from chaosrun.scoring.push_classes import Copies, Frame, classify
from chaosrun.scoring.push_lanes import find_lanes
from chaosrun.scoring.push_publications import publications
from chaosrun.scoring.staleness import Stale, Staleness, Watch, judge, watches

__all__ = ["PushLedger", "PushScore", "PushSource", "Stale", "count_pushes"]


@dataclass(frozen=True, kw_only=True)
class PushLedger:
    """`messages.push` of result.json, of a group or of one stream of it. Copies are counted, not messages."""

    source: PushSource | None = None
    """How it is known what was published, of the channel where least is known; None: nothing was subscribed to."""
    accountable: bool = False
    """Every class is known exactly, so that "no loss" may be claimed."""
    why: str = ""
    """What is not known, in words; empty if accountable."""
    clouded: frozenset[str] = frozenset()
    """Loss classes of which the number is only a lower bound: such a number can fail a limit but never pass it. Of
    `duplicates` and `unexpected`, where they stand here, the number is no bound at all."""
    published: int | None = None
    """Numbers, over channels and epochs, that at least one client was owed."""
    owed: int = 0
    received: int = 0
    live: int = 0
    """With the replayed ones where `replayed` is None."""
    replayed: int | None = 0
    """None: a connection that received was not told a head, so that live and replayed cannot be told apart."""
    lost_connected: int = 0
    missed_disconnected: int = 0
    conflated: int = 0
    tail: int | None = 0
    """None: none that is known, and some channel's end is not known."""
    in_flight_at_end: int = 0
    lost: int = 0
    """lost_connected + tail, and missed_disconnected where the protocol promises to resume."""
    unaccountable: int = 0
    """Reconnects of a (client, channel) across which nothing tells what was missed, connections on which numbers came
    again without an epoch, and subscriptions without numbers."""
    start_unknown: int = 0
    """Accounts for which nothing but the first receipt tells where owed begins."""
    duplicates: int = 0
    reordered: int = 0
    unexpected: int = 0
    clients_with_loss: int = 0
    """Clients with anything in lost_connected, missed_disconnected or tail."""
    lost_everywhere: int | None = None
    """Numbers in one of these classes that no client of the group received."""
    stale_client_seconds: float | None = None
    """Seconds that clients were stale in any channel, summed over clients; None: no channel is judged."""

    @property
    def balanced(self) -> bool:
        """Both equations hold."""
        delivered = self.live + (self.replayed or 0)
        lost = self.lost_connected + self.missed_disconnected + self.conflated + (self.tail or 0)
        return (
            self.owed == delivered + lost + self.in_flight_at_end
            and self.received == delivered + self.duplicates + self.unexpected
        )


@dataclass(frozen=True)
class AccountScore:
    """One client's copies of one epoch of a channel, with the sets of numbers by class."""

    client: int
    channel: str
    stream: str
    epoch: str | None
    copies: Copies
    account: Account
    publication: Publication


@dataclass(frozen=True, kw_only=True)
class PushScore:
    """Everything about the pushed messages of a group."""

    ledger: PushLedger
    by_stream: dict[str, PushLedger]
    stale: tuple[Stale, ...]
    """In order of their beginning."""
    stale_after_ns: dict[str, int]
    """By judged channel (`stream/channel` where the group has several streams)."""
    longest_baseline_gap_ns: int | None
    unjudged: tuple[str, ...]
    """Channels with too few messages in the baseline to judge staleness."""
    accounts: tuple[AccountScore, ...]

    def missing(self, client: int, channel: str, epoch: str | None) -> Copies:
        """The sets of numbers by class of one (client, channel, epoch).

        Of several accounts (a numbering that started anew without an epoch), the last. Raises KeyError for none.
        """
        for score in reversed(self.accounts):
            if (score.client, score.channel, score.epoch) == (client, channel, epoch):
                return score.copies
        raise KeyError((client, channel, epoch))


def count_pushes(history: History, g: int, baseline: tuple[int, int]) -> PushScore:
    """Score the pushes of group `g`; `baseline` is `[start, end)` in ns, for the cadence of each channel.

    `history.pushes` is gone through twice at most.
    """
    found = find_lanes(history, g)
    watched, watch_of = watches(history, g)
    _receive(history.pushes, found.visit_of, watch_of, baseline)
    settle_all(found.lanes)
    for visit, watch in zip(found.visit_of, watch_of, strict=True):
        if visit is not None and watch is not None and visit.arrived:
            visit.account.lane.fresh_at = max(visit.account.lane.fresh_at, watch.at)
    published = publications(history, g, found)
    frame = Frame(history.plan.groups[g].latency_limit_ns, history.load_stopped)
    scores = tuple(
        AccountScore(
            lane.client,
            lane.channel,
            lane.stream.name,
            account.epoch,
            classify(account, published[account], frame),
            account,
            published[account],
        )
        for lane in found.lanes
        for account in lane.accounts
    )
    staleness = judge(watched)
    streams = sorted({lane.stream.name for lane in found.lanes} | {s.name for s in history.plan.groups[g].streams})
    return PushScore(
        ledger=_ledger(scores, found.lanes, staleness),
        by_stream={
            name: _ledger(
                [score for score in scores if score.stream == name],
                [lane for lane in found.lanes if lane.stream.name == name],
                staleness,
                name,
            )
            for name in streams
        },
        stale=staleness.stale,
        stale_after_ns=staleness.after_ns,
        longest_baseline_gap_ns=staleness.longest_baseline_gap_ns,
        unjudged=staleness.unjudged,
        accounts=scores,
    )


def _receive(
    pushes: Iterable[Push],
    visit_of: Sequence[Visit | None],
    watch_of: Sequence[Watch | None],
    baseline: tuple[int, int],
) -> None:
    """The pass over all pushes; a message in order costs a comparison."""
    start, end = baseline
    for at, first, last, _, sid in pushes:
        visit = visit_of[sid]
        if visit is None:
            continue
        if first == visit.next and first <= last < visit.stop:
            visit.next = last + 1
        elif not visit.take(first, last):
            continue
        watch = watch_of[sid]
        assert watch is not None
        gap = at - watch.at
        if gap > watch.alert:
            watch.silence(at)
        if start <= at < end:
            watch.heard(gap)
        if gap > 0:
            watch.at = at


def _ledger(
    scores: Sequence[AccountScore], lanes: Sequence[Lane], staleness: Staleness, stream: str | None = None
) -> PushLedger:
    if not lanes:
        return PushLedger(why="nothing was subscribed to")
    total: dict[str, int] = defaultdict(int)
    for score in scores:
        _add(total, score)
    numbered = [score for score in scores if score.account.unnumbered is None]
    clouds = {cloud for score in scores for cloud in score.copies.clouded}
    unaccountable = sum(lane.unaccountable for lane in lanes) + sum(lane.stream.order == "none" for lane in lanes)
    if any(lane.unaccountable for lane in lanes):
        clouds.add(("missed_disconnected", "reconnects where the numbering may have started anew, without an epoch"))
    clouded = frozenset(name for name, _ in clouds)
    source = _source(scores)
    why = sorted({reason for _, reason in clouds})
    if source == "lower_bound" and not why:
        why.append("what was published is only known as a lower bound")
    everywhere, published = _over_clients(numbered)
    replayed = total["replayed"] if all(score.copies.separated for score in scores) else None
    tail = total["tail"]
    return PushLedger(
        source=source,
        accountable=not why,
        why="; ".join(why),
        clouded=clouded,
        published=published if numbered else None,
        owed=total["owed"],
        received=total["live"] + total["replayed"] + total["duplicates"] + total["unexpected"],
        live=total["live"] + (total["replayed"] if replayed is None else 0),
        replayed=replayed,
        lost_connected=total["lost_connected"],
        missed_disconnected=total["missed_disconnected"],
        conflated=total["conflated"],
        tail=None if not tail and "tail" in clouded else tail,
        in_flight_at_end=total["in_flight_at_end"],
        lost=total["lost"],
        unaccountable=unaccountable,
        start_unknown=sum(score.copies.start_unknown for score in scores),
        duplicates=total["duplicates"],
        reordered=total["reordered"],
        unexpected=total["unexpected"],
        clients_with_loss=len({score.client for score in scores if score.copies.lost}),
        lost_everywhere=everywhere if numbered else None,
        stale_client_seconds=staleness.client_seconds(
            {lane.stream.name for lane in lanes} if stream is None else {stream}
        ),
    )


_CLASSES = (
    "owed",
    "live",
    "replayed",
    "lost_connected",
    "missed_disconnected",
    "conflated",
    "tail",
    "in_flight_at_end",
)


def _add(total: dict[str, int], score: AccountScore) -> None:
    account, copies = score.account, score.copies
    for name in _CLASSES:
        total[name] += len(getattr(copies, name))
    total["lost"] += len(copies.lost_connected) + len(copies.tail)
    if account.lane.stream.resumes:
        total["lost"] += len(copies.missed_disconnected)
    # Without numbers a message is taken for what it seems: owed once and received once.
    total["owed"] += account.unnumbered or 0
    total["live"] += account.unnumbered or 0
    total["duplicates"] += account.duplicates
    total["reordered"] += account.reordered
    total["unexpected"] += account.unexpected


def _source(scores: Sequence[AccountScore]) -> PushSource | None:
    """That of the numbering of which least is known."""
    found = ["lower_bound" if score.account.unnumbered is not None else score.publication.source for score in scores]
    return max(found, key=SOURCES.index, default=None)


def _over_clients(scores: Sequence[AccountScore]) -> tuple[int, int]:
    """Numbers that nobody got though some client should have, and numbers that some client was owed."""
    together: dict[int, list[AccountScore]] = defaultdict(list)
    for score in scores:
        together[id(score.publication)].append(score)
    nobody = published = 0
    for group in together.values():
        lost = IntervalSet(sorted(part for score in group for part in score.copies.lost))
        nobody += len(lost - group[0].publication.seen)
        published += len(IntervalSet(sorted(part for score in group for part in score.copies.owed)))
    return nobody, published
