"""Is release B worse than release A? Several runs of each, which of them count, and the verdict over all numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from chaosrun.conditions import Conditions, Difference, differences
from chaosrun.errors import Exit
from chaosrun.scoring import ranks
from chaosrun.scoring.comparable import Subject
from chaosrun.scoring.contrast import Contrast, Deciding, Values, Verdict, contrast
from chaosrun.scoring.result import Part, Result

EXITS: Final[Mapping[Verdict, Exit]] = {
    "regression": Exit.FAILED,
    "cannot_tell": Exit.INCONCLUSIVE,
    "no_regression": Exit.PASSED,
}
"""In this order: one regression is one; short of that, what cannot be told keeps the rest from being a clean bill."""


class Run(NamedTuple):
    """A run and where it is kept."""

    name: str
    result: Result


class LeftOut(Part, frozen=True, kw_only=True):
    """A run that gives no numbers."""

    run: str
    why: str
    by_service: bool
    """It may be the service's doing: then "no regression" would leave out what is worst."""


class Side(Part, frozen=True, kw_only=True):
    runs: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    mixed: tuple[Difference, ...]
    """Its own runs differ in what was under test, or in what is noted: they may be of more than one release."""


class Comparison(Part, frozen=True, kw_only=True):
    """The whole of what `chaosrun compare --format json` prints."""

    schema: int = 1
    verdict: Verdict
    exit_code: int
    reasons: tuple[str, ...]
    fingerprint: str
    a: Side
    b: Side
    numbers: tuple[Contrast, ...]
    under_test: tuple[Difference, ...]
    """How the services under test differ, as far as the experiments say."""
    noted: tuple[Difference, ...]
    """What else differs and may bear on the numbers a little."""


def compare(
    a: Sequence[Run], b: Sequence[Run], *, decide: Sequence[Subject], also: Sequence[Subject] = ()
) -> Comparison:
    """Compare the runs of two releases.

    Args:
        a: the baseline. All runs of both sides have conditions, and the same fingerprint.
        decide: the numbers that make the verdict.
        also: numbers that are shown beside them, where both sides have values.
    """
    sides = (_side(a), _side(b))
    left_out = [each for side in sides for each in side.left_out]
    doubts = [f"{each.run} left out ({each.why})" for each in left_out if each.by_service]
    names = {each.run for each in left_out}
    kept = [[run.result for run in runs if run.name not in names] for runs in (a, b)]

    values = {subject: (_values(kept[0], subject), _values(kept[1], subject)) for subject in (*decide, *also)}
    holm = corrected({subject: values[subject] for subject in decide})
    numbers = [contrast(*values[subject], subject, holm[subject], doubts) for subject in decide]
    others = [subject for subject in also if subject not in holm and all(side.known for side in values[subject])]
    numbers += [contrast(*values[subject], subject, None, doubts) for subject in others]

    found = {number.verdict for number in numbers if number.decides}
    verdict = next(verdict for verdict in EXITS if verdict in found)
    first, last = _conditions(a[0]), _conditions(b[0])
    return Comparison(
        verdict=verdict,
        exit_code=int(EXITS[verdict]),
        reasons=tuple(f"{number.name}: {number.why}" for number in numbers if number.decides),
        fingerprint=first.fingerprint(),
        a=sides[0],
        b=sides[1],
        numbers=tuple(numbers),
        under_test=differences(first.under_test, last.under_test),
        noted=differences(first.noted, last.noted),
    )


def _side(runs: Sequence[Run]) -> Side:
    first = _conditions(runs[0])
    mixed = [
        difference
        for other in map(_conditions, runs)
        for there, here in ((first.under_test, other.under_test), (first.noted, other.noted))
        for difference in differences(there, here)
    ]
    return Side(runs=tuple(run.name for run in runs), left_out=_left_out(runs), mixed=tuple(dict.fromkeys(mixed)))


def _conditions(run: Run) -> Conditions:
    assert run.result.conditions is not None, f"{run.name} has no conditions"
    return run.result.conditions


def _values(results: Sequence[Result], subject: Subject) -> Values:
    found = [subject.read(result) for result in results]
    known = tuple(value for value in found if value is not None)
    return Values(known, len(found) - len(known))


def corrected(values: Mapping[Subject, tuple[Values, Values]]) -> dict[Subject, Deciding]:
    """The p of each, corrected for their number by Holm's method: the least p counts as often as there are numbers, the
    next once less, and none is below the one before (Scandinavian Journal of Statistics 6, 1979). A number without
    values counts as one that shows nothing."""
    ps = {
        subject: ranks.mann_whitney(a.numbers, b.numbers) if a.known and b.known else Fraction(1)
        for subject, (a, b) in values.items()
    }
    found: dict[Subject, Deciding] = {}
    before = Fraction(0)
    for place, subject in enumerate(sorted(ps, key=ps.__getitem__)):
        before = max(before, min(Fraction(1), ps[subject] * (len(ps) - place)))
        found[subject] = Deciding(before, len(ps))
    return found


# ---- which runs count -----------------------------------------------------------------------------------------------


def _left_out(runs: Sequence[Run]) -> tuple[LeftOut, ...]:
    found = ((run.name, why_left_out(run.result)) for run in runs)
    return tuple(LeftOut(run=name, why=why[0], by_service=why[1]) for name, why in found if why is not None)


def why_left_out(result: Result) -> tuple[str, bool] | None:
    """Why the numbers of a run are not to be used, and whether that may be the service's doing."""
    invalid = ", ".join(check.name for check in result.observer.checks if check.outcome == "invalid")
    missing = ", ".join(fault.name for fault in result.faults if fault.call_s is None)
    if result.stopped_by is not None:
        return f"ended early: {result.stopped_by}", True
    if not result.observer.sound or result.observer.slowed:
        why = "CPU time was taken away" if result.observer.sound else "the observer was not sound"
        return f"{why}: {invalid}", False
    if missing:
        because = f" ({result.reasons[0]})" if result.reasons else ""
        return f"not injected: {missing}{because}", True
    if invalid:
        return f"invalid: {invalid}", True
    if result.verdict == "dirty":
        return "the system was not left as it was found", True
    return None
