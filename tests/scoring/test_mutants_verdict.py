"""Claims on verdicts and their words that a mutation pass found nobody to make."""

from __future__ import annotations

from math import inf

import pytest

from chaosrun.errors import Exit
from chaosrun.plan import CriterionPlan
from chaosrun.scoring.verdict import Reading, Verdict, above, counted, decide, exact, run_verdict, share, vacuous
from chaosrun.scoring.words import show


def test_a_run_that_was_stopped_says_by_what() -> None:
    found = run_verdict([], load_test=False, stopped_by="the budget of errors", obstacles=["no lag was recorded"])
    assert found == Verdict("aborted", Exit.ABORTED, ("stopped: the budget of errors", "no lag was recorded"))


def test_a_run_without_criteria_says_that_nothing_was_judged() -> None:
    why = "nothing was judged: the experiment has no criteria"
    assert run_verdict([], load_test=False) == Verdict("inconclusive", Exit.INCONCLUSIVE, (why,))


def test_what_there_is_nothing_to_measure_of_may_have_any_value() -> None:
    assert vacuous("nobody was affected") == Reading(None, -inf, inf, vacuous="nobody was affected")


def test_a_count_with_an_open_end_is_a_share_of_at_most_all_and_keeps_its_note() -> None:
    seen = Reading(3.0, 3.0, inf, 3, 100, note="the end of A is unknown")
    read = seen.as_share()
    assert read is not None
    assert (read.value, read.high, read.note) == (0.03, 1.0, "the end of A is unknown")


def words(reading: Reading | None, unit: str, **limits: float) -> str:
    return decide(CriterionPlan(name="c", metric="m", window="whole", **limits), reading, up=False, unit=unit).why


@pytest.mark.parametrize(
    ("reading", "unit", "limits", "why"),
    [
        (exact(0.2), "s", {"max": 0.1}, "200 ms; at most 100 ms is asked"),
        (exact(0.2), "s", {"min": 0.1}, "200 ms; at least 100 ms is asked"),
        (exact(0.1, error=0.05), "s", {"max": 0.12},
         "too close to call: 100 ms, in truth between 50 ms and 150 ms; at most 120 ms is asked"),
        (Reading(2.0, 2.0, inf), "count", {"max": 3},
         "too close to call: 2, in truth between 2 and any number; at most 3 is asked"),
        (Reading(2.0, 2.0, inf), "s", {"max": 3},
         "too close to call: 2 s, in truth between 2 s and any length; at most 3 s is asked"),
        (above(5.0, "it never recovered"), "s", {"max": 3}, "more than 5 s, it never recovered; at most 3 s is asked"),
        (above(2.0, ""), "s", {"max": 3}, "more than 2 s; at most 3 s is asked, which stays open"),
        (Reading(None, 1.0, 5.0), "s", {"max": 3}, "not known; at most 3 s is asked, which stays open"),
        (counted(3, 40), "count", {"max": 2}, "3 of 40; at most 2 is asked"),
        (share(40, 40), "ratio", {"min": 0.99}, "100% (40 of 40); at least 99% is asked"),
        (None, "s", {"max": 3}, "no evidence: nothing was measured here"),
        (vacuous("nobody was affected"), "s", {"max": 3}, "vacuously true: nobody was affected"),
    ],
)  # fmt: skip
def test_a_judgement_is_told_in_words(reading: Reading | None, unit: str, limits: dict[str, float], why: str) -> None:
    assert words(reading, unit, **limits) == why


def test_what_is_vacuously_true_is_in_the_best_tier_of_those_that_there_are() -> None:
    nothing = vacuous("nobody was affected")
    with_tiers = CriterionPlan(name="c", metric="m", window="whole", target=1.0, critical=2.0)
    without = CriterionPlan(name="c", metric="m", window="whole", max=2.0)
    assert decide(with_tiers, nothing, up=False, unit="s")[:2] == (True, 1.0)
    assert decide(with_tiers, nothing, up=False, unit="s").tier == "ok"
    assert decide(without, nothing, up=False, unit="s").tier is None


def test_a_criterion_without_a_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="criterion 'c' has no limit; give min, max or target"):
        words(exact(1.0), "s")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(90, "90 s"), (1, "1 s"), (0.9996, "1 s"), (0.0015, "1.5 ms"), (0.001, "1 ms"), (2e-6, "2 us")],
)
def test_a_duration_is_told_in_the_largest_unit_that_it_fills(seconds: float, words: str) -> None:
    assert show(seconds, "s") == words
