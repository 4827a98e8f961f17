"""Borders of a steady baseline that a mutation pass found nobody to guard; times are a few exact nanoseconds."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from storybook import Story, group

from chaosrun.scoring.checks import Check
from chaosrun.scoring.evidence import GroupEvidence
from chaosrun.scoring.requests import RequestLedger, RequestWindow
from chaosrun.scoring.steadiness import drift

LIMIT = 2_000
"""L; a hundredth of it, 20 ns, is too little to matter."""


@pytest.fixture(scope="module")
def evidence() -> GroupEvidence:
    history = Story(group(clients=1)).history()
    plan = msgspec.structs.replace(
        history.plan,
        groups=tuple(msgspec.structs.replace(each, latency_limit_ns=LIMIT) for each in history.plan.groups),
    )
    return replace(GroupEvidence.of(history, 0), history=replace(history, plan=plan))


def half(median: int) -> RequestWindow:
    window = RequestWindow(start=0, end=1, ledger=RequestLedger())
    window.response.record(median, 3)
    return window


@pytest.mark.parametrize(
    ("before", "after", "grade", "why"),
    [
        (110, 132, "ok", ""),
        (110, 133, "invalid", "from 110 ns to 133 ns"),
        (133, 110, "ok", ""),
        (140, 110, "invalid", "from 140 ns to 110 ns"),
        (90, 110, "ok", "from 90 ns to 110 ns: too little to matter"),
        (90, 111, "invalid", "from 90 ns to 111 ns"),
    ],
)
def test_a_median_may_move_by_a_fifth_or_by_a_hundredth_of_the_limit(
    evidence: GroupEvidence, before: int, after: int, grade: str, why: str
) -> None:
    check = drift(evidence, half(before), half(after))
    assert (check.grade, check.why, check.limit, check.unit) == (grade, why, 0.2, "ratio")
    assert check.value == abs(after - before) / before


def test_without_a_median_there_is_no_drift_to_judge(evidence: GroupEvidence) -> None:
    nothing = RequestWindow(start=0, end=1, ledger=RequestLedger())
    assert [drift(evidence, *halves).grade for halves in ((nothing, half(1)), (half(1), nothing))] == [None, None]


def test_a_check_is_about_the_baseline_the_effect_or_the_observer_by_what_it_clouds() -> None:
    subjects = [Check(name="c", clouds=frozenset(clouds)).subject for clouds in ((), ("effect",), ("effect", "lag"))]
    assert subjects == ["baseline", "effect", "observer"]
