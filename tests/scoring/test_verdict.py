"""True, false or unknown: one reading against one criterion, and all of them against a run."""

from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosrun.errors import Exit
from chaosrun.plan import CriterionPlan
from chaosrun.scoring.result import Criterion
from chaosrun.scoring.verdict import Reading, above, counted, decide, exact, run_verdict, share, vacuous
from chaosrun.scoring.words import show


def plan(**limits: Any) -> CriterionPlan:
    return CriterionPlan(name="c", metric="m", window="whole", **limits)


def judged(reading: Reading | None, *, up: bool = False, **limits: Any) -> bool | None:
    return decide(plan(**limits), reading, up=up, unit="s").outcome


def test_a_maximum_is_kept_broken_or_too_close_to_call() -> None:
    assert judged(exact(9.0, error=1.0), max=10) is True
    assert judged(exact(11.5, error=1.0), max=10) is False
    assert judged(exact(9.5, error=1.0), max=10) is None
    assert judged(exact(10.5, error=1.0), max=10) is None


def test_a_minimum_is_kept_broken_or_too_close_to_call() -> None:
    assert judged(exact(11.0, error=1.0), min=10) is True
    assert judged(exact(8.5, error=1.0), min=10) is False
    assert judged(exact(10.5, error=1.0), min=10) is None


def test_at_its_limit_a_value_is_kept() -> None:
    assert judged(counted(3), max=3) is True
    assert judged(counted(4), max=3) is False
    assert judged(exact(0.95), min=0.95) is True


def test_an_interval_that_touches_the_limit_from_the_wrong_side_is_unknown() -> None:
    assert judged(exact(9.5, error=0.5), min=10) is None
    assert judged(exact(10.5, error=0.5), max=10) is None


def test_the_error_is_the_larger_distance_and_none_of_an_open_interval() -> None:
    assert Reading(5.0, 3.0, 6.0).error == 2.0
    assert Reading(5.0, 4.0, 8.0).error == 3.0
    assert Reading(5.0, 4.0, inf).error is None
    assert Reading(5.0, -inf, 6.0).error is None
    assert Reading(None, 4.0, 6.0).error is None


def test_no_evidence_is_unknown_and_says_so() -> None:
    outcome = decide(plan(max=10), None, up=False, unit="s")
    assert outcome.outcome is None
    assert "no evidence" in outcome.why


def test_of_a_minimum_and_a_maximum_the_broken_one_decides() -> None:
    assert judged(exact(5.0), min=1, max=10) is True
    assert decide(plan(min=1, max=10), exact(12.0), up=True, unit="count")[:2] == (False, 10)
    assert decide(plan(min=1, max=10), exact(0.5), up=True, unit="count")[:2] == (False, 1)
    # One is clear and broken, the other unclear: false, not unknown.
    assert judged(exact(12.0, error=1.5), min=11, max=10) is False


@pytest.mark.parametrize(
    ("value", "outcome", "tier"),
    [
        (0.08, True, "ok"),
        (0.1, True, "ok"),
        (0.15, True, "warning"),
        (0.2, True, "warning"),
        (0.3, False, "failed"),
        (0.5, False, "failed"),
        (0.6, False, "critical"),
    ],
)
def test_tiers_of_a_latency(value: float, outcome: bool, tier: str) -> None:
    found = decide(plan(target=0.1, warning=0.2, critical=0.5), exact(value), up=False, unit="s")
    assert (found.outcome, found.tier, found.limit) == (outcome, tier, 0.2)


@pytest.mark.parametrize(
    ("value", "outcome", "tier"),
    [(1200, True, "ok"), (900, True, "warning"), (600, False, "failed"), (400, False, "critical")],
)
def test_tiers_of_a_throughput_go_the_other_way(value: float, outcome: bool, tier: str) -> None:
    found = decide(plan(target=1000, warning=800, critical=500), exact(value), up=True, unit="1/s")
    assert (found.outcome, found.tier) == (outcome, tier)


