"""The slots behind a request indicator: which event windows are out of tolerance, and where an impact begins."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from math import floor

from chaosrun.records import Kind
from chaosrun.scoring.ratio import exact
from chaosrun.scoring.steps import Interval, Steps, where_both
from chaosrun.scoring.timeline import GroupTimeline


@dataclass(frozen=True)
class EventSlots:
    """Judged slots and sentinels of a group by the instant they count at, ascending. Canaries have no part in it, nor
    have the steps of a script: a user who waits takes none, so that an outage would show in none."""

    dues: Sequence[int]
    bad: Sequence[bool]
    bad_before: Sequence[int]
    """How many of the first i slots are bad."""
    tolerated: Fraction
    width: int

    @classmethod
    def of(cls, timeline: GroupTimeline) -> EventSlots:
        events = sorted(
            (o.counts_at, not o.good)
            for o in timeline.requests.outcomes
            if o.good is not None and o.kind in (Kind.SLOT, Kind.SENTINEL)
        )
        bad = [is_bad for _, is_bad in events]
        return cls(
            dues=[due for due, _ in events],
            bad=bad,
            bad_before=list(accumulate(bad, initial=0)),
            tolerated=exact(timeline.group.tolerate_requests),
            width=timeline.group.window_ns,
        )

    def bad_windows(self, a: int, b: int) -> list[Interval]:
        """The x with `a <= x <= b - W` whose window `[x, x + W)` has no slot or more bad ones than tolerated."""
        i, j = bisect_left(self.dues, a), bisect_left(self.dues, b)
        width, over, under = self.width, self.tolerated.numerator, self.tolerated.denominator

        def covering(dues: Sequence[int]) -> Steps:
            return Steps.counting((due - width + 1, due + 1) for due in dues)

        slots = covering(self.dues[i:j])
        bad = covering([due for due, is_bad in zip(self.dues[i:j], self.bad[i:j], strict=True) if is_bad])
        return where_both(slots, bad, lambda n, wrong: n == 0 or wrong * under > over * n, a, b - width + 1)

    def onset(self, x: int, fault_start: int) -> int:
        """Where the impact that put the window at `x` (the first one to be so) out of tolerance began.

        The bad slot that used up the window's tolerance is found, then the first of the unbroken run of bad slots, not
        before `fault_start`, that it belongs to. A window without slots gives `x`.
        """
        i, j = bisect_left(self.dues, x), bisect_left(self.dues, x + self.width)
        if i == j:
            return x
        breaking = self.bad_before[i] + floor(self.tolerated * (j - i)) + 1
        k = bisect_left(self.bad_before, breaking) - 1
        while k > 0 and self.bad[k - 1] and self.dues[k - 1] >= fault_start:
            k -= 1
        return self.dues[k]

    def first_lost(self, x: int, fault_start: int) -> tuple[int, int]:
        """The first slot that what put the window at `x` (the first one to be so) out of tolerance may have taken, and
        the instant after which it began if it did: the good slot before, or `fault_start`.

        It is the first bad slot of the window, with the run of bad ones that it belongs to: what was lost before the
        tolerance was used up may be of the outage, too. A window without slots gives `x`.
        """
        i, j = bisect_left(self.dues, x), bisect_left(self.dues, x + self.width)
        k = next((k for k in range(i, j) if self.bad[k]), i)
        while k > 0 and self.bad[k - 1]:
            k -= 1
        return x if i == j else self.dues[k], max(fault_start, self.dues[k - 1]) if k > 0 else fault_start

    def end_of_excess(self, a: int, b: int) -> int | None:
        """The last instant in `[a, b)` up to which more slots than tolerated were bad from `a` on: a bad slot's.

        None: however few of them are counted, of the slots from `a` on never more than the tolerated share are bad.
        """
        i, j = bisect_left(self.dues, a), bisect_left(self.dues, b)
        over, under = self.tolerated.numerator, self.tolerated.denominator
        last = None
        for k in range(i, j):
            if self.bad[k] and (self.bad_before[k + 1] - self.bad_before[i]) * under > over * (k + 1 - i):
                last = self.dues[k]
        return last

    def first_good(self, t: int) -> int | None:
        """Due time of the first good slot at or after `t`."""
        for k in range(bisect_left(self.dues, t), len(self.dues)):
            if not self.bad[k]:
                return self.dues[k]
        return None

    def last_bad(self, t: int) -> int | None:
        """Due time of the last bad slot before `t`."""
        for k in range(bisect_left(self.dues, t) - 1, -1, -1):
            if self.bad[k]:
                return self.dues[k]
        return None

    def count(self, a: int, b: int) -> tuple[int, int]:
        """Slots, and bad ones, in `[a, b)`."""
        i = bisect_left(self.dues, a)
        j = max(i, bisect_left(self.dues, b))
        return j - i, self.bad_before[j] - self.bad_before[i]
