"""Whether a value keeps its limit, as far as the measurement can tell, and what all that makes of a run.

A value comes as a `Reading`: the value and the interval in which its truth lies. A limit is kept when the whole
interval keeps it, broken when none of it does, and unknown between ("too close to call").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Literal, NamedTuple

from chaosrun.errors import Exit
from chaosrun.plan import CriterionPlan
from chaosrun.scoring.result import Criterion
from chaosrun.scoring.statistics import clopper_pearson
from chaosrun.scoring.words import show

Tier = Literal["ok", "warning", "failed", "critical"]


@dataclass(frozen=True)
class Reading:
    """What a metric read, in SI base units: the truth lies in [low, high]."""

    value: float | None
    """None: only the interval is known."""
    low: float
    high: float
    count: int | None = None
    """For counts and shares: so many ..."""
    of: int | None = None
    """... of so many."""
    vacuous: str = ""
    """There was nothing that the metric could be about, and why: every limit on it holds."""
    note: str = ""

    @property
    def error(self) -> float | None:
        """The larger distance of the interval's ends from the value; None where the interval is open."""
        if self.value is None or inf in (self.high, -self.low):
            return None
        return max(self.high - self.value, self.value - self.low)

    def as_share(self) -> Reading | None:
        """A count as a share of its denominator; None where it has none, or that is zero."""
        known = None if self.count is None or self.of is None else share(self.count, self.of)
        return replace(known, high=1.0, note=self.note) if known and self.high == inf else known


def exact(value: float, *, error: float = 0.0) -> Reading:
    """A value known to +-`error`."""
    return Reading(value, value - error, value + error)


def counted(count: int, of: int | None = None) -> Reading:
    """An exact count, and what it is a part of."""
    return Reading(count, count, count, count, of)


def share(count: int, of: int) -> Reading | None:
    """A share with its 95% Clopper-Pearson interval; None of a zero denominator.

    None at all, or all without exception, is a count and as such exact: otherwise "at least 100%" could never pass,
    and "none of 400" would break a limit of 0.5% less clearly than one of 0.
    """
    if of == 0:
        return None
    # A late slot of the observer's leaves the denominator; an error in reply to it stays in the count.
    count = min(count, of)
    value = count / of
    low, high = (value, value) if count in (0, of) else clopper_pearson(count, of)
    return Reading(value, low, high, count, of)


def above(low: float, note: str) -> Reading:
    """A value that was never seen to end: more than `low`."""
    return Reading(None, low, inf, note=note)


def vacuous(why: str) -> Reading:
    """Nothing to measure, and rightly so."""
    return Reading(None, -inf, inf, vacuous=why)


class Outcome(NamedTuple):
    """A criterion's judgement: true, false, or unknown (None)."""

    outcome: bool | None
    limit: float | None
    why: str
    tier: Tier | None = None


class _Limit(NamedTuple):
    at: float
    least: bool
    """A minimum; otherwise a maximum."""

    def decide(self, reading: Reading) -> bool | None:
        if self.least:
            return True if reading.low >= self.at else False if reading.high < self.at else None
        if reading.value is None and reading.high == inf and reading.low >= self.at:
            return False  # more than `low`, which is already at the limit
        return True if reading.high <= self.at else False if reading.low > self.at else None


def decide(plan: CriterionPlan, reading: Reading | None, *, up: bool, unit: str) -> Outcome:
    """Judge one reading against one criterion. No evidence never passes.

    Args:
        up: more is better; decides which way tiers go.
        unit: of reading and limits, for the words.
    """
    limits = _limits(plan, up=up)
    if reading is None:
        return Outcome(None, limits[0].at, "no evidence: nothing was measured here")
    if reading.vacuous:
        return Outcome(True, limits[0].at, f"vacuously true: {reading.vacuous}", "ok" if tiers_of(plan) else None)
    # Of a minimum and a maximum the one that is broken tells the story, or else the one that is unclear.
    results = [(limit.decide(reading), limit) for limit in limits]
    result, limit = min(results, key=lambda pair: (pair[0] is not False, pair[0] is not None))
    tier = None if result is None or reading.value is None else _tier(plan, reading.value, up=up)
    return Outcome(result, limit.at, _words(result, reading, limit, unit), tier)


def tiers_of(plan: CriterionPlan) -> dict[str, float]:
    """The tiers that a criterion names, in the order of their severity."""
    named = (("target", plan.target), ("warning", plan.warning), ("critical", plan.critical))
    return {name: at for name, at in named if at is not None}