def test_without_a_warning_tier_the_target_decides() -> None:
    limits = {"target": 0.1, "critical": 0.5}
    assert decide(plan(**limits), exact(0.2), up=False, unit="s").tier == "failed"
    assert judged(exact(0.2), **limits) is False
    assert judged(exact(0.1), **limits) is True


def test_a_borderline_value_has_no_tier() -> None:
    found = decide(plan(target=0.1, warning=0.2), exact(0.2, error=0.05), up=False, unit="s")
    assert (found.outcome, found.tier) == (None, None)


def test_a_share_carries_its_exact_interval() -> None:
    reading = share(3, 20)
    assert reading is not None
    assert (reading.low, reading.high) == pytest.approx((0.0321, 0.3789), abs=5e-5)
    assert judged(share(3, 20), max=0.4) is True
    assert judged(share(3, 20), max=0.2) is None
    assert judged(share(3, 20), max=0.03) is False


def test_none_of_many_and_all_of_many_are_exact() -> None:
    assert judged(share(0, 400), max=0.0) is True
    assert judged(share(0, 400), max=0.005) is True
    assert judged(share(300, 300), min=1.0) is True
    assert judged(share(299, 300), min=1.0) is False


def test_a_share_of_nothing_is_no_evidence() -> None:
    assert share(0, 0) is None
    assert counted(0, 0).as_share() is None
    assert counted(5).as_share() is None


def test_a_count_can_be_held_to_a_share() -> None:
    assert judged(counted(2, of=100).as_share(), max=0.1) is True
    assert judged(counted(50, of=100).as_share(), max=0.1) is False


def test_a_lower_bound_can_break_a_limit_and_never_keep_it() -> None:
    from_below = Reading(0, 0, inf, 0, 100)
    assert judged(from_below, max=0) is None
    assert judged(Reading(3, 3, inf, 3, 100), max=2) is False
    as_share = from_below.as_share()
    assert as_share is not None and judged(as_share, max=0.1) is None


def test_what_was_never_seen_to_end_fails_once_the_observed_time_reaches_the_limit() -> None:
    assert judged(above(60.0, "never"), max=10) is False
    assert judged(above(10.0, "never"), max=10) is False
    assert judged(above(9.9, "never"), max=10) is None
    assert above(9.9, "").error is None


def test_a_vacuous_truth_holds_and_says_so() -> None:
    found = decide(plan(max=0.1), vacuous("no client was affected"), up=False, unit="s")
    assert found.outcome is True
    assert "vacuously" in found.why and "no client was affected" in found.why


def test_a_criterion_without_a_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="no limit"):
        decide(plan(), exact(1.0), up=False, unit="s")


def test_the_words_name_the_numbers() -> None:
    assert decide(plan(max=0.5), exact(0.412), up=False, unit="s").why == "412 ms; at most 500 ms is asked"
    close = decide(plan(max=0.2), share(3, 20), up=False, unit="ratio").why
    assert close == "too close to call: 15% (3 of 20), in truth between 3.21% and 37.9%; at most 20% is asked"
    never = decide(plan(max=10), above(60.0, "nobody came back"), up=False, unit="s").why
    assert never == "more than 60 s, nobody came back; at most 10 s is asked"
    open_still = decide(plan(max=90), above(60.0, ""), up=False, unit="s").why
    assert open_still == "more than 60 s; at most 90 s is asked, which stays open"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "s", "0 s"),
        (12.5, "s", "12.5 s"),
        (0.9999, "s", "1 s"),
        (0.0123, "s", "12.3 ms"),
        (4e-6, "s", "4 us"),
        (3e-9, "s", "3 ns"),
        (0.005, "ratio", "0.5%"),
        (1, "ratio", "100%"),
        (12e9, "bytes", "12 GB"),
        (512, "bytes", "512 B"),
        (1234.5, "1/s", "1234/s"),
        (7, "count", "7"),
    ],
)
def test_values_read_as_a_person_would_write_them(value: float, unit: str, text: str) -> None:
    assert show(value, unit) == text


