"""Pushed messages that no subscriber got, published across the break of their feed: the service never had them, or had
them before it could send."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from chaosrun.scoring.evidence import GroupEvidence
from chaosrun.scoring.findings._rule import Seen
from chaosrun.scoring.intervals import IntervalSet
from chaosrun.scoring.publication import Publication
from chaosrun.scoring.recovery import Episode

_Key = tuple[str, str, str | None]
"""Stream, channel, epoch."""


@dataclass(frozen=True, kw_only=True)
class Upstream:
    numbers: int = 0
    by_client: Counter[int] = field(default_factory=Counter)
    """Copies, of each client."""

    @property
    def copies(self) -> int:
        return self.by_client.total()


def lost_upstream(seen: Seen, group: GroupEvidence) -> Upstream:
    """Of the copies lost on open connections those that the fault's break explains.

    A number counts if none of at least two subscribers got it, and if it was published across a fault: some client's
    last receipt before it lies before the recovery, and no client's first receipt after it lies before the fault. Where
    it is the first of its numbering, the numbering has to have begun after the fault.
    """
    lost: dict[_Key, list[tuple[int, IntervalSet]]] = defaultdict(list)
    owed: dict[_Key, int] = defaultdict(int)
    published: dict[_Key, Publication] = {}
    for score in group.pushes.accounts if group.pushes else ():
        key = score.stream, score.channel, score.epoch
        if score.account.private:
            continue
        owed[key] += 1
        published[key] = score.publication
        nobody = score.copies.lost_connected - score.publication.seen
        if nobody:
            lost[key].append((score.client, nobody))
    gaps = {key: _Gaps(published[key]) for key in lost if owed[key] > 1}
    _time(seen, group.g, gaps)
    numbers, by_client = 0, Counter[int]()
    for key, gap in gaps.items():
        everybody = IntervalSet()
        for client, missing in lost[key]:
            # What nobody got lies between two stretches that somebody did: all of an interval, or nothing of it.
            across = [(a, b) for a, b in missing if any(gap.is_across(a, episode) for episode in seen.episodes)]
            by_client[client] += sum(b - a + 1 for a, b in across)
            everybody |= IntervalSet(across)
        numbers += len(everybody)
    return Upstream(numbers=numbers, by_client=+by_client)


class _Gaps:
    """The numbers of one numbering that nobody got, and the receipts on both sides of each stretch of them."""

    def __init__(self, publication: Publication) -> None:
        self._appeared = publication.appeared
        self._got = list(publication.seen)
        """Ascending stretches of numbers that somebody got."""
        self.edges = {number for stretch in self._got for number in stretch}
        self.first: dict[int, int] = {}
        """By number, its first receipt by anybody."""

    def is_across(self, number: int, episode: Episode) -> bool:
        i = bisect_left(self._got, (number,))
        if i == len(self._got):
            return False  # the end of a numbering: nothing came after it to tell when
        after = self.first.get(self._got[i][0])
        before = self._appeared if i == 0 else self.first.get(self._got[i - 1][1])
        if after is None or before is None:
            return False
        if i == 0 and before < episode.fault_start:
            return False
        until = episode.end if episode.recovered is None else max(episode.recovered, episode.reference or 0)
        return before <= until and after >= episode.fault_start


def _time(seen: Seen, g: int, gaps: dict[_Key, _Gaps]) -> None:
    """One pass over the pushes, where there is something to look for."""
    if not gaps:
        return
    streams = [
        gaps.get((line.stream, line.channel, line.epoch)) if line.g == g else None for line in seen.history.streams
    ]
    for push in seen.history.pushes:
        gap = streams[push.sid]
        if gap is not None:
            for number in {push.first, push.last} & gap.edges:
                gap.first.setdefault(number, push.at)
