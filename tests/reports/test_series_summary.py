"""The summary of a series: its exact text, what it says of a few runs and of many, and that it fits a screen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hand_built import ABORTED, ABSORBED, FAILED, INCONCLUSIVE, NEVER_RECOVERED, PASSED
from msgspec.structs import replace
from rich.cells import cell_len

from chaosrun.errors import Exit
from chaosrun.reports._safe_text import fit_encoding
from chaosrun.reports._terminal import render
from chaosrun.scoring.repeats import Stop, Trial, combine
from chaosrun.scoring.result import Result

GOLDEN = Path(__file__).parent / "golden"
FOLDER = Path("reports/20261121T090000Z-300-users-are-served-again-series")
STAMP = "20261121T09{:02}00Z-300-users-are-served-again"


def recovered_in(ttr: float, result: Result = PASSED) -> Result:
    return replace(result, recovery=replace(result.recovery, ttr_s=ttr))


def series(*results: Result | None, asked: int | None = None, halted: Stop | None = None) -> Result:
    trials = [
        Trial(STAMP.format(n), 137_000_000 * n % 10**9, result, broke=Exit.UNAVAILABLE, why="port 18431 is taken")
        for n, result in enumerate(results, 1)
    ]
    return combine(trials, asked=asked or len(trials), seed=4711, cool_down_ns=5 * 10**9, halted=halted)


SIX = [recovered_in(ttr) for ttr in (2.25, 2.11, 2.4, 2.19, 2.31, 2.02)]
RESULTS = {
    "series-passed": series(*SIX),
    "series-failed": series(*SIX[:2], FAILED, SIX[2], NEVER_RECOVERED, INCONCLUSIVE),
    "series-interrupted": series(SIX[0], ABORTED, asked=6),
    "series-broken": series(SIX[0], None, asked=3),
    "series-absorbed": series(ABSORBED, ABSORBED),
    "series-load-test": series(*[replace(PASSED, faults=[], recovery=replace(PASSED.recovery, ttr_s=None))] * 2),
}


@pytest.mark.parametrize("name", RESULTS)
def test_the_summary_reads_as_it_was_approved(name: str) -> None:
    """`CHAOSRUN_APPROVE=1 pytest tests/reports` writes the texts anew; read the difference before committing it."""
    text = render(RESULTS[name], FOLDER)
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("CHAOSRUN_APPROVE"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize("width", [80, 100, 120])
def test_no_line_is_wider_than_asked_and_no_cell_is_cut(name: str, width: int) -> None:
    text = render(RESULTS[name], FOLDER, width=width)
    assert all(cell_len(line) <= width for line in text.splitlines())
    assert "…" not in text


def test_a_service_that_adapted_before_the_faults_removal_did_have_an_impact() -> None:
    text = render(series(recovered_in(0.0), ABSORBED), FOLDER)
    adapted, absorbed = (line for line in text.splitlines() if line.lstrip()[:9] in ("1  passed", "2  passed"))
    assert "no impact" not in adapted
    assert " 0 s ± " in adapted
    assert "no impact" in absorbed


def test_six_runs_fit_a_screen_of_80_by_24() -> None:
    assert render(RESULTS["series-passed"], FOLDER, width=80, height=24).count("\n") < 24


def test_of_a_thousand_runs_those_that_did_not_pass_and_the_slowest_are_shown() -> None:
    results = [recovered_in(2 + n / 1000) for n in range(1000)]
    results[499] = FAILED
    text = render(series(*results), FOLDER, width=100, height=24)
    assert text.count("\n") < 24
    lines = [line.split() for line in text.splitlines()]
    assert any(line[:2] == ["500", "failed"] for line in lines)
    assert any(line[:2] == ["1000", "passed"] for line in lines)
    assert not any(line[:2] == ["1", "passed"] for line in lines)
    assert "more" in text


def test_all_runs_are_shown_where_nothing_bounds_the_page() -> None:
    text = render(series(*[recovered_in(2.0)] * 200), FOLDER)
    assert sum(line.split()[1:2] == ["passed"] for line in text.splitlines()) >= 199
    assert "more" not in text


def test_fewer_than_six_runs_have_no_interval_and_it_says_so() -> None:
    assert "no 95% interval: that takes at least 6 runs" in render(series(*SIX[:3]), FOLDER)


def test_what_passes_prove_is_said_and_no_more() -> None:
    assert "6 of 6 conclusive runs passed: a run fails with a probability below 39.3%" in _plain(series(*SIX))
    one_failed = _plain(series(*SIX[:5], FAILED))
    assert "5 of 6 conclusive runs passed: a run fails with a probability below 58.2%" in one_failed
    assert "0 of 2 conclusive runs passed: no bound" in _plain(series(FAILED, FAILED))
    assert "nothing: no run passed or failed" in _plain(series(INCONCLUSIVE))


def _plain(result: Result) -> str:
    return " ".join(render(result, FOLDER).split())


def test_a_median_that_is_censored_is_only_above_something() -> None:
    assert "median > 60 s of 3 runs" in _plain(series(SIX[0], NEVER_RECOVERED, NEVER_RECOVERED))


def test_a_single_run_is_called_a_demonstration() -> None:
    assert "one run is a demonstration, not proof" in render(PASSED, FOLDER)
    assert "demonstration" not in render(series(*SIX), FOLDER)


def test_names_from_elsewhere_cannot_control_the_terminal() -> None:
    evil = "\x1b]0;owned\x07\u202e"
    trial = Trial(f"run{evil}", 0, replace(FAILED, title=evil, reasons=[evil]), why=evil)
    broken = Trial(f"2{evil}", 0, None, broke=Exit.UNAVAILABLE, why=evil)
    text = render(combine([trial, broken], asked=2, seed=1, cool_down_ns=0, halted=None), FOLDER, colour=True)
    assert "\x1b]" not in text
    assert "\x07" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize("name", RESULTS)
def test_it_can_be_said_in_ascii(name: str) -> None:
    assert fit_encoding(render(RESULTS[name], FOLDER), "ascii").isascii()