# ---- the run --------------------------------------------------------------------------------------------------------


def criterion(outcome: bool | None, window: str = "whole", name: str = "c") -> Criterion:
    return Criterion(name=name, metric="m", window=window, outcome=outcome, why="so it is")


def test_a_run_passes_when_every_criterion_holds() -> None:
    verdict = run_verdict([criterion(True), criterion(True, "baseline")], load_test=False)
    assert verdict == ("passed", Exit.PASSED, ())


def test_one_false_criterion_fails_the_run_whatever_is_unknown() -> None:
    verdict = run_verdict([criterion(None), criterion(False), criterion(True)], load_test=False)
    assert (verdict.verdict, verdict.exit_code) == ("failed", Exit.FAILED)
    assert verdict.reasons[0] == "failed: c in whole: so it is"


def test_an_unknown_criterion_makes_the_run_inconclusive() -> None:
    verdict = run_verdict([criterion(None), criterion(True)], load_test=False)
    assert (verdict.verdict, verdict.exit_code) == ("inconclusive", Exit.INCONCLUSIVE)


def test_a_false_baseline_makes_a_run_with_faults_inconclusive_and_fails_a_load_test() -> None:
    criteria = [criterion(False, "baseline"), criterion(None, "verify")]
    unsteady = run_verdict(criteria, load_test=False)
    assert unsteady.verdict == "inconclusive"
    assert unsteady.reasons == ("not steady before the fault: c in baseline: so it is",)
    assert run_verdict(criteria, load_test=True).verdict == "failed"


def test_an_obstacle_keeps_a_run_from_passing_and_hides_no_failure() -> None:
    assert run_verdict([criterion(True)], load_test=False, obstacles=["unsound"]).verdict == "inconclusive"
    failed = run_verdict([criterion(False)], load_test=False, obstacles=["unsound"])
    assert failed.verdict == "failed"
    assert "unsound" in failed.reasons


def test_stopped_outranks_failed_and_dirty_outranks_all() -> None:
    criteria = [criterion(False)]
    aborted = run_verdict(criteria, load_test=False, stopped_by="SIGINT")
    assert (aborted.verdict, aborted.exit_code) == ("aborted", Exit.ABORTED)
    dirty = run_verdict(criteria, load_test=False, stopped_by="SIGINT", dirt=["netem on eth0: left"])
    assert (dirty.verdict, dirty.exit_code) == ("dirty", Exit.DIRTY)
    assert dirty.reasons[0] == "netem on eth0: left"


def test_a_run_that_judged_nothing_did_not_pass() -> None:
    assert run_verdict([], load_test=True).verdict == "inconclusive"


# ---- what holds for every reading -----------------------------------------------------------------------------------

numbers = st.floats(0, 1000)


@given(numbers, numbers, numbers, st.booleans())
def test_a_larger_error_makes_unknown_and_turns_nothing_round(
    value: float, limit: float, error: float, least: bool
) -> None:
    limits = {"min": limit} if least else {"max": limit}
    sure, unsure = judged(exact(value), **limits), judged(exact(value, error=error), **limits)
    assert unsure in (sure, None)


@given(st.integers(0, 300), st.floats(0, 1), st.floats(0, 1))
def test_what_keeps_a_limit_keeps_every_looser_one(count: int, limit: float, more: float) -> None:
    if judged(share(count, 300), max=limit) is True:
        assert judged(share(count, 300), max=min(1.0, limit + more)) is True


@given(st.integers(0, 299), st.floats(0, 1))
def test_one_more_bad_event_never_helps(count: int, limit: float) -> None:
    order = {True: 2, None: 1, False: 0}
    assert order[judged(share(count + 1, 300), max=limit)] <= order[judged(share(count, 300), max=limit)]
