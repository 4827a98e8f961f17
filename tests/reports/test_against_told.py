"""What `--against` made of a run is told by every report for people, whether it was judged or not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hand_built import PASSED
from hand_drawn import drawn, picture
from msgspec.structs import replace

from chaosrun.against import LAST_GOOD, Against, Standard
from chaosrun.reports._terminal import render
from chaosrun.reports.html import render as page
from chaosrun.reports.junit import document
from chaosrun.reports.summary import markdown
from chaosrun.scoring.against import hold_series
from chaosrun.scoring.result import Result

HOSTILE = "</p><script>alert(1)</script>\x1b[31m"


def held(runs: int, named: str = LAST_GOOD) -> Result:
    standard = Standard(metric="ttr", values=((0.5, 0.001),) * runs)
    return hold_series(PASSED, [PASSED], Against(named=named, runs=("r",) * runs, numbers=(standard,)))


def told(result: Result) -> list[str]:
    text = " ".join(render(result, Path("r"), width=200).split())
    return [text, markdown(result).decode(), page(drawn(result, picture()))["report.html"].decode()]


@pytest.mark.parametrize("where", range(3), ids=["terminal", "summary.md", "report.html"])
def test_a_regression_is_told_with_its_numbers(where: int) -> None:
    text = told(held(19))[where]
    assert "no regression of ttr" in text
    assert "against 500 ms, the median of 19 runs" in text


@pytest.mark.parametrize("where", range(3), ids=["terminal", "summary.md", "report.html"])
def test_what_was_not_asked_is_told_with_what_it_takes(where: int) -> None:
    text = told(held(4))[where]
    assert "not held against last-good: too few to tell: 4 runs, and for one new run it takes 19" in text


def test_without_it_nothing_is_told() -> None:
    assert not any("held against" in text for text in told(PASSED))


def test_a_regression_is_a_failure_for_junit() -> None:
    assert b"no regression of ttr" in document(held(19))
    assert b'failures="1"' in document(held(19))
    assert b"no regression of ttr" not in document(held(4))


def test_the_name_of_the_runs_stays_text() -> None:
    result = replace(held(19, HOSTILE), title="t")
    text, *others = told(result)
    assert "\x1b" not in text
    assert not any("<script>alert" in other for other in others)
