"""When the numbers of a stream were published, as far as the server's log, or what clients received, tells.

Numbers rise with time of publication, so a number was out when the first of it and all above it came to anybody. Only
that is kept: for each bin of time the highest number by its end. One pass over the pushes, of three comparisons a
message, is all it takes, and memory goes by bins, not by messages.

Of numbers that came to nobody as they were published all that is known is what came before and what came after them:
between the two they are spread evenly. What lacks either neighbour has no place in time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence

from chaosrun.charts.bins import Bins
from chaosrun.plan import StreamPlan
from chaosrun.records import History, Stream
from chaosrun.scoring.evidence import GroupEvidence
from chaosrun.scoring.intervals import IntervalSet
from chaosrun.scoring.push_lanes import POOLED
from chaosrun.scoring.pushes import AccountScore

_NOTHING = -(1 << 63)


class Course:
    """How far one numbering had come by the end of each bin."""

    def __init__(self, bins: Bins, accounts: Sequence[AccountScore]) -> None:
        self.accounts = accounts
        """Of all clients that share it."""
        self.newest = [_NOTHING] * bins.count
        """The highest number that was seen in each bin; after `settle`, by its end."""
        self._first: int | None = None
        self._last = _NOTHING

    @property
    def shared(self) -> bool:
        """Its numbers mean the same to all clients."""
        return not self.accounts[0].account.private

    def settle(self, logged: IntervalSet | None) -> None:
        """All has been seen.

        Args:
            logged: the numbers of which the server's log tells the instant; None: it was read from receipts.
        """
        newest = self.newest
        for i in range(1, len(newest)):
            newest[i] = max(newest[i], newest[i - 1])
        heard = logged or IntervalSet(sorted(part for each in self.accounts for part in each.copies.live))
        if heard.first is None or heard.last is None:
            return
        self._first, self._last = heard.first, heard.last
        for first, last in heard.holes(heard.first, heard.last):
            self._spread(first, last)

    def _spread(self, first: int, last: int) -> None:
        """Place `first..last` evenly from the bin of the number before them to that of the one after.

        Or to the bin by the end of which the last of them had come to somebody, if only as a replay.
        """
        newest = self.newest
        begin, end = bisect_left(newest, first - 1), bisect_left(newest, last)
        for i in range(begin, end):
            newest[i] = first - 1 + (last - first + 1) * (i - begin + 1) // (end - begin + 1)

    def place(self, first: int, last: int, copies: int, counts: list[int]) -> int:
        """Count `copies` of each number `first..last` in its bin; how many have no place."""
        if self._first is None:
            return (last - first + 1) * copies
        at, end = max(first, self._first), min(last, self._last)
        outside = last - first + 1 - max(0, end - at + 1)
        i = bisect_left(self.newest, at)
        while at <= end:
            upto = min(end, self.newest[i])
            counts[i] += (upto - at + 1) * copies
            at = upto + 1
            i += 1
        return outside * copies

    def numbers(self) -> Iterator[tuple[int, int] | None]:
        """The first and the last number of each bin."""
        if self._first is None:
            yield from (None for _ in self.newest)
            return
        before = self._first - 1
        for upto in self.newest:
            now = max(before, min(upto, self._last))
            yield (before + 1, now) if now > before else None
            before = now


class Feeds:
    """What came to one group: its numberings, and how many messages there were in each bin."""

    def __init__(self, group: GroupEvidence, bins: Bins) -> None:
        self.received = bins.zeros()
        self.courses: list[Course] = []
        """In the order in which they were first heard of; without those of one client that missed nothing."""
        self._bins = bins
        self._plans: dict[str, StreamPlan] = {plan.name: plan for plan in group.plan.streams}
        self._of_visit: dict[tuple[int, str, str, str | None, int], Course] = {}
        self._logged: dict[tuple[str, str, str | None], Course] = {}
        sharing: defaultdict[int, list[AccountScore]] = defaultdict(list)
        for score in group.pushes.accounts if group.pushes else ():
            if score.account.unnumbered is None:
                sharing[id(score.publication)].append(score)
        for scores in sorted(sharing.values(), key=lambda scores: scores[0].publication.appeared):
            self._enter(Course(bins, scores))

    def _enter(self, course: Course) -> None:
        if not course.shared and not any(score.copies.owed - score.copies.live for score in course.accounts):
            return
        self.courses.append(course)
        for score in course.accounts:
            if score.publication.log is not None:
                self._logged[score.channel, score.stream, score.epoch] = course
                continue
            for visit in score.account.visits:
                self._of_visit[score.client, score.channel, score.stream, score.epoch, visit.conn] = course

    def course_of(self, line: Stream) -> Course | None:
        """The one that the messages of a row key tell of; None: none that anybody asks for."""
        plan = self._plans.get(line.stream)
        channel = POOLED if plan is not None and plan.scope != "channel" else line.channel
        return self._of_visit.get((line.c, channel, line.stream, line.epoch, line.conn))

    def settle(self, history: History) -> None:
        """The pushes were read."""
        logged: defaultdict[int, list[int]] = defaultdict(list)
        for line in history.published:
            course = self._logged.get((line.channel, line.stream, line.epoch))
            if course is not None:
                i = self._bins.of(line.t)
                course.newest[i] = max(course.newest[i], line.last)
                logged[id(course)].append(line.last)
        for course in self.courses:
            numbers = logged.get(id(course))
            course.settle(None if numbers is None else IntervalSet.of(numbers))


def read_feeds(history: History, groups: Sequence[GroupEvidence], bins: Bins) -> list[Feeds]:
    """What came to each group. Goes through `history.pushes` once."""
    feeds = [Feeds(group, bins) for group in groups]
    nobody_asks = [_NOTHING] * bins.count
    columns = []
    for line in history.streams:
        course = feeds[line.g].course_of(line)
        columns.append((feeds[line.g].received, nobody_asks if course is None else course.newest))
    step, last_bin = bins.step, bins.count - 1
    for at, first, last, _, sid in history.pushes:
        received, newest = columns[sid]
        i = at // step
        if i > last_bin:  # noqa: PLR1730 - a call of min() costs too much in a million messages
            i = last_bin
        received[i] += 1
        number = last if last > first else first
        if number > newest[i]:  # noqa: PLR1730 - as above
            newest[i] = number
    for feed in feeds:
        feed.settle(history)
    return feeds
