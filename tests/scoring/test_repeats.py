"""What several runs prove together: order statistics, the bound on failure, and the verdict of a series."""

from __future__ import annotations

from itertools import product
from math import comb, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ran import REQUESTS, result

from chaosrun.errors import Exit
from chaosrun.scoring.repeats import (
    FEWEST_FOR_INTERVAL,
    PRECEDENCE,
    Stop,
    Time,
    Trial,
    combine,
    failure_probability_below,
    median_ranks,
    named,
    spread,
    worst,
)
from chaosrun.scoring.result import Messages, Observer, Push, Result

# ---- the median and its interval ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "low", "high", "confidence"),
    [(6, 1, 6, 0.96875), (8, 1, 8, 0.9921875), (9, 2, 8, 0.9609375), (10, 2, 9, 0.978515625), (20, 6, 15, 0.95861053)],
)
def test_the_ranks_of_the_interval_are_those_of_the_binomial(n: int, low: int, high: int, confidence: float) -> None:
    """By hand: n = 10 leaves out 2 * (1 + 10) / 1024; n = 20 leaves out 2 * 21,700 / 2^20."""
    ranks = median_ranks(n)
    assert ranks is not None
    assert (ranks.low, ranks.high) == (low, high)
    assert ranks.confidence == pytest.approx(confidence, abs=1e-8)


@pytest.mark.parametrize("n", range(FEWEST_FOR_INTERVAL))
def test_fewer_than_six_runs_have_no_interval(n: int) -> None:
    assert FEWEST_FOR_INTERVAL == 6
    assert median_ranks(n) is None


@pytest.mark.parametrize("n", [6, 7, 10, 12])
def test_the_confidence_is_the_share_of_all_outcomes_in_which_the_interval_holds_the_median(n: int) -> None:
    """Each value falls below the median or above it: all 2^n ways are gone through."""
    ranks = median_ranks(n)
    assert ranks is not None
    holds = 0
    for sides in product((0, 1), repeat=n):
        below = sum(sides)
        holds += below >= ranks.low and below <= n - ranks.low
    assert ranks.confidence == holds / 2**n


@given(st.integers(6, 1000))
def test_the_interval_is_the_narrowest_that_is_sure_enough(n: int) -> None:
    ranks = median_ranks(n)
    assert ranks is not None
    assert ranks.low + ranks.high == n + 1
    inside = sum(comb(n, k) for k in range(ranks.low, ranks.high))
    assert ranks.confidence == inside / 2**n >= 0.95
    assert inside - comb(n, ranks.low) - comb(n, ranks.high - 1) < 0.95 * 2**n


def known(*times: float) -> list[Time]:
    return [Time(time) for time in times]


def test_the_median_of_an_odd_number_is_the_middle_and_of_an_even_one_between_the_middle_two() -> None:
    assert spread(known(3, 1, 2)).median == 2
    assert spread(known(4, 1, 3, 2)).median == 2.5


def test_of_six_runs_the_smallest_and_the_largest_enclose_the_median() -> None:
    found = spread(known(2.5, 2.1, 2.9, 2.2, 2.4, 2.3))
    assert (found.median, found.low, found.high, found.confidence) == (2.35, 2.1, 2.9, 0.96875)
    assert (found.runs, found.censored) == (6, 0)


def test_three_runs_have_a_median_and_no_interval() -> None:
    found = spread(known(1, 2, 3))
    assert (found.median, found.low, found.high, found.confidence) == (2, None, None, None)


def test_no_run_has_no_median() -> None:
    found = spread([])
    assert (found.median, found.median_above, found.runs) == (None, None, 0)


def test_a_time_that_never_ended_ranks_last_whatever_it_is_above() -> None:
    found = spread([*known(5, 6, 7, 8, 9), Time(1.0, censored=True)])
    assert (found.low, found.high, found.high_above, found.median, found.censored) == (5, None, 9.0, 7.5, 1)


