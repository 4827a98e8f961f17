"""Whether new runs are worse than earlier ones, as a criterion: the test of a comparison, on what was kept of both."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isinf
from statistics import median
from typing import Final, NamedTuple

from msgspec.structs import replace

from chaosrun.against import Against, Standard
from chaosrun.errors import Exit
from chaosrun.scoring import ranks
from chaosrun.scoring.comparable import COMPARABLE, Subject, Value
from chaosrun.scoring.comparison import corrected, why_left_out
from chaosrun.scoring.contrast import ALPHA, Contrast, Values, contrast, times
from chaosrun.scoring.repeats import worst
from chaosrun.scoring.result import AgainstNumber, AgainstReport, Criterion, Result, rounded
from chaosrun.scoring.words import show

MOST: Final = ranks.LARGEST // 2
"""So many runs of each side are compared exactly; of more the last ones."""
_OUTCOMES: Final = {"regression": False, "no_regression": True, "cannot_tell": None}


class HeldAgainst(NamedTuple):
    """What came of it."""

    report: AgainstReport
    criteria: tuple[Criterion, ...]
    """Empty: nothing is judged yet, and the report says why."""


def fewest(new: int, among: int = 1) -> int | None:
    """So many earlier runs it takes before `new` ones can be shown to be worse; None: more than are ever compared."""
    level = ALPHA / among
    return next((n for n in range(1, MOST + 1) if ranks.smallest_p(n, new) <= level), None)


def hold_against(new: Sequence[Result], against: Against) -> HeldAgainst:
    """Hold new runs against earlier ones.

    Args:
        new: their results. One whose observer was not sound, or that was slowed, is left out; one that gives no number
            for another reason keeps the others from being a clean bill.
    """
    fit = [result for result in new if _is_measured(result)][-MOST:]
    subjects = _subjects(against)
    before = [_before(standard) for standard in against.numbers]
    now = [_now(fit, subject) for subject in subjects]
    waived = _waived(against, len(fit))
    deciding = corrected(dict(zip(subjects, zip(before, now, strict=True), strict=True)))
    found = [
        contrast(a, b, subject, deciding[subject], detectable=False)
        for subject, a, b in zip(subjects, before, now, strict=True)
    ]
    numbers = [_number(each, waived, len(fit), len(found)) for each in found]
    report = AgainstReport(named=against.named, runs=list(against.runs), waived=waived, numbers=numbers)
    if waived:
        return HeldAgainst(report, ())
    rows = zip(numbers, found, subjects, strict=True)
    return HeldAgainst(report, tuple(_criterion(against, number, each, of) for number, each, of in rows))


def foretold(against: Against, new: int) -> str:
    """Before so many runs begin: what they will be held against, or why they will not be."""
    among, told = len(against.numbers), []
    if waived := _waived(against, new):
        return f"not held against {against.named}: {waived}"
    for standard, subject in zip(against.numbers, _subjects(against), strict=True):
        values = _before(standard).numbers
        middle = _told(median(values), subject.number.unit)
        told.append(f"{subject.label} of {len(values)} runs, {middle} in the middle")
        if _is_too_few(len(values), new, among):
            told[-1] += f", {_too_few(len(values), new, among)}"
    return f"held against {against.named}: {'; '.join(told)}"


def held_against(result: Result, held: HeldAgainst, *, verdict: str, exit_code: Exit, reasons: Sequence[str]) -> Result:
    """A result with what came of it, and the verdict over all criteria, those of `held` included."""
    return replace(
        result,
        verdict=verdict,
        exit_code=int(exit_code),
        reasons=list(reasons),
        criteria=[*result.criteria, *held.criteria],
        against=held.report,
    )


def hold_series(series: Result, runs: Sequence[Result], against: Against) -> Result:
    """Hold all runs of a series together against earlier ones.

    Args:
        series: its result without that.
        runs: the results of its runs.
    """
    held = hold_against(runs, against)
    amiss = [each for each in held.criteria if not each.outcome]
    codes = [Exit.FAILED if each.outcome is False else Exit.INCONCLUSIVE for each in amiss]
    code = worst((Exit(series.exit_code), *codes))
    verdict = series.verdict if code == series.exit_code else "failed" if code is Exit.FAILED else "inconclusive"
    reasons = [*series.reasons, *(f"{each.name}: {each.why}" for each in amiss)]
    return held_against(series, held, verdict=verdict, exit_code=code, reasons=reasons)


def _subjects(against: Against) -> list[Subject]:
    groups = {standard.group for standard in against.numbers} - {None}
    return [_subject(standard, several=standard.group is not None and len(groups) > 1) for standard in against.numbers]


def _subject(standard: Standard, *, several: bool) -> Subject:
    plain, _, phase = standard.metric.partition("@")
    return Subject(COMPARABLE[plain], standard.group, phase or "all", several)


def _before(standard: Standard) -> Values:
    return Values(tuple(Value(*each) for each in standard.known[-MOST:]))


def _now(fit: Sequence[Result], subject: Subject) -> Values:
    found = [None if why_left_out(result) else subject.read(result) for result in fit]
    known = tuple(value for value in found if value is not None)
    return Values(known, len(found) - len(known))


def _is_measured(result: Result) -> bool:
    """Nothing but the service may have kept it from having numbers."""
    left_out = why_left_out(result)
    return left_out is None or left_out[1]


def _waived(against: Against, fit: int) -> str:
    """Why nothing is judged yet; empty: it is."""
    if not against.may_be_too_few:
        return ""
    if not against.runs:
        return against.why or "there is no good run yet"
    if fit == 0:
        return "the observer was not sound, or CPU time was taken away: its numbers are not to be compared"
    among = len(against.numbers)
    fewer = min(len(standard.known) for standard in against.numbers)
    return _too_few(fewer, fit, among) if _is_too_few(fewer, fit, among) else ""


def _is_too_few(have: int, new: int, among: int) -> bool:
    needed = fewest(new, among)
    return needed is None or have < needed


def _number(found: Contrast, waived: str, new: int, among: int) -> AgainstNumber:
    return AgainstNumber(
        name=found.name,
        unit=found.unit,
        verdict="waived" if waived else found.verdict,
        why=waived or _why(found, new, among),
        values=[_finite(value) for value in found.b.values],
        good=[_finite(value) for value in found.a.values],
        p=rounded(found.p_corrected),
        ratio=_finite(found.ratio),
        ratio_at_least=_finite(found.ratio_at_least),
        error=rounded(found.error),
    )


def _criterion(against: Against, number: AgainstNumber, found: Contrast, of: Subject) -> Criterion:
    return Criterion(
        name=f"no regression of {number.name}",
        metric=of.number.name,
        source="against",
        group=of.group,
        window="whole" if of.phase == "all" else of.phase,
        value=_finite(found.b.median),
        unit=number.unit,
        outcome=_OUTCOMES[found.verdict],
        error=number.error,
        why=number.why,
        written=f"--against {against.named}",
    )


def _finite(value: float | None) -> float | None:
    return None if value is None or isinf(value) else rounded(value)


# ---- in words -------------------------------------------------------------------------------------------------------


def _too_few(have: int, new: int, among: int) -> str:
    runs = f"{have} run{'s' * (have != 1)}"
    needed, each = fewest(new, among), next(n for n in range(1, ranks.LARGEST) if (fewest(n, among) or n + 1) <= n)
    ones = "one new run" if new == 1 else f"{new} new ones"
    asked = "more than are ever compared" if needed is None else str(needed)
    beside = f"; {each} of both are enough (--repeat {each})" if new < each else ""
    return f"too few to tell: {runs}, and for {ones} it takes {asked}{beside}"


def _why(found: Contrast, new: int, among: int) -> str:
    """The same as the contrast says, without A and B."""
    a, b = found.a, found.b
    if not a.values:
        return "no earlier run has a value"
    if not b.values:
        return "no value: the run gives no evidence of it" if new == 1 else "none of the new runs has a value"
    if _is_too_few(len(a.values), len(b.values), among):
        return _too_few(len(a.values), len(b.values), among)
    return _judged(found, new)


def _judged(found: Contrast, new: int) -> str:
    a, b = found.a, found.b
    sizes = f"{_told(b.median, found.unit)} against {_told(a.median, found.unit)}, the median of {len(a.values)} runs"
    match found.verdict:
        case "regression":
            p = "" if found.p_corrected is None else f", p = {found.p_corrected:.2g}"
            return f"{sizes}: {times(found.ratio)} as large, at least {times(found.ratio_at_least)} (95%){p}"
        case "no_regression":
            at_most = "" if found.ratio_at_most is None else f", at most {times(found.ratio_at_most)} as large (95%)"
            return f"{sizes}: no regression was shown{at_most}"
        case _ if len(b.values) < new:
            return f"{sizes}: no regression was shown, but {new - len(b.values)} of {new} runs have no value"
        case _ if found.error is None:
            return f"{sizes}: it looks worse, but the error bound of a value is not known"
        case _:
            return f"{sizes}: no regression was shown, but nothing bounds how much larger it may be"


def _told(value: float | None, unit: str) -> str:
    return "unknown" if value is None else "never" if value == inf else show(value, unit)
