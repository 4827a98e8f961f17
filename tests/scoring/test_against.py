"""New runs held against earlier ones, as a criterion: when it holds, when not, and when nothing is asked yet."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import pytest
from msgspec.structs import replace
from ran import result

from chaosrun.against import LAST_GOOD, Against, Standard
from chaosrun.errors import Exit
from chaosrun.scoring.against import MOST, HeldAgainst, fewest, foretold, hold_against, hold_series
from chaosrun.scoring.result import (
    Check,
    Criterion,
    EpisodeReport,
    GroupReport,
    Latency,
    Messages,
    Observer,
    Quantiles,
    RecoveryReport,
    Result,
    decode,
    encode,
)

STEADY = [2.0 + n / 100 for n in range(19)]


def ran(ttr: float | None, verdict: str = "passed", error: float | None = 0.01, **fields: object) -> Result:
    """A run; None: it never recovered."""
    above = 30.0 if ttr is None else None
    episode = EpisodeReport(ttr_s=ttr, ttr_censored_above_s=above, error_s=error)
    report = RecoveryReport(ttr_s=ttr, ttr_censored_above_s=above, error_s=error, episodes=[episode])
    return result(verdict, recovery=report, **fields)


def against(values: Sequence[float | None], named: str = LAST_GOOD, metric: str = "ttr") -> Against:
    runs = tuple(f"run-{n}" for n in range(len(values)))
    standard = Standard(metric=metric, values=tuple((value, 0.01) for value in values))
    return Against(named=named, runs=runs, numbers=(standard,))


def held(new: Sequence[Result], values: Sequence[float | None], named: str = LAST_GOOD) -> HeldAgainst:
    return hold_against(new, against(values, named))


def test_one_run_that_is_slower_than_nineteen_is_a_regression() -> None:
    report, (criterion,) = held([ran(2.9)], STEADY)
    assert criterion.outcome is False
    assert (criterion.name, criterion.source, criterion.written) == (
        "no regression of ttr",
        "against",
        "--against last-good",
    )
    assert (criterion.value, criterion.unit) == (2.9, "s")
    (number,) = report.numbers
    assert (number.verdict, number.values, number.p) == ("regression", [2.9], 0.05)
    assert number.ratio_at_least == pytest.approx(2.9 / 2.18)
    assert "2.9 s against 2.09 s, the median of 19 runs: 1.39 times as large, at least 1.33 times" in criterion.why


def test_a_run_as_before_holds() -> None:
    _, (criterion,) = held([ran(2.1)], STEADY)
    assert criterion.outcome is True
    assert "no regression was shown, at most 1.05 times as large" in criterion.why


def test_slower_than_all_but_by_less_than_a_tenth_holds() -> None:
    assert held([ran(2.18 * 1.09)], STEADY).criteria[0].outcome is True
    assert held([ran(2.18 * 1.11)], STEADY).criteria[0].outcome is False


def test_slower_by_no_more_than_what_cannot_be_measured_holds() -> None:
    assert held([ran(2.9, error=0.4)], STEADY).criteria[0].outcome is False
    assert held([ran(2.9, error=0.41)], STEADY).criteria[0].outcome is True


def test_a_run_that_never_recovered_is_a_regression() -> None:
    report, (criterion,) = held([ran(None)], STEADY)
    assert criterion.outcome is False
    assert report.numbers[0].values == [None]
    assert "never against 2.09 s" in criterion.why


def test_too_few_good_runs_ask_nothing_yet_and_say_how_many_it_takes() -> None:
    report, criteria = held([ran(9.0)], STEADY[:18])
    assert criteria == ()
    assert report.numbers[0].verdict == "waived"
    assert report.waived == (
        "too few to tell: 18 runs, and for one new run it takes 19; 3 of both are enough (--repeat 3)"
    )


def test_too_few_runs_that_somebody_named_are_unknown() -> None:
    report, (criterion,) = held([ran(9.0)], STEADY[:18], "reports/v1")
    assert (report.waived, criterion.outcome) == ("", None)
    assert "it takes 19" in criterion.why


def test_without_any_good_run_it_says_why() -> None:
    none = Against(named=LAST_GOOD, runs=(), numbers=(), why="there is no good run of it in reports yet")
    assert hold_against([ran(2.0)], none) == HeldAgainst(hold_against([ran(2.0)], none).report, ())
    assert hold_against([ran(2.0)], none).report.waived == "there is no good run of it in reports yet"
    assert foretold(none, 1) == "not held against last-good: there is no good run of it in reports yet"


@pytest.mark.parametrize(("new", "needed"), [(1, 19), (2, 5), (3, 3), (4, 3), (6, 2), (19, 1), (60, 1)])
def test_so_many_it_takes(new: int, needed: int) -> None:
    assert fewest(new) == needed
    assert hold_against([ran(9.0)] * new, against(STEADY[:needed])).criteria[0].outcome is False
    if needed > 1:
        assert hold_against([ran(9.0)] * new, against(STEADY[: needed - 1])).criteria == ()


def test_a_run_whose_observer_was_slowed_is_not_held_against_the_last_good_ones() -> None:
    slowed = ran(9.0, observer=Observer(sound=True, slowed=True, checks=[], excluded=[]))
    report, criteria = held([slowed], STEADY)
    assert criteria == ()
    assert "CPU time was taken away" in report.waived
    assert held([slowed], STEADY, "reports/v1").criteria[0].outcome is None


def test_a_run_that_gives_no_number_is_unknown() -> None:
    _, (criterion,) = held([ran(2.0, stopped_by="SIGINT")], STEADY)
    assert (criterion.outcome, criterion.why) == (None, "no value: the run gives no evidence of it")


def test_an_unknown_error_bound_is_unknown_where_it_would_be_worse() -> None:
    assert held([ran(2.9, error=None)], STEADY).criteria[0].outcome is None
    assert held([ran(2.0, error=None)], STEADY).criteria[0].outcome is True


def test_each_group_is_judged_and_all_together_are_wrong_no_more_often_than_one() -> None:
    def group(p99: float) -> GroupReport:
        latency = Latency(response={"all": Quantiles(count=100, p99=p99)})
        return GroupReport(clients=result().clients, messages=Messages(), latency_ms=latency)

    def standard(name: str, runs: int) -> Standard:
        values = tuple(((100 + n) / 1e3, 0.001) for n in range(runs))
        return Standard(metric="response_p99", group=name, values=values)

    new = [replace(result(), faults=[], groups={"a": group(100.0), "b": group(500.0)})]
    enough = Against(named=LAST_GOOD, runs=("r",), numbers=(standard("a", 39), standard("b", 39)))
    _, criteria = hold_against(new, enough)
    assert [(each.name, each.group, each.outcome) for each in criteria] == [
        ("no regression of response_p99 of a", "a", True),
        ("no regression of response_p99 of b", "b", False),
    ]
    few = Against(named=LAST_GOOD, runs=("r",), numbers=(standard("a", 39), standard("b", 38)))
    assert "38 runs, and for one new run it takes 39" in hold_against(new, few).report.waived


def test_numbers_that_were_named_are_criteria_each_and_corrected_together() -> None:
    def group(p99: float) -> GroupReport:
        latency = Latency(response={"baseline": Quantiles(count=100, p99=p99)})
        return GroupReport(clients=result().clients, messages=Messages(), latency_ms=latency)

    def standard(metric: str, runs: int, group: str | None = None) -> Standard:
        return Standard(metric=metric, group=group, values=tuple((2.0 + n / 100, 0.01) for n in range(runs)))

    def names(*numbers: Standard) -> list[str]:
        return [each.name.removeprefix("no regression of ") for each in hold_against(new, among(*numbers)).criteria]

    def among(*numbers: Standard) -> Against:
        return Against(named="v1", runs=("r",), numbers=numbers)

    new = [ran(2.9, groups={"a": group(2000.0), "b": group(2000.0)})]
    ttr, p99 = standard("ttr", 39), standard("response_p99@baseline", 39, "a")
    _, (first, second) = hold_against(new, among(ttr, p99))
    assert [(first.metric, first.group, first.window), (second.metric, second.group, second.window)] == [
        ("ttr", None, "whole"),
        ("response_p99", "a", "baseline"),
    ]
    assert (first.name, second.name) == ("no regression of ttr", "no regression of response_p99@baseline")
    assert (first.outcome, second.outcome) == (False, True)
    assert hold_against(new, among(ttr, p99)).report.numbers[0].p == pytest.approx(2 / 40)
    few = hold_against(new, among(standard("ttr", 38), p99)).criteria
    assert "38 runs, and for one new run it takes 39" in few[0].why
    # A group is named where there are several, of whatever number.
    assert names(ttr, p99, standard("service_p99", 39, "a")) == [
        "ttr",
        "response_p99@baseline",
        "service_p99",
    ]
    assert names(ttr, p99, standard("response_p99@baseline", 39, "b")) == [
        "ttr",
        "response_p99@baseline of a",
        "response_p99@baseline of b",
    ]


def test_with_very_many_numbers_one_run_can_never_be_enough_and_it_says_so() -> None:
    assert (fewest(1, 3), fewest(1, 4), fewest(2, 4)) == (59, None, 12)
    standard = Standard(metric="response_p99", group="a", values=((0.1, 0.001),) * 60)
    told = foretold(Against(named=LAST_GOOD, runs=("r",), numbers=(standard,) * 4), 1)
    assert told.endswith(
        "60 runs, and for one new run it takes more than are ever compared; 5 of both are enough (--repeat 5)"
    )


def test_of_very_many_earlier_runs_the_last_count() -> None:
    _, (criterion,) = held([ran(2.9)], [9.0] * 60 + [2.0] * MOST, "reports/v1")
    assert criterion.outcome is False


def test_more_runs_than_are_compared_exactly_count_by_the_last_of_them() -> None:
    many = [ran(2.0)] * 200 + [ran(9.0)] * MOST
    report, (criterion,) = held(many, [2.0] * 40)
    assert criterion.outcome is False
    assert len(report.numbers[0].values) == MOST
    assert foretold(against([2.0] * 40), 1000) == "held against last-good: ttr of 40 runs, 2 s in the middle"


def test_it_is_foretold_what_a_run_will_be_held_against() -> None:
    assert foretold(against(STEADY), 1) == "held against last-good: ttr of 19 runs, 2.09 s in the middle"
    assert foretold(against(STEADY[:5]), 1).startswith("not held against last-good: too few to tell: 5 runs")
    assert "ttr of 5 runs, 2.02 s in the middle, too few to tell" in foretold(against(STEADY[:5], "v1"), 1)
    assert "ttr of 1 runs, never in the middle" in foretold(against([None], "v1"), 1)


# ---- a series -------------------------------------------------------------------------------------------------------


def test_a_series_is_held_against_them_with_all_its_runs_together() -> None:
    slow = hold_series(ran(2.9), [ran(2.8), ran(2.9), ran(3.0)], against(STEADY[:3]))
    assert (slow.verdict, slow.exit_code) == ("failed", Exit.FAILED)
    assert slow.reasons[0].startswith("no regression of ttr: 2.9 s against 2.01 s, the median of 3 runs")
    assert slow.criteria[-1].outcome is False
    own = Criterion(name="back", metric="back_99", window="whole", outcome=True)
    as_before = hold_series(ran(2.9, criteria=[own]), [ran(2.0), ran(2.01), ran(2.0)], against(STEADY[:3]))
    assert (as_before.verdict, as_before.exit_code, as_before.reasons) == ("passed", Exit.PASSED, [])
    assert [criterion.name for criterion in as_before.criteria] == ["back", "no regression of ttr"]


def test_what_is_worse_than_a_regression_stays_the_verdict_of_a_series() -> None:
    runs = [ran(2.8), ran(2.9), ran(3.0)]
    dirty = hold_series(ran(2.9, "dirty"), runs, against(STEADY[:3]))
    assert (dirty.verdict, dirty.exit_code) == ("dirty", Exit.DIRTY)
    unknown = hold_series(ran(2.9), [ran(2.0), ran(2.0), ran(2.0, stopped_by="x")], against(STEADY))
    assert (unknown.verdict, unknown.exit_code) == ("inconclusive", Exit.INCONCLUSIVE)
    assert "1 of 3 runs have no value" in unknown.criteria[-1].why


def test_runs_of_a_series_that_were_slowed_are_left_out() -> None:
    slowed = ran(9.0, observer=Observer(sound=True, slowed=True, checks=[Check(name="cpu_steal")], excluded=[]))
    found = hold_series(ran(2.0), [slowed, ran(2.0), ran(2.01), ran(2.02)], against(STEADY))
    assert found.verdict == "passed"
    assert found.against is not None
    assert found.against.numbers[0].values == [2.0, 2.01, 2.02]


def test_it_reads_back_as_it_was() -> None:
    for values in (STEADY, STEADY[:2], [*STEADY, None]):
        one = hold_series(ran(None), [ran(None)] * 3, against(values))
        assert decode(encode(one)) == one
    assert against([None]).numbers[0].known == ((inf, 0.01),)
