"""What the tests of a harmed observer share."""

from __future__ import annotations

from pathlib import Path

import pytest
from sabotages import Sabotage, Sabotaged, run

from chaosrun.metrics._base import Metric
from chaosrun.registry import load
from chaosrun.scoring.checks import Check

TRIES = 3


def harmed(sabotage: Sabotage, scratch: Path) -> Sabotaged:
    """A run in which the harm came to pass: on a busy machine the baseline may not be steady, and then none does."""
    for number in range(TRIES):
        told = run(sabotage, scratch / str(number))
        if told.was_harmed(sabotage):
            return told
    pytest.skip(f"this machine was too busy for a steady baseline, {TRIES} times")


def invalid(told: Sabotaged, name: str) -> Check:
    """The one check whose name begins so; it must be invalid."""
    (check,) = [check for check in told.checks if check.name.startswith(name)]
    assert check.grade == "invalid", check
    return check


def only_these_are_unknown(told: Sabotaged, *checks: Check) -> None:
    """What relies on these checks is unknown, nothing is false, and what relies on no invalid check stands."""
    besides = {
        need for check in told.checks if check.grade == "invalid" and check not in checks for need in check.clouds
    }
    clouded = {need for check in checks for need in check.clouds}
    for metric, outcome in told.outcomes().items():
        made: Metric = load("metrics", metric)
        assert outcome is not False, metric
        if not clouded.isdisjoint(made.needs):
            assert outcome is None, metric
        elif besides.isdisjoint(made.needs):
            assert outcome is True, metric
