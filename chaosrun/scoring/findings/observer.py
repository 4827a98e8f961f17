"""What keeps the run itself from proving anything: the observer, the machine, the effect, the baseline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chaosrun.scoring.checks import Check
from chaosrun.scoring.findings._rule import Rule, Seen, Told
from chaosrun.scoring.words import show


def _unsound(seen: Seen) -> Iterator[Told]:
    invalid = _invalid(seen, "observer")
    if invalid:
        yield Told(
            "critical",
            "The run cannot vouch for all of its numbers",
            invalid,
            "Mend that and run again: a quieter machine, more worker processes, fewer clients.",
        )


def _slowed(seen: Seen) -> Iterator[Told]:
    invalid = _invalid(seen, "machine")
    if invalid:
        yield Told(
            "warning",
            "CPU time was taken away from load and service alike",
            invalid,
            "What kept its limits has kept them in spite of that; what did not is not held against the service. "
            "Times are upper bounds: for better ones run where CPU time is not shared or limited.",
        )


def _unseen(seen: Seen) -> Iterator[Told]:
    invalid = _invalid(seen, "effect")
    if invalid:
        yield Told(
            "warning",
            "It is not sure that the fault did anything",
            invalid,
            "Check that its role is the one under load, and give the step a `probe` that can see the effect.",
        )


def _unsteady(seen: Seen) -> Iterator[Told]:
    broken = [f"{c.name}: {c.why}" for c in seen.judgement.criteria if c.window == "baseline" and c.outcome is False]
    invalid = _invalid(seen, "baseline")
    if seen.history.plan.faults and (broken or invalid):
        yield Told(
            "critical",
            "The service was not steady before the fault",
            "; ".join([*broken, *([invalid] if invalid else [])]),
            "Find out why it misses its limits in peace, or lengthen the baseline, before injecting faults.",
        )


def _invalid(seen: Seen, subject: str) -> str:
    checks = seen.judgement.checks
    return "; ".join(_told(check) for check in checks if check.grade == "invalid" and check.subject == subject)


def _told(check: Check) -> str:
    """With its value, where its reason does not say it."""
    if check.why or check.value is None or check.limit is None:
        return check.told()
    return f"{check.name}: {show(check.value, check.unit)} (at most {show(check.limit, check.unit)})"


RULES: Final = (
    Rule("observer-unsound", _unsound),
    Rule("machine-slowed", _slowed),
    Rule("effect-unseen", _unseen),
    Rule("unsteady-baseline", _unsteady),
)
