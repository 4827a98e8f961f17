"""One number of two releases: is it worse in B, is it not, or can nobody tell?

It is a regression when all three hold: the one-sided Mann-Whitney p is at most 0.05; the lower bound of the
Hodges-Lehmann ratio is above 1.10; and the Hodges-Lehmann shift is above twice the largest error of a value. Where too
few runs could ever give such a p, nobody can tell, and that is what is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import inf
from typing import Final, Literal, NamedTuple

from msgspec.structs import replace

from chaosrun.scoring import ranks
from chaosrun.scoring.comparable import Subject, Value
from chaosrun.scoring.repeats import median_ranks
from chaosrun.scoring.result import Part
from chaosrun.scoring.words import show

Verdict = Literal["regression", "no_regression", "cannot_tell"]

ALPHA: Final = Fraction(1, 20)
RATIO: Final = 1.10
"""A change below this is not worth a verdict, however sure it is."""
_MOST_RUNS_ADVISED: Final = 20
_LARGEST_FACTOR: Final = 2.0**20


class Sample(Part, frozen=True, kw_only=True):
    """The values of one number in the runs of one side."""

    values: tuple[float, ...]
    """In the order of the runs; infinite: it was never seen to end."""
    median: float | None = None
    low: float | None = None
    """The median's exact interval; where there are too few runs for one, the least value."""
    high: float | None = None
    confidence: float | None = None
    """Of that interval; null: the least and the largest value."""


class Contrast(Part, frozen=True, kw_only=True):
    """One number of both sides. Ratios and shifts are of B against A; above 1 and above 0 B is worse."""

    name: str
    unit: str
    decides: bool
    verdict: Verdict = "cannot_tell"
    """Of a number that does not decide: what it would be by itself, without a correction."""
    why: str = ""
    a: Sample
    b: Sample
    p: float | None = None
    p_corrected: float | None = None
    """For how many numbers decide; null: this one does not."""
    smallest_p: float | None = None
    """What samples of these sizes can give at best."""
    ratio: float | None = None
    ratio_at_least: float | None = None
    ratio_at_most: float | None = None
    """One-sided bounds of 95% each."""
    shift: float | None = None
    error: float | None = None
    """The largest error bound of a value; null: not known."""
    detectable_ratio: float | None = None
    """Had all values of B been this many times as large, it would have been a regression."""


class Values(NamedTuple):
    """What the runs of one side say of a number."""

    known: tuple[Value, ...]
    missing: int = 0
    """Runs without evidence of it."""

    @property
    def numbers(self) -> tuple[float, ...]:
        return tuple(value.value for value in self.known)


class Deciding(NamedTuple):
    """How a number takes part in the verdict."""

    p: Fraction
    """Its p, corrected for how many decide."""
    among: int
    """So many decide."""
    alpha: Fraction = ALPHA
    """What p may be at most, where others decide too: of all together."""


def contrast(
    a: Values,
    b: Values,
    subject: Subject,
    deciding: Deciding | None,
    doubts: Sequence[str] = (),
    *,
    detectable: bool = True,
) -> Contrast:
    """Judge one number.

    Args:
        deciding: None: it is only shown.
        doubts: runs that were left out though it may be the service that kept them from having numbers; with one of
            these there is no clean bill.
        detectable: say, too, how much larger B would have had to be, which takes the longest.
    """
    found = Contrast(
        name=subject.label,
        unit=subject.number.unit,
        decides=deciding is not None,
        a=_sample(a.numbers),
        b=_sample(b.numbers),
        p_corrected=float(deciding.p) if deciding and a.known and b.known else None,
    )
    if not a.known or not b.known:
        without = " and ".join(name for name, side in (("A", a), ("B", b)) if not side.known)
        return replace(found, why=f"no run of {without} has a value")
    judged = _judged(_measured(found, a, b), a, b, deciding, doubts)
    if judged.verdict != "no_regression" or not detectable:
        return judged
    return _with_detectable(judged, _level(deciding))


def _measured(found: Contrast, a: Values, b: Values) -> Contrast:
    errors = [value.error for value in (*a.known, *b.known)]
    lower, upper = ranks.ratio_bounds(a.numbers, b.numbers, ALPHA)
    return replace(
        found,
        p=float(ranks.mann_whitney(a.numbers, b.numbers)),
        smallest_p=float(ranks.smallest_p(len(a.known), len(b.known))),
        ratio=ranks.ratio(a.numbers, b.numbers),
        ratio_at_least=lower,
        ratio_at_most=upper,
        shift=ranks.shift(a.numbers, b.numbers),
        error=None if None in errors else max(error for error in errors if error is not None),
    )