def test_what_a_median_is_above_holds_though_one_that_never_ended_was_watched_for_less_long_than_another_took() -> None:
    """Had the last two ended after 4 s, the median of 1, 4, 4 and 50 would be 4: above 3, and not above 26.5."""
    four = spread([*known(1, 50), Time(3, censored=True), Time(3, censored=True)])
    assert (four.median, four.median_above) == (None, 3)


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans(), st.floats(0, 100)), min_size=1, max_size=12))
def test_what_is_said_to_be_above_a_time_is_so_however_long_the_open_ones_took(
    times: list[tuple[float, bool, float]],
) -> None:
    found = spread([Time(at, censored) for at, censored, _ in times])
    truth = spread(known(*(at + more if censored else at for at, censored, more in times)))
    for name in ("low", "median", "high"):
        above, true = getattr(found, f"{name}_above"), getattr(truth, name)
        assert above is None or above <= true + 1e-9


def test_a_median_among_those_that_never_ended_is_not_known_but_for_what_it_is_above() -> None:
    three = spread([Time(30, censored=True), Time(31, censored=True), *known(2)])
    assert (three.median, three.median_above) == (None, 30)
    two = spread([Time(30, censored=True), *known(2)])
    assert (two.median, two.median_above) == (None, 16), "between 2 and more than 30"


def test_if_none_ever_recovered_both_ends_are_open() -> None:
    found = spread([Time(30 + i, censored=True) for i in range(6)])
    assert (found.low, found.low_above, found.high, found.high_above) == (None, 30, None, 35)


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), min_size=1, max_size=40))
def test_the_ends_enclose_the_median_and_recovering_later_never_lowers_them(times: list[tuple[float, bool]]) -> None:
    found = spread([Time(*time) for time in times])
    later = spread([Time(at + 1, censored) for at, censored in times])
    never = spread([Time(at, True) for at, _ in times])

    def end(value: float | None) -> float:
        return inf if value is None else value

    if found.confidence is not None:
        assert end(found.low) <= end(found.median) <= end(found.high)
    for name in ("low", "median", "high"):
        assert end(getattr(found, name)) <= end(getattr(later, name)) <= end(getattr(never, name))
        assert getattr(found, name) is None or getattr(found, f"{name}_above") is None


# ---- what passes prove ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "below"), [(1, 0.95), (3, 0.6316), (6, 0.3930), (10, 0.2589), (59, 0.0495), (299, 0.00997)]
)
def test_so_many_passes_bound_the_probability_of_failure(n: int, below: float) -> None:
    bound = failure_probability_below(0, n)
    assert bound == pytest.approx(1 - 0.05 ** (1 / n), abs=1e-12)
    assert bound == pytest.approx(below, abs=5e-5)


def test_with_failures_the_bound_is_that_of_clopper_and_pearson() -> None:
    """1 failure in 6 runs: the p at which 5 or more passes are as rare as 5%, (1-p)^6 + 6p(1-p)^5 = 0.05."""
    p = failure_probability_below(1, 6)
    assert p is not None
    assert (1 - p) ** 6 + 6 * p * (1 - p) ** 5 == pytest.approx(0.05, abs=1e-9)
    assert failure_probability_below(6, 6) == 1


@given(st.integers(1, 200), st.data())
def test_more_failures_prove_less_and_more_passes_prove_more(n: int, data: st.DataObject) -> None:
    failed = data.draw(st.integers(0, n))
    here = failure_probability_below(failed, n)
    one_pass_more = failure_probability_below(failed, n + 1)
    one_failure_more = failure_probability_below(failed + 1, n + 1)
    assert here is not None and one_pass_more is not None and one_failure_more is not None
    assert one_pass_more <= here <= one_failure_more
    assert here >= failed / n


def test_without_a_conclusive_run_nothing_is_proved() -> None:
    assert failure_probability_below(0, 0) is None


