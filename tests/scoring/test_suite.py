"""What several experiments come to together: exit code, verdict, counts and reasons."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ran import REQUESTS, result

from chaosrun.errors import Exit
from chaosrun.scoring.repeats import PRECEDENCE, Stop
from chaosrun.scoring.result import Criterion, Messages, Push, RecoveryReport, Repeats, Spread
from chaosrun.scoring.suite import (
    Asked,
    Suite,
    SuiteRun,
    broke_off,
    combine,
    decode,
    encode,
    not_run,
    ran,
    skipped,
)

ASKED = Asked(experiment="a.yaml", title="a", profile="smoke", overrides=("timing.after",))


def row(verdict: str = "passed", **fields: object) -> SuiteRun:
    return ran(ASKED, "RUN", result(verdict, **fields))  # type: ignore[arg-type]


def over(rows: Sequence[SuiteRun], halted: Stop | None = None) -> Suite:
    return combine(
        rows,
        title="t",
        version="1",
        started_at="2026-01-02T03:04:05+00:00",
        duration_ns=61_500_000_000,
        cool_down_ns=5_000_000_000,
        halted=halted,
    )


def test_a_row_says_what_was_asked_and_what_came_of_it() -> None:
    criteria = [
        Criterion(name="ttr", metric="ttr", window="recovery", outcome=True),
        Criterion(name="lost", metric="lost", window="after", outcome=False),
        Criterion(name="p99", metric="p99", window="verify", outcome=None),
    ]
    told = row("failed", criteria=criteria)
    assert (told.experiment, told.title, told.profile, told.overrides) == ("a.yaml", "a", "smoke", ("timing.after",))
    assert (told.state, told.verdict, told.exit_code, told.folder) == ("ran", "failed", 1, "RUN")
    assert (told.ttr_s, told.ttr_error_s, told.ttr_above_s) == (2.0, 0.1, None)
    assert told.replies_lost == REQUESTS.lost_connected + REQUESTS.lost_at_break
    assert (told.criteria, told.broken, told.unknown) == (3, ("lost in after",), ("p99 in verify",))
    assert told.runs is None


def test_what_was_missed_while_away_is_told_apart_from_what_was_lost() -> None:
    push = Push(owed=10, lost_connected=1, missed_disconnected=2, tail=4)
    told = row(messages=Messages(requests=REQUESTS, push=push))
    assert (told.pushes_lost, told.pushes_missed) == (7, 2)
    assert row().pushes_missed is None, "it has no pushes"
    unknown = row(messages=Messages(requests=REQUESTS, push=Push(missed_disconnected=2, tail=None)))
    assert (unknown.pushes_lost, unknown.pushes_missed) == (None, None)


def test_a_time_that_never_ended_is_told_by_what_it_is_above() -> None:
    told = row(recovery=RecoveryReport(ttr_censored_above_s=30.0, ttr_pending_above_s=28.0))
    assert (told.ttr_s, told.ttr_above_s) == (None, 28.0)


def test_a_series_has_one_row_that_counts_its_runs() -> None:
    repeats = Repeats(
        n=3, asked=3, passed=2, failed=1, inconclusive=0, aborted=0, dirty=0, broken=0, failure_probability_below=0.9,
        confidence=0.95, ttr_s=Spread(), seed=1, cool_down_s=5.0, worst="x", runs=[],
    )  # fmt: skip
    told = row("failed", repeats=repeats)
    assert (told.runs, told.runs_passed) == (3, 2)


def test_all_that_passed_is_passed() -> None:
    suite = over([row(), row()])
    assert (suite.verdict, suite.exit_code, suite.reasons) == ("passed", 0, ())
    assert (suite.asked, suite.passed, suite.duration_s, suite.cool_down_s) == (2, 2, 61.5, 5.0)
    assert suite.day is None


@pytest.mark.parametrize("worse", PRECEDENCE[:-1])
def test_the_exit_code_is_that_of_the_worst(worse: Exit) -> None:
    for better in PRECEDENCE[PRECEDENCE.index(worse) :]:
        rows = [broke_off(ASKED, None, better, "b"), broke_off(ASKED, None, worse, "w")]
        assert over(rows).exit_code == worse
        assert over(rows[::-1]).exit_code == worse


def test_what_did_not_pass_is_told_the_worst_first_and_once() -> None:
    rows = [row(), row("inconclusive"), row("failed"), broke_off(ASKED, None, Exit.UNAVAILABLE, "no port")]
    suite = over(rows)
    assert suite.reasons == (
        "experiment 3 (a): failed: because",
        "experiment 2 (a): inconclusive: because",
        "experiment 4 (a): broke off (exit 69): no port",
    )
    assert (suite.passed, suite.failed, suite.inconclusive, suite.broken) == (1, 1, 1, 1)


def test_what_was_skipped_counts_against_nothing_where_another_was_run() -> None:
    suite = over([skipped(ASKED, Exit.UNAVAILABLE, "no netem"), row()])
    assert (suite.verdict, suite.exit_code, suite.skipped, suite.reasons) == ("passed", 0, 1, ())


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ((Exit.USAGE,), Exit.USAGE),
        ((Exit.UNAVAILABLE,), Exit.UNAVAILABLE),
        ((Exit.USAGE, Exit.UNAVAILABLE), Exit.UNAVAILABLE),
    ],
)
def test_where_all_were_skipped_nothing_was_proved(codes: tuple[Exit, ...], code: Exit) -> None:
    suite = over([skipped(ASKED, each, "why") for each in codes])
    assert (suite.verdict, suite.exit_code) == ("inconclusive", code)
    assert suite.reasons == ("no experiment was run: all of them were skipped",)


def test_what_ended_it_early_counts_and_is_told_first() -> None:
    halted = Stop(Exit.ABORTED, "stopped by SIGINT")
    suite = over([row(), row("failed"), not_run(ASKED, halted.why)], halted)
    assert (suite.verdict, suite.exit_code, suite.stopped_by) == ("aborted", 4, "stopped by SIGINT")
    assert suite.reasons[:2] == ("stopped: stopped by SIGINT", "1 of 3 experiments not run")
    assert (suite.not_run, suite.runs[2].exit_code) == (1, None)


def test_what_was_cut_off_never_passes() -> None:
    suite = over([row(), not_run(ASKED, "nothing tells why")])
    assert (suite.verdict, suite.exit_code) == ("inconclusive", 3)
    assert suite.reasons == ("1 of 2 experiments not run, and nothing tells why",)


def test_it_is_read_back_as_it_was_written() -> None:
    suite = over([row(), skipped(ASKED, Exit.USAGE, "no profile"), row("dirty")], Stop(Exit.DIRTY, "dirty"))
    assert decode(encode(suite)) == suite
    assert encode(decode(encode(suite))) == encode(suite)


ROWS = st.lists(
    st.one_of(
        st.sampled_from(["passed", "failed", "inconclusive", "aborted", "dirty"]).map(row),
        st.sampled_from([code for code in Exit if code]).map(lambda code: broke_off(ASKED, None, code, "broke")),
        st.sampled_from([Exit.USAGE, Exit.UNAVAILABLE]).map(lambda code: skipped(ASKED, code, "skipped")),
        st.just(not_run(ASKED, "over")),
    ),
    min_size=1,
)
HALTED = st.none() | st.builds(Stop, st.sampled_from([code for code in Exit if code]), st.just("why"))


@given(ROWS, HALTED)
def test_each_experiment_is_counted_once(rows: list[SuiteRun], halted: Stop | None) -> None:
    suite = over(rows, halted)
    counted = (suite.passed, suite.failed, suite.inconclusive, suite.aborted, suite.dirty, suite.broken, suite.skipped)
    assert sum(counted) + suite.not_run == suite.asked == len(suite.runs)


@given(ROWS, HALTED)
def test_it_passes_exactly_where_all_that_was_not_skipped_passed(rows: list[SuiteRun], halted: Stop | None) -> None:
    suite = over(rows, halted)
    run = [each for each in rows if each.state != "skipped"]
    good = bool(run) and halted is None and all(each.verdict == "passed" for each in run)
    assert (suite.exit_code == 0) == (suite.verdict == "passed") == good
    assert bool(suite.reasons) != good


@given(ROWS, HALTED, st.data())
def test_the_order_of_the_experiments_changes_no_exit_code(
    rows: list[SuiteRun], halted: Stop | None, data: st.DataObject
) -> None:
    assert over(data.draw(st.permutations(rows)), halted).exit_code == over(rows, halted).exit_code


@given(ROWS, st.data())
def test_one_experiment_more_never_makes_it_better(rows: list[SuiteRun], data: st.DataObject) -> None:
    begun = [each for each in rows if each.state in ("ran", "broken")] or [row()]
    more = [*begun, data.draw(st.sampled_from(begun))]
    assert PRECEDENCE.index(Exit(over(more).exit_code)) <= PRECEDENCE.index(Exit(over(begun).exit_code))
