"""The comparison on the screen: its exact text, and what it keeps to whatever is compared."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hand_built import PASSED
from kept import CONDITIONS, RELEASE_2, result
from msgspec.structs import replace
from rich.cells import cell_len

from chaosrun.conditions import Conditions
from chaosrun.reports._comparison import render
from chaosrun.scoring.comparable import SHOWN, subjects
from chaosrun.scoring.comparison import Comparison, Run, compare
from chaosrun.scoring.result import Observer

GOLDEN = Path(__file__).parent / "golden"
GROUPS = list(PASSED.groups)


def compared(
    a: Sequence[float | None], b: Sequence[float | None], conditions: Conditions = RELEASE_2, *, unsound: int = 0
) -> Comparison:
    runs_a = [Run(f"reports/v1/run-{number}", result(ttr)) for number, ttr in enumerate(a, 1)]
    runs_b = [Run(f"reports/v2/run-{number}", result(ttr, conditions)) for number, ttr in enumerate(b, 1)]
    bad = Observer(sound=False, checks=[replace(PASSED.observer.checks[0], outcome="invalid")], excluded=[])
    runs_b += [Run(f"reports/v2/unsound-{n}", replace(result(1.0, conditions), observer=bad)) for n in range(unsound)]
    also = [subject for name in SHOWN for subject in subjects(name, GROUPS)]
    return compare(runs_a, runs_b, decide=subjects("ttr", GROUPS), also=also)


COMPARED = {
    "regression": compared([2.01, 2.12, 2.2], [4.03, 4.11, 4.44]),
    "no-regression": compared([2.0, 2.1, 2.2, 2.3, 2.15, 2.05], [2.02, 2.12, 2.22, 2.26, 2.17, 2.01], CONDITIONS),
    "cannot-tell": compared([2.0], [4.0, None], unsound=1),
    "never": compared([2.0, 2.1, None], [None, None, None, None]),
}


def rendered(name: str, width: int = 100) -> str:
    return render(COMPARED[name], "reports/v1", "reports/v2", "Users are served again", width=width)


@pytest.mark.parametrize("name", COMPARED)
def test_the_comparison_reads_as_it_was_approved(name: str) -> None:
    """`CHAOSRUN_APPROVE=1 pytest tests/compare` writes the texts anew; read the difference before committing it."""
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("CHAOSRUN_APPROVE"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(rendered(name), encoding="utf-8")
    assert rendered(name) == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", COMPARED)
@pytest.mark.parametrize("width", [80, 100, 120])
def test_no_line_is_wider_than_asked(name: str, width: int) -> None:
    assert all(cell_len(line) <= width for line in rendered(name, width).splitlines())


def test_it_fits_one_screen() -> None:
    assert all(rendered(name).count("\n") < 40 for name in COMPARED)


def test_text_of_others_cannot_reach_the_terminal() -> None:
    hostile = Conditions(under_test={"target.url": "\x1b[2Jws://x"}, required=CONDITIONS.required)
    text = render(compared([2.0], [2.0], hostile), "a\x1b[2J", "b", "title\x1b[2J")
    assert "\x1b" not in text
    assert "\\x1b[2Jws://x" in text