# ---- the series -----------------------------------------------------------------------------------------------------


def series(
    *results: Result, asked: int | None = None, halted: Stop | None = None, broken: Trial | None = None
) -> Result:
    trials = [Trial(f"run-{number}", number, each) for number, each in enumerate(results, 1)]
    if broken is not None:
        trials.append(broken)
    return combine(trials, asked=asked or len(trials), seed=7, cool_down_ns=5 * 10**9, halted=halted)


def test_all_passed_is_passed_and_says_what_that_proves() -> None:
    whole = series(*[result(ttr=float(n)) for n in range(1, 7)])
    assert (whole.verdict, whole.exit_code, whole.reasons) == ("passed", 0, [])
    repeats = whole.repeats
    assert repeats is not None
    assert (repeats.n, repeats.asked, repeats.passed, repeats.failed) == (6, 6, 6, 0)
    assert repeats.failure_probability_below == pytest.approx(0.393, abs=1e-3)
    assert (repeats.ttr_s.median, repeats.ttr_s.low, repeats.ttr_s.high) == (3.5, 1, 6)
    assert (repeats.seed, repeats.cool_down_s) == (7, 5)


def test_a_run_is_told_with_its_losses_and_its_offset() -> None:
    push = Push(owed=10, lost_connected=1, missed_disconnected=2, tail=4)
    whole = series(result(messages=Messages(requests=REQUESTS, push=push)), result())
    assert whole.repeats is not None
    first, second = whole.repeats.runs
    assert (first.folder, first.offset_s, first.ttr_s, first.server_ready_s) == ("run-1", 1e-9, 2, 1)
    assert (first.replies_lost, first.pushes_lost) == (8, 7)
    assert second.pushes_lost is None, "it has no pushes"


@pytest.mark.parametrize("push", [Push(accountable=False), Push(tail=None)])
def test_pushes_that_cannot_be_accounted_for_are_no_number(push: Push) -> None:
    whole = series(result(messages=Messages(push=push)))
    assert whole.repeats is not None
    assert whole.repeats.runs[0].pushes_lost is None
    assert whole.repeats.runs[0].replies_lost is None, "none was due"


def test_the_exit_code_is_the_worst_and_the_reasons_name_the_runs() -> None:
    whole = series(result(), result("inconclusive"), result("failed"), result("failed"))
    assert (whole.verdict, whole.exit_code) == ("failed", 1)
    assert whole.reasons == ["runs 3, 4 failed; run 3: because", "run 2 proved nothing: inconclusive: because"]
    assert whole.repeats is not None
    assert (whole.repeats.passed, whole.repeats.failed, whole.repeats.inconclusive) == (1, 2, 1)
    assert whole.repeats.failure_probability_below == failure_probability_below_rounded(2, 3)


def failure_probability_below_rounded(failed: int, of: int) -> float:
    bound = failure_probability_below(failed, of)
    assert bound is not None
    return round(bound, 9)


def test_passed_and_inconclusive_runs_together_are_inconclusive() -> None:
    assert series(result(), result("inconclusive"), result()).exit_code == 3


@pytest.mark.parametrize(
    ("results", "stands"),
    [
        ([result(ttr=9.0), result("failed", ttr=3.0), result("failed", ttr=4.0)], "run-3"),
        ([result("failed", ttr=9.0), result("failed", ttr=None, above=5.0)], "run-2"),
        ([result("failed", ttr=None, above=5.0), result("failed", ttr=None, above=6.0)], "run-2"),
        ([result(ttr=2.0), result(ttr=2.0)], "run-1"),
        ([result("inconclusive", ttr=None), result("inconclusive", ttr=1.0)], "run-2"),
    ],
)
def test_the_worst_run_stands_for_the_series(results: list[Result], stands: str) -> None:
    whole = series(*results)
    assert whole.repeats is not None
    assert whole.repeats.worst == stands
    assert whole.recovery == results[int(stands[-1]) - 1].recovery


