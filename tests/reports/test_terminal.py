"""The summary: its exact text for one result of each verdict, and what it keeps to whatever the result says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hand_built import (
    ABORTED,
    ABSORBED,
    DIRTY,
    FAILED,
    INCONCLUSIVE,
    NEVER_RECOVERED,
    ON_NODES,
    PASSED,
    UNSOUND,
)
from msgspec.structs import replace
from rich.cells import cell_len

from chaosrun.reports._safe_text import fit_encoding
from chaosrun.reports._terminal import render
from chaosrun.scoring.result import ClientDetection, Criterion, Detection, FaultReport, Finding, Malformed, Result

GOLDEN = Path(__file__).parent / "golden"
FOLDER = Path("reports/20261121T090000Z-300-users-are-served-again")
RESULTS = {
    "passed": PASSED,
    "failed": FAILED,
    "never-recovered": NEVER_RECOVERED,
    "inconclusive": INCONCLUSIVE,
    "aborted": ABORTED,
    "dirty": DIRTY,
    "unsound": UNSOUND,
    "absorbed": ABSORBED,
    "on-nodes": ON_NODES,
}


@pytest.mark.parametrize("name", RESULTS)
def test_the_summary_reads_as_it_was_approved(name: str) -> None:
    """`CHAOSRUN_APPROVE=1 pytest tests/reports` writes the texts anew; read the difference before committing it."""
    text = render(RESULTS[name], FOLDER)
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("CHAOSRUN_APPROVE"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize("width", [80, 100, 120])
def test_no_line_is_wider_than_asked(name: str, width: int) -> None:
    assert all(cell_len(line) <= width for line in render(RESULTS[name], FOLDER, width=width).splitlines())


def test_where_only_feeds_stood_still_nobody_is_said_to_have_been_spared() -> None:
    feeds = {"stale": ClientDetection(count=20, p50=0.9, max=1.0)}
    recovery = replace(PASSED.recovery, affected_clients=0, lost_client_seconds=0.0, impact_by="accounts.pushes")
    text = render(replace(PASSED, recovery=recovery, detection_s=Detection(service=0.0, client=feeds)), FOLDER)
    assert "No client went unanswered; the feeds of 20 clients stood still." in " ".join(text.split())


def test_a_passed_run_fits_a_screen_of_80_by_24() -> None:
    assert render(PASSED, FOLDER, width=80, height=24).count("\n") < 24


def test_detail_is_left_out_only_where_it_does_not_fit() -> None:
    roomy = render(PASSED, FOLDER, width=100, height=60)
    assert roomy == render(PASSED, FOLDER, width=100)
    tight = render(PASSED, FOLDER, width=100, height=24)
    assert "6 held" in tight
    assert "Tolerance" in roomy


def test_what_did_not_hold_is_said_on_the_smallest_screen() -> None:
    text = render(FAILED, FOLDER, width=80, height=5)
    assert "requests.lost_connected" in text
    assert "recovery within" in text
    assert "look for" in text


def test_a_time_has_its_error_bound() -> None:
    assert "2.25 s ± 12.3 ms" in render(PASSED, FOLDER)


def test_a_number_and_its_unit_stay_on_one_line() -> None:
    for width in range(60, 121):
        for line in render(PASSED, FOLDER, width=width).splitlines():
            assert not line.strip().startswith(("ms ", "s ·", "± "))


def test_no_evidence_is_unknown_and_never_zero() -> None:
    text = render(NEVER_RECOVERED, FOLDER)
    assert "time to recover > 60 s" in text
    assert "outage unknown" in text
    assert "server ready unknown" in text


def test_both_ways_to_measure_latency_stand_side_by_side() -> None:
    lines = render(PASSED, FOLDER).splitlines()
    corrected = next(i for i, line in enumerate(lines) if "(corrected)" in line)
    assert "(uncorrected)" in lines[corrected + 1]


def test_several_groups_are_never_pooled() -> None:
    group = PASSED.groups["accounts"]
    text = render(replace(PASSED, groups={"accounts": group, "viewers": group}), FOLDER)
    assert "accounts: 15,000 due" in text
    assert "viewers: 15,000 due" in text
    assert "viewers response (corrected)" in text


def test_losses_are_named_even_when_there_are_none() -> None:
    assert "0 lost while connected" in render(PASSED, FOLDER)


def test_unaccountable_pushes_are_not_passed_over() -> None:
    push = replace(PASSED.messages.push, accountable=False, why="no epoch across a restart", unaccountable=17)
    messages = replace(PASSED.messages, push=push)
    text = render(replace(PASSED, messages=messages, groups={}), FOLDER)
    assert "not all can be accounted for: no epoch across a restart; 17 unaccountable" in text


def test_malformed_messages_are_told_where_there_are_any() -> None:
    for malformed, told in ((None, False), (Malformed(), False), (Malformed(count=1_204, first="no \x1bJSON"), True)):
        text = render(replace(PASSED, messages=replace(PASSED.messages, malformed=malformed), groups={}), FOLDER)
        assert ("1,204 messages could not be accepted; first: no \\x1bJSON" in text) is told


def test_a_warning_tier_passes_but_is_shown() -> None:
    slow = replace(PASSED.criteria[2], tier="warning", why="150 ms; at most 200 ms is asked")
    text = render(replace(PASSED, criteria=[slow]), FOLDER)
    assert "!  response_p99" in text
    assert "150 ms; at most 200 ms is asked" in text


def test_a_load_test_says_that_there_was_no_fault() -> None:
    assert "A load test: no fault was planned." in render(replace(PASSED, faults=[]), FOLDER)


@pytest.fixture
def hostile() -> Result:
    evil = "[bold red]x[/] \x1b]0;owned\x07\x1b[2J\u202e\nverdict: passed :smile:"
    criterion = Criterion(name=evil, metric="usable", window=evil, outcome=False, why=evil, written=evil)
    fault = FaultReport(
        name=evil, kind=evil, role=evil, call_s=1.0, confirmed_s=None, removed_s=None, verified=False, undone=None
    )
    return replace(
        FAILED,
        title=evil,
        profile=evil,
        verdict=evil,
        reasons=[evil],
        faults=[fault],
        criteria=[criterion],
        groups={evil: FAILED.groups["accounts"], "b": FAILED.groups["accounts"]},
        findings=[Finding(severity=evil, title=evil, evidence=evil, action=evil)],
        resources={evil: FAILED.resources["server"]},
        tolerance={evil: FAILED.tolerance["accounts"]},
        recovery=replace(FAILED.recovery, recovered_by=evil),
    )


@pytest.mark.parametrize("colour", [False, True])
def test_text_from_a_target_cannot_control_the_terminal(hostile: Result, colour: bool) -> None:
    text = render(hostile, FOLDER, colour=colour)
    assert "\x1b]" not in text
    assert "\x1b[2J" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert not [line for line in text.splitlines() if line.startswith("verdict: passed")]


def test_text_from_a_target_is_no_markup(hostile: Result) -> None:
    text = render(hostile, FOLDER, width=120)
    assert "[bold red]x[/]" in text
    assert ":smile:" in text


def test_without_colour_there_is_no_escape_at_all() -> None:
    assert "\x1b" not in render(FAILED, FOLDER)
    assert "\x1b[" in render(FAILED, FOLDER, colour=True)


@pytest.mark.parametrize("name", RESULTS)
def test_it_can_be_said_in_ascii(name: str) -> None:
    assert fit_encoding(render(RESULTS[name], FOLDER), "ascii").isascii()


def test_unknowns_with_one_reason_share_a_line() -> None:
    unknown = [
        replace(criterion, outcome=None, value=None, why="no evidence: the run has no window 'verify'")
        for criterion in (PASSED.criteria[1], PASSED.criteria[3])
    ]
    text = render(replace(PASSED, criteria=unknown), FOLDER)
    assert "?  usable, response_p99 in verify: no evidence: the run has no window 'verify'" in text


def test_a_quantile_among_waits_that_never_ended_is_never() -> None:
    waits = replace(PASSED.latency_ms.response["all"], p90=None, p99=None, p999=None, censored=2000)
    latency = replace(PASSED.latency_ms, response={"all": waits})
    text = render(replace(PASSED, latency_ms=latency, groups={}), FOLDER)
    line = next(line for line in text.splitlines() if "(corrected)" in line)
    assert line.split()[-6:] == ["0.412", "never", "never", "never", "2,246", "2,000"]
