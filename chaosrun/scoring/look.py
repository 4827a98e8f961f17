"""A look at a history of runs: are the newest worse than the last good ones before them?

A history is looked at after every run, so that one look may be wrong far more rarely than one comparison
(docs/history.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from chaosrun.scoring import ranks
from chaosrun.scoring.comparable import Subject, Value
from chaosrun.scoring.contrast import Contrast, Deciding, Values, contrast

NEWEST: Final = 3
"""So many of the newest runs are judged together: one slow run is no regression."""
MOST: Final = 20
"""Of the good runs before them the last so many count, for what a machine was like a year ago says little."""
ALPHA: Final = Fraction(1, 200)
"""The chance that a look finds a regression where there is none."""
_MOST_THAT_COULD_COUNT: Final = ranks.LARGEST - NEWEST


class Point(NamedTuple):
    """One run of a history, by one number."""

    value: Value | None
    """None: it gives no evidence of the number."""
    counts: bool
    """Its observer was sound and nothing slowed it."""
    good: bool
    """It passed, too."""
    accepted: bool = False
    """Somebody accepted it as the new normal: it is never worse than others, and later ones are held against it."""
    anew: bool = False
    """With this one a stretch begins that was accepted: those before it no longer count."""


class Look(NamedTuple):
    """What was seen. Runs are told by their places in the history."""

    contrast: Contrast
    """The newest runs (B) against the good ones (A)."""
    newest: tuple[int, ...]
    good: tuple[int, ...]
    """The last good runs before them."""
    worse: frozenset[int]
    """The runs of every look, this one or an earlier one, that found a regression."""


def fewest(among: int = 1) -> int:
    """So many good runs it takes until a look can find anything, where so many numbers decide together; of more than a
    thousand of them none can."""
    level, most = ALPHA / among, _MOST_THAT_COULD_COUNT
    return next((n for n in range(1, most) if ranks.smallest_p(n, NEWEST) <= level), most)


def look(history: Sequence[Point], subject: Subject, among: int = 1) -> Look:
    """Look at a history after each of its runs, in their order; what the last look saw.

    A run that a look found worse is not among the good ones of later looks, whatever its verdict: otherwise a
    regression that stays would become what it is compared with. Where somebody accepted a stretch of runs, the history
    begins anew with it: its good runs are those that later looks begin with, and the newest are later ones.

    Args:
        history: the runs of one fingerprint, oldest first.
        among: so many numbers decide together; by Bonferroni's inequality each is judged at that part of `ALPHA`.
    """
    good: list[int] = []
    newest: list[int] = []
    worse: set[int] = set()
    for place, point in enumerate(history):
        if point.anew:
            good.clear()
        if point.anew or point.accepted:
            newest.clear()
        if point.value is None or not point.counts:
            continue
        if point.accepted:
            if point.good:
                good.append(place)
            continue
        newest.append(place)
        if len(newest) > NEWEST:
            oldest = newest.pop(0)
            if history[oldest].good and oldest not in worse:
                good.append(oldest)
        if len(newest) == NEWEST and _judged(history, good, newest, subject, among).verdict == "regression":
            worse.update(newest)
    last = _judged(history, good, newest, subject, among, detectable=True)
    return Look(last, tuple(newest), tuple(_last(good, among)), frozenset(worse))


def last_good(history: Sequence[Point], subject: Subject, most: int) -> tuple[int, ...]:
    """The last good runs of a history, the newest included: what the next run is held against."""
    seen = look(history, subject)
    first = max((place for place, point in enumerate(history) if point.anew), default=0)
    good = [place for place, point in enumerate(history) if point.good and point.counts and point.value is not None]
    return tuple(place for place in good if place >= first and place not in seen.worse)[-most:]


def _judged(
    history: Sequence[Point],
    good: Sequence[int],
    newest: Sequence[int],
    subject: Subject,
    among: int,
    *,
    detectable: bool = False,
) -> Contrast:
    a, b = (_values(history, places) for places in (_last(good, among), newest))
    p = ranks.mann_whitney(a.numbers, b.numbers) if a.known and b.known else Fraction(1)
    deciding = Deciding(min(Fraction(1), p * among), among, ALPHA)
    return contrast(a, b, subject, deciding, detectable=detectable)


def _last(good: Sequence[int], among: int) -> Sequence[int]:
    return good[-max(MOST, fewest(among)) :]


def _values(history: Sequence[Point], places: Sequence[int]) -> Values:
    return Values(tuple(value for place in places if (value := history[place].value) is not None))
