"""Claims on ranks, comparisons and series that a mutation pass found nobody to make."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import inf

import pytest
import ran
from msgspec.structs import replace
from test_comparison import compared, first, result, runs

from chaosrun.conditions import Conditions, Difference
from chaosrun.scoring.comparable import subjects
from chaosrun.scoring.comparison import Comparison, compare
from chaosrun.scoring.intervals import IntervalSet
from chaosrun.scoring.pushes import PushLedger
from chaosrun.scoring.ranks import mann_whitney, ratio, ratio_bounds
from chaosrun.scoring.repeats import Ranks, Trial, combine, median_ranks, named
from chaosrun.scoring.result import Check, Observer, RecoveryReport, Repeats, Result
from chaosrun.scoring.statistics import incomplete_beta

# ---- sets of numbers, and what they add up to


def test_nothing_is_added_by_an_empty_part_and_neighbours_one_apart_stay_apart() -> None:
    numbers = IntervalSet()
    assert (numbers.add(5, 4), bool(numbers)) == ((), False)
    numbers.add(4, 5)
    assert numbers.add(1, 2) == ((1, 2),)
    assert list(numbers) == [(1, 2), (4, 5)]


@pytest.mark.parametrize("off", [-1, 1])
@pytest.mark.parametrize("equation", ["owed", "received"])
def test_a_ledger_of_pushes_of_which_one_equation_is_off_by_one_either_way_is_not_balanced(
    equation: str, off: int
) -> None:
    terms = {"live": 1, "replayed": 2, "lost_connected": 4, "missed_disconnected": 8, "conflated": 16, "tail": 32}
    terms |= {"in_flight_at_end": 64, "duplicates": 128, "unexpected": 256}
    owed, received = 1 + 2 + 4 + 8 + 16 + 32 + 64, 1 + 2 + 128 + 256
    assert PushLedger(owed=owed, received=received, **terms).balanced
    sums = {"owed": owed, "received": received}
    assert not PushLedger(**terms, **(sums | {equation: sums[equation] + off})).balanced


# ---- ranks


def test_p_with_ties_counts_no_sum_below_the_one_seen() -> None:
    # Pairs of the doubled ranks 2, 4, 7, 7, 10 that are at least 2 + 10: 12, 14, 14, 17, 17, of ten; 11 is not.
    assert mann_whitney([2, 3, 3], [1, 4]) == Fraction(5, 10)
    # Of 3, 3, 7, 7, 10 the pairs that are at least 7 + 7: 14, 17, 17.
    assert mann_whitney([1, 1, 3], [2, 2]) == Fraction(3, 10)


def test_either_sample_may_be_missing_and_is_refused() -> None:
    for a, b in (([], [1.0]), ([1.0], [])):
        with pytest.raises(ValueError, match="at least one of each"):
            mann_whitney(a, b)


def test_a_ratio_of_one_pair_is_that_ratio_to_the_last_bit() -> None:
    assert ratio([1.0], [2.0]) == 2.0
    assert ratio([0.0], [2.0]) == inf


def test_the_bounds_of_six_and_seven_values_leave_out_eight_ratios_on_either_side() -> None:
    """Of 1716 deals 63 have at most eight pairs out of order, and 87 at most nine; 85.8 are 5%."""
    a, b = [2.0, 3.0, 5.0, 7.0, 11.0, 13.0], [17.0, 19.0, 23.0, 29.0, 31.0, 37.0, 41.0]
    ratios = sorted(y / x for x in a for y in b)
    assert ratio_bounds(a, b, Fraction(1, 20)) == (ratios[8], ratios[-9])


# ---- one number of two releases


def test_the_largest_error_of_a_value_is_the_one_that_counts() -> None:
    sides = [runs(side, [result(1.0, error=error) for error in errors]) for side, errors in SIDES.items()]
    found = compare(sides[0], sides[1], decide=subjects("ttr", []))
    assert first(found).error == 0.4


SIDES = {"a": (0.1, 0.2, 0.3), "b": (0.2, 0.4, 0.1)}


def test_what_would_be_a_regression_by_itself_is_none_where_its_corrected_p_is_too_large() -> None:
    a, b = [1.0, 1.1, 1.2, 2.5], [2.4, 3.0, 3.1, 3.2]
    assert first(compared(a, b)).verdict == "regression"
    both = first(compared(a, b, "ttr", "back_all"))
    assert (both.p, both.p_corrected, both.verdict) == (2 / 70, 4 / 70, "no_regression")


def test_a_ratio_of_just_a_tenth_more_is_no_regression() -> None:
    found = first(compared([1.0] * 3, [1.1] * 3, error=0.0))
    assert (found.ratio_at_least, found.verdict) == (1.1, "no_regression")


def test_a_shift_of_just_twice_the_error_is_no_regression() -> None:
    assert first(compared([1.0] * 3, [2.0] * 3, error=0.5)).verdict == "no_regression"
    assert first(compared([1.0] * 3, [2.0] * 3, error=0.499)).verdict == "regression"


def test_a_run_of_the_baseline_without_a_value_keeps_the_rest_from_being_a_clean_bill() -> None:
    blank = replace(result(1.0), recovery=RecoveryReport())
    found = compare(runs("a", [*[result(1.0)] * 3, blank]), runs("b", [result(1.0)] * 3), decide=subjects("ttr", []))
    assert (found.verdict, first(found).why) == (
        "cannot_tell",
        "no regression was shown, but not all runs can speak: 1 without a value",
    )


def test_what_could_have_been_seen_lies_beyond_twice_the_error() -> None:
    assert first(compared([1.0] * 3, [1.0] * 3, error=1.0)).detectable_ratio == pytest.approx(3, rel=1e-5)
    assert first(compared([1.0] * 3, [1.0] * 3, error=0.0)).detectable_ratio == pytest.approx(1.1, rel=1e-5)


def test_how_many_runs_would_do_is_said_exactly() -> None:
    def why(n: int, m: int, *names: str) -> str:
        return first(compared([1.0] * n, [1.0] * m, *names)).why

    assert "3 of each would do" in why(2, 2)
    assert "4 of each would do" in why(3, 3, "ttr", "back_all")
    assert why(3, 2).endswith("3 of each would do"), "three of B beside three of A are three of each"
    assert why(1, 1).endswith("3 of each would do, or 19 of B with these of A")


# ---- several numbers of two releases


def two(a: Sequence[tuple[float, float | None]], b: Sequence[tuple[float, float | None]], *names: str) -> Comparison:
    """Runs with these times to recover and until all were back."""
    sides = [runs(name, [result(x, back=y) for x, y in side]) for name, side in (("a", a), ("b", b))]
    return compare(sides[0], sides[1], decide=[each for name in names for each in subjects(name, [])])


def corrected(found: Comparison) -> dict[str, float | None]:
    return {number.name: number.p_corrected for number in found.numbers}


QUICK = [(1.0, 1.0)] * 4


@pytest.mark.parametrize("names", [("ttr", "back_all"), ("back_all", "ttr")])
def test_the_least_p_is_corrected_first_in_whatever_order_the_numbers_come(names: tuple[str, ...]) -> None:
    same = two(QUICK, [(2.0, 2.0)] * 4, *names)
    assert corrected(same) == {"ttr": 2 / 70, "back_all": 2 / 70}
    one = two([(1.0, 1.0), (1.0, 2.0)] * 2, [(2.0, 1.0), (2.0, 3.0)] * 2, *names)
    uncorrected = {number.name: number.p for number in one.numbers}
    assert uncorrected["ttr"] == 1 / 70
    assert uncorrected["back_all"] is not None
    assert 0.03 < uncorrected["back_all"] < 0.5
    assert corrected(one) == {"ttr": 2 / 70, "back_all": uncorrected["back_all"]}
    assert corrected(two(QUICK, QUICK, *names)) == {"ttr": 1.0, "back_all": 1.0}


def test_a_number_without_values_shows_nothing_and_counts_all_the_same() -> None:
    found = two(QUICK, [(2.0, 1.0)] * 4, "ttr", "server_ready")
    assert corrected(found) == {"ttr": 2 / 70, "server_ready": None}


def test_a_number_is_shown_beside_the_others_once_and_only_where_both_sides_have_values() -> None:
    ready = replace(result(1.0), recovery=replace(result(1.0).recovery, server_ready_s=0.5))
    a, b = runs("a", [ready] * 3), runs("b", [result(1.0)] * 3)
    also = [*subjects("ttr", []), *subjects("server_ready", [])]
    assert len(compare(a, a, decide=subjects("ttr", []), also=also).numbers) == 2
    assert [number.name for number in compare(a, b, decide=subjects("ttr", []), also=also).numbers] == ["ttr"]


def test_what_differs_is_told_from_a_to_b_and_within_a_side_from_its_first_run_on() -> None:
    def of(release: str) -> Result:
        conditions = Conditions(noted={"kernel": release}, under_test={"image": release})
        return replace(result(1.0), conditions=conditions)

    found = compare(
        runs("a", [of("1"), of("1"), of("2")]), runs("b", [of("3"), of("3"), of("3")]), decide=subjects("ttr", [])
    )
    assert found.under_test == (Difference("image", "1", "3"),)
    assert found.noted == (Difference("kernel", "1", "3"),)
    assert found.a.mixed == (Difference("image", "1", "2"), Difference("kernel", "1", "2"))
    assert found.b.mixed == ()


def test_a_check_that_only_warns_leaves_no_run_out() -> None:
    warned = Observer(sound=True, checks=[Check(name="a", outcome="warn"), Check(name="b", outcome="ok")], excluded=[])
    b = runs("b", [replace(result(1.0), observer=warned)] * 3)
    found = compare(runs("a", [result(1.0)] * 3), b, decide=subjects("ttr", []))
    assert (found.verdict, found.b.left_out) == ("no_regression", ())


# ---- several runs of one experiment


def series(*results: Result, asked: int | None = None, broken: int = 0) -> Result:
    trials = [Trial(f"run-{number}", number, each) for number, each in enumerate(results, 1)]
    trials += [Trial("broken", 0, None, why="it broke")] * broken
    return combine(trials, asked=asked or len(trials), seed=7, cool_down_ns=0, halted=None)


def repeats(*results: Result, broken: int = 0) -> Repeats:
    found = series(*results, broken=broken).repeats
    assert found is not None
    return found


def test_ranks_that_are_just_as_sure_as_asked_for_are_sure_enough() -> None:
    assert median_ranks(2, confidence=0.5) == Ranks(1, 2, 0.5)
    assert median_ranks(2, confidence=0.51) is None


def test_runs_that_never_recovered_or_broke_off_are_counted_one_by_one() -> None:
    never = ran.result("failed", ttr=None, above=20.0)
    found = repeats(ran.result(), never, never, broken=2)
    assert (found.broken, found.ttr_s.runs, found.ttr_s.censored) == (2, 3, 2)
    assert (found.ttr_s.median, found.ttr_s.median_above) == (None, 20.0)


@pytest.mark.parametrize("verdict", ["passed", "failed", "inconclusive"])
def test_a_series_that_was_cut_off_says_that_nothing_tells_why_whatever_its_runs_showed(verdict: str) -> None:
    assert series(ran.result(verdict), asked=2).reasons[0] == "only 1 of 2 runs were made, and nothing tells why"
    assert series(ran.result("aborted"), asked=2).reasons[0] == "only 1 of 2 runs were made"


def test_of_several_runs_that_failed_the_first_says_why() -> None:
    one, two = (replace(ran.result("failed"), reasons=[why]) for why in ("one", "two"))
    assert series(one, two).reasons == ["runs 1, 2 failed; run 1: one"]


def test_ten_runs_are_named_and_eleven_are_counted() -> None:
    assert named(range(1, 11)) == "runs 1, 2, 3, 4, 5, 6, 7, 8, 9, 10"
    assert named(range(1, 12)) == "11 runs (1, 2, 3, ...)"


# ---- the incomplete beta function


def test_the_incomplete_beta_function_of_a_uniform_share_is_the_share_up_to_its_ends() -> None:
    for x in (1e-9, 0.5, 0.995, 1 - 1e-9):
        assert incomplete_beta(x, 1, 1) == pytest.approx(x, rel=1e-12)


def test_the_incomplete_beta_function_converges_where_it_takes_many_steps() -> None:
    for a in (10.0, 5e3, 5e7):
        assert incomplete_beta(0.5, a, a) == pytest.approx(0.5, rel=1e-6)