def _limits(plan: CriterionPlan, *, up: bool) -> list[_Limit]:
    limits = [_Limit(at, least) for at, least in ((plan.min, True), (plan.max, False)) if at is not None]
    tiers = tiers_of(plan)
    if tiers:
        # Up to `warning` it passes; without one, up to the first tier there is.
        limits.append(_Limit(tiers.get("warning", next(iter(tiers.values()))), up))
    if not limits:
        raise ValueError(f"criterion {plan.name!r} has no limit; give min, max or target")
    return limits


def _tier(plan: CriterionPlan, value: float, *, up: bool) -> Tier | None:
    tiers = tiers_of(plan)
    if not tiers:
        return None
    sign = -1 if up else 1
    kept = [name for name, at in tiers.items() if sign * value <= sign * at]
    if "target" in kept or (kept and len(tiers) == 1):
        return "ok"
    if "warning" in kept:
        return "warning"
    return "failed" if "critical" in kept or "critical" not in tiers else "critical"


def _words(result: bool | None, reading: Reading, limit: _Limit, unit: str) -> str:
    bound = f"{'at least' if limit.least else 'at most'} {show(limit.at, unit)}"
    if reading.value is None:
        seen = f"more than {show(reading.low, unit)}" if reading.high == inf else "not known"
        note = f", {reading.note}" if reading.note else ""
        return f"{seen}{note}; {bound} is asked" + ("" if result is not None else ", which stays open")
    seen = show(reading.value, unit)
    if reading.of is not None:
        seen = f"{seen} ({reading.count} of {reading.of})" if unit == "ratio" else f"{seen} of {reading.of}"
    if result is None:
        between = f"between {show(reading.low, unit)} and {_end(reading.high, unit)}"
        return f"too close to call: {seen}, in truth {between}; {bound} is asked"
    return f"{seen}; {bound} is asked"


def _end(high: float, unit: str) -> str:
    if high == inf:
        return "any length" if unit == "s" else "any number"
    return show(high, unit)


# ---- the run --------------------------------------------------------------------------------------------------------


class Verdict(NamedTuple):
    verdict: Literal["passed", "failed", "inconclusive", "aborted", "dirty"]
    exit_code: Exit
    reasons: tuple[str, ...]


def run_verdict(
    criteria: Sequence[Criterion],
    *,
    load_test: bool,
    obstacles: Sequence[str] = (),
    stopped_by: str | None = None,
    dirt: Sequence[str] = (),
) -> Verdict:
    """The verdict of a run by the precedence of its exit codes: dirty, aborted, failed, inconclusive, passed.

    Args:
        load_test: there was no fault, so that a false criterion of the baseline fails the run; otherwise it is a
            precondition, and without it nothing after it says anything.
        obstacles: what keeps the run from passing whatever its criteria say, such as an unsound observer.
        stopped_by: what ended the run early.
        dirt: what an undo left behind.
    """
    unsteady = [] if load_test else [c for c in criteria if c.window == "baseline" and c.outcome is False]
    false = [] if unsteady else [c for c in criteria if c.outcome is False]
    # After an unsteady baseline nothing else was tried: to list all that is unknown would only hide the reason.
    unknown = [] if unsteady else [c for c in criteria if c.outcome is None]
    reasons = [
        *dirt,
        *((f"stopped: {stopped_by}",) if stopped_by else ()),
        *(f"not steady before the fault: {_reason(c)}" for c in unsteady),
        *(f"failed: {_reason(c)}" for c in false),
        *obstacles,
        *(f"unknown: {_reason(c)}" for c in unknown),
    ]
    if dirt:
        return Verdict("dirty", Exit.DIRTY, tuple(reasons))
    if stopped_by:
        return Verdict("aborted", Exit.ABORTED, tuple(reasons))
    if false:
        return Verdict("failed", Exit.FAILED, tuple(reasons))
    if unsteady or obstacles or unknown:
        return Verdict("inconclusive", Exit.INCONCLUSIVE, tuple(reasons))
    if not criteria:
        return Verdict("inconclusive", Exit.INCONCLUSIVE, ("nothing was judged: the experiment has no criteria",))
    return Verdict("passed", Exit.PASSED, ())


def _reason(criterion: Criterion) -> str:
    return f"{criterion.name} in {criterion.window}: {criterion.why}"