@pytest.mark.parametrize(
    ("left_out", "why"),
    [
        (result("dirty"), "not as it was found"),
        (result("aborted", stopped_by="stopped by SIGINT"), "ended early"),
        (result("inconclusive", stopped_by="load process 0 ended"), "ended early"),
        (result("inconclusive", observer=Observer(sound=False, checks=[], excluded=[])), "the observer was not sound"),
        (result(observer=Observer(sound=True, slowed=True, checks=[], excluded=[])), "CPU time was taken away"),
        (result("inconclusive", ttr=None), "no time to recover"),
        (result(ttr=None, faults=[]), "no fault"),
    ],
)
def test_what_says_nothing_of_the_time_to_recover_is_left_out_of_it(left_out: Result, why: str) -> None:
    whole = series(result(ttr=4.0), left_out)
    assert whole.repeats is not None
    assert whole.repeats.runs[1].left_out == why
    assert (whole.repeats.ttr_s.runs, whole.repeats.ttr_s.median) == (1, 4)


def test_an_inconclusive_run_that_was_observed_soundly_counts_for_the_time_and_not_for_the_proof() -> None:
    whole = series(result(ttr=1.0), result("inconclusive", ttr=3.0))
    assert whole.repeats is not None
    assert whole.repeats.ttr_s.median == 2
    assert whole.repeats.failure_probability_below == failure_probability_below_rounded(0, 1)


def test_a_signal_between_two_runs_aborts_the_series_of_passed_runs() -> None:
    whole = series(result(), asked=3, halted=Stop(Exit.ABORTED, "stopped by SIGINT"))
    assert (whole.verdict, whole.exit_code, whole.stopped_by) == ("aborted", 4, "stopped by SIGINT")
    assert whole.reasons == ["stopped: stopped by SIGINT", "only 1 of 3 runs were made"]


def test_a_run_that_broke_off_keeps_the_series_from_passing() -> None:
    broken = Trial("run-2", 5, None, broke=Exit.UNAVAILABLE, why="port 1 is taken")
    whole = series(result(), broken=broken, asked=3)
    assert (whole.verdict, whole.exit_code) == ("inconclusive", 69)
    assert whole.reasons == ["only 2 of 3 runs were made", "run 2 broke off (exit 69): port 1 is taken"]
    assert whole.repeats is not None
    assert (whole.repeats.n, whole.repeats.broken) == (2, 1)
    assert whole.repeats.runs[1].verdict is None


def test_a_failure_weighs_more_than_a_run_that_broke_off() -> None:
    broken = Trial("run-2", 5, None, broke=Exit.UNAVAILABLE, why="port 1 is taken")
    assert series(result("failed"), broken=broken).exit_code == 1


def test_a_series_that_ended_without_a_word_does_not_pass() -> None:
    """As after SIGKILL between two runs."""
    whole = series(result(), result(), asked=3)
    assert (whole.verdict, whole.exit_code) == ("inconclusive", 3)
    assert whole.reasons == ["only 2 of 3 runs were made, and nothing tells why"]


def test_a_series_without_any_result_has_none() -> None:
    with pytest.raises(ValueError, match="no"):
        series(broken=Trial("run-1", 0, None, broke=Exit.UNAVAILABLE))


def test_every_exit_code_has_its_place_in_the_precedence() -> None:
    assert sorted(PRECEDENCE) == sorted(Exit)
    assert worst([Exit.PASSED, Exit.INCONCLUSIVE, Exit.FAILED]) == Exit.FAILED
    assert worst([Exit.FAILED, Exit.ABORTED, Exit.DEFECT, Exit.DIRTY]) == Exit.DIRTY


def test_many_runs_are_counted_and_few_are_named() -> None:
    assert (named([3]), named([3, 5])) == ("run 3", "runs 3, 5")
    assert named(range(1, 41)) == "40 runs (1, 2, 3, ...)"