def _judged(found: Contrast, a: Values, b: Values, deciding: Deciding | None, doubts: Sequence[str]) -> Contrast:
    p = deciding.p if deciding else ranks.mann_whitney(a.numbers, b.numbers)
    if ranks.smallest_p(len(a.known), len(b.known)) > _level(deciding):
        return replace(found, why=_too_few(len(a.known), len(b.known), deciding))
    alpha = deciding.alpha if deciding else ALPHA
    larger = p <= alpha and found.ratio_at_least is not None and found.ratio_at_least > RATIO
    if larger and found.error is None:
        return replace(found, why="B looks worse, but the error bound of a value is not known")
    if larger and _beyond_error(found.shift, found.error):
        return replace(found, verdict="regression", why=_regression(found, float(p)))
    missing = a.missing + b.missing
    if missing or doubts:
        return replace(found, why=_incomplete(missing, doubts))
    if found.ratio_at_most == inf:
        unbound = "no regression was shown, but nothing bounds how much larger B may be; more runs would tell"
        return replace(found, why=unbound)
    return replace(found, verdict="no_regression", why=_no_regression(found, larger=larger))


def _level(deciding: Deciding | None) -> Fraction:
    """What an uncorrected p may be at most."""
    return deciding.alpha / deciding.among if deciding else ALPHA


def _beyond_error(shift: float | None, error: float | None) -> bool:
    """Each value is off by at most `error`, so that a difference of two is off by at most twice that."""
    return shift is not None and error is not None and shift > 2 * error


def _sample(values: Sequence[float]) -> Sample:
    if not values:
        return Sample(values=())
    ordered, around = sorted(values), median_ranks(len(values))
    return Sample(
        values=tuple(values),
        median=(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2,
        low=ordered[around.low - 1 if around else 0],
        high=ordered[around.high - 1 if around else -1],
        confidence=around.confidence if around else None,
    )


def _with_detectable(found: Contrast, level: Fraction) -> Contrast:
    factor = _detectable(found.a.values, found.b.values, found.error, level)
    if factor is None:
        return found
    why = f"{found.why}; had B been {times(factor)} as large as it was, one would have been shown"
    return replace(found, detectable_ratio=factor, why=why)


def _detectable(a: Sequence[float], b: Sequence[float], error: float | None, level: Fraction) -> float | None:
    """The least factor on all values of B with which the verdict would be a regression; None: none would do, as of
    zeros."""

    def shown(factor: float) -> bool:
        larger = [factor * value for value in b]
        lower, _ = ranks.ratio_bounds(a, larger, ALPHA)
        if lower is None or lower <= RATIO or not _beyond_error(ranks.shift(a, larger), error):
            return False
        # The bound knows of no ties and of no stricter level, and p may be above either.
        return ranks.mann_whitney(a, larger) <= level

    low = high = 1.0
    while not shown(high):
        low, high = high, 2 * high
        if high > _LARGEST_FACTOR:
            return None
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if shown(middle) else (middle, high)
    return high


# ---- in words -------------------------------------------------------------------------------------------------------


def _too_few(n: int, m: int, deciding: Deciding | None) -> str:
    """What would be enough: as many of each, or more runs of B beside those of A."""
    level, among = _level(deciding), deciding.among if deciding else 1
    each = next(k for k in range(1, ranks.LARGEST) if ranks.smallest_p(k, k) <= level)
    more = next((k for k in range(m, _MOST_RUNS_ADVISED + 1) if ranks.smallest_p(n, k) <= level), None)
    beside = "" if more is None or more <= each else f", or {more} of B with these of A"
    asked = f"{float(level):.2g} is asked" + ("" if among == 1 else f" where {among} numbers decide")
    least = float(ranks.smallest_p(n, m))
    return f"{n} and {m} runs are too few: p is {least:.2g} at best, and {asked}; {each} of each would do{beside}"


def _regression(found: Contrast, p: float) -> str:
    return f"B is {times(found.ratio)} as large as A, at least {times(found.ratio_at_least)} (95%), p = {p:.2g}"


def _no_regression(found: Contrast, *, larger: bool) -> str:
    parts = ["no regression was shown"]
    if larger and found.shift is not None and found.error is not None:
        shift, twice = show(found.shift, found.unit), show(2 * found.error, found.unit)
        parts.append(f"B is larger by {shift}, which is within twice the error bound, {twice}")
    if found.ratio_at_most is not None:
        parts.append(f"B is at most {times(found.ratio_at_most)} as large as A (95%)")
    return "; ".join(parts)


def _incomplete(missing: int, doubts: Sequence[str]) -> str:
    parts = [f"{missing} without a value"] if missing else []
    return f"no regression was shown, but not all runs can speak: {'; '.join((*parts, *doubts))}"


def times(value: float | None) -> str:
    """A ratio in words."""
    if value is None:
        return "an unknown number of times"
    return "infinitely many times" if value == inf else f"{value:.2f} times"
