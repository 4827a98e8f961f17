"""When slots that were lost one by one, and not in an outage, were by definition too many.

Slots get lost by chance; and clients that cannot be served, as few as tolerated, may be just those whose slots a window
has. Requests are judged over windows, so that this is out of tolerance like any outage. What became of every slot is
asked, window by window, without the scorer's code.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise

Missed = tuple[int, int]
"""When a slot without a valid reply in time was due, and when that was settled."""


def counts_at(missed: Missed, calls: Iterable[int]) -> int:
    """A bad slot that was undecided when a fault was called counts as due at that call."""
    due, settled = missed
    return min((call for call in calls if due < call < settled), default=due)


def stray_spans(
    dues: Iterable[int],
    missed: Sequence[Missed],
    strays: Sequence[int],
    calls: Sequence[int],
    width: int,
    tolerated: Fraction,
    start: int,
    end: int,
) -> list[tuple[int, int]]:
    """The x whose window `[x, x + width)`, inside `[start, end)`, has more strays than it tolerates bad slots.

    `strays` are the instants at which those of the `missed` count that are asked about, ascending.
    """
    good = Counter(dues) - Counter(due for due, _ in missed)
    slots = sorted([*good.elements(), *(counts_at(each, calls) for each in missed)])
    last = end - width + 1
    # A window changes only where a slot enters or leaves it.
    borders = {x for due in slots for x in (due + 1, due - width + 1) if start < x < last}
    found: list[tuple[int, int]] = []
    for x, following in pairwise([start, *sorted(borders), last] if strays and start < last else []):
        bad = bisect_left(strays, x + width) - bisect_left(strays, x)
        if bad and bad > tolerated * (bisect_left(slots, x + width) - bisect_left(slots, x)):
            began = found.pop()[0] if found and found[-1][1] == x else x
            found.append((began, following))
    return found
