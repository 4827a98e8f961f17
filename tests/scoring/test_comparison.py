"""When B is worse than A, when nothing shows that it is, and when nobody can tell."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chaosrun.conditions import Conditions
from chaosrun.errors import Exit
from chaosrun.scoring.comparable import subjects
from chaosrun.scoring.comparison import Comparison, Run, compare
from chaosrun.scoring.contrast import Contrast
from chaosrun.scoring.result import (
    Back,
    Check,
    Clients,
    Detection,
    Environment,
    EpisodeReport,
    FaultReport,
    Latency,
    Messages,
    Observer,
    RecoveryReport,
    Result,
)

NEVER = None


def result(ttr: float | None, *, error: float | None = 0.01, back: float | None = 0.5) -> Result:
    """A run that recovered after `ttr` seconds; NEVER: not while it was observed."""
    worst: dict[str, Any] = {
        "impact_s": 10.0,
        "ttr_s": ttr,
        "ttr_censored_above_s": 20.0 if ttr is NEVER else None,
        "absorbed": False,
        "affected_clients": 4,
        "back_s": Back(all=back, error={"all": 0.01}),
        "error_s": error,
    }
    fault = FaultReport(
        name="crash", kind="process_kill", role="server", call_s=10.0, confirmed_s=10.0, removed_s=11.0,
        verified=True, undone=True,
    )  # fmt: skip
    return Result(
        chaosrun_version="0.1.0",
        title="A crash",
        tags=[],
        profile=None,
        experiment_sha256="",
        fingerprint="",
        conditions=Conditions(required={"machine.host": "here"}),
        started_at="2026-11-21T09:00:00Z",
        duration_s=60.0,
        verdict="passed",
        exit_code=0,
        reasons=[],
        stopped_by=None,
        phases=[],
        faults=[fault],
        recovery=RecoveryReport(**worst, episodes=[EpisodeReport(**worst)]),
        tolerance={},
        detection_s=Detection(),
        clients=Clients(),
        messages=Messages(),
        latency_ms=Latency(),
        resources={},
        groups={},
        criteria=[],
        observer=Observer(sound=True, checks=[], excluded=[]),
        findings=[],
        environment=Environment(),
    )


def runs(prefix: str, results: Sequence[Result]) -> list[Run]:
    return [Run(f"{prefix}{number}", each) for number, each in enumerate(results, 1)]


def compared(a: Sequence[float | None], b: Sequence[float | None], *names: str, **changes: Any) -> Comparison:
    """Runs with these times to recover, compared by `names`, by default by `ttr`."""
    sides = (runs("a", [result(x, **changes) for x in a]), runs("b", [result(x, **changes) for x in b]))
    return compare(*sides, decide=[subject for name in names or ("ttr",) for subject in subjects(name, [])])


def first(comparison: Comparison) -> Contrast:
    return comparison.numbers[0]


# ---- the three conditions -------------------------------------------------------------------------------------------


def test_three_runs_against_three_that_all_took_longer_are_a_regression() -> None:
    found = compared([1.0, 1.1, 1.2], [2.0, 2.1, 2.4])
    assert (found.verdict, found.exit_code) == ("regression", Exit.FAILED)
    number = first(found)
    assert number.p == number.smallest_p == 0.05
    assert number.ratio_at_least == pytest.approx(2.0 / 1.2)
    assert number.shift == pytest.approx(1.0)


def test_a_difference_below_a_tenth_is_no_regression_however_sure_it_is() -> None:
    found = compared([1.00, 1.01, 1.02, 1.03, 1.04], [1.09, 1.10, 1.11, 1.12, 1.13], error=0.001)
    assert found.verdict == "no_regression"
    assert first(found).p == pytest.approx(1 / 252)
    assert first(found).ratio_at_least is not None
    assert first(found).ratio_at_least < 1.10


def test_a_difference_within_twice_the_error_bound_is_no_regression_however_sure_it_is() -> None:
    a, b = [0.100, 0.101, 0.102], [0.140, 0.141, 0.142]
    assert compared(a, b, error=0.0199).verdict == "regression"
    within = compared(a, b, error=0.0201)
    assert within.verdict == "no_regression"
    assert "twice the error bound" in first(within).why


def test_what_may_well_be_chance_is_no_regression_however_large_it_is() -> None:
    found = compared([1.0, 1.1, 5.0], [2.0, 3.0, 9.0])
    assert first(found).ratio is not None
    assert first(found).ratio > 1.5
    assert first(found).p == pytest.approx(0.2)
    assert (found.verdict, found.exit_code) == ("no_regression", Exit.PASSED)


def test_a_faster_release_is_no_regression() -> None:
    assert compared([2.0, 2.1, 2.4], [1.0, 1.1, 1.2]).verdict == "no_regression"


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 3), (3, 2), (1, 5)])
def test_too_few_runs_to_show_anything_are_never_a_clean_bill(n: int, m: int) -> None:
    for a, b in ((1.0, 9.0), (1.0, 1.0)):
        found = compared([a] * n, [b] * m)
        assert (found.verdict, found.exit_code) == ("cannot_tell", Exit.INCONCLUSIVE)
        assert f"{n} and {m} runs are too few" in first(found).why
        assert "3 of each would do" in first(found).why


def test_how_many_more_runs_of_b_would_do_is_said() -> None:
    assert "or 5 of B with these of A" in first(compared([1.0, 1.0], [1.0, 1.0])).why


# ---- what was never seen to end, and what is not known --------------------------------------------------------------


def test_a_release_that_never_recovers_is_a_regression_without_end() -> None:
    found = compared([1.0, 1.1, 1.2], [NEVER, NEVER, NEVER])
    assert found.verdict == "regression"
    assert first(found).ratio == inf
    assert first(found).b.values == (inf, inf, inf)


def test_a_run_that_never_recovered_ranks_above_every_time() -> None:
    mixed = first(compared([1.0, 1.1, 1.2, NEVER], [2.0, 19.0, NEVER, NEVER]))
    assert mixed.a.median == pytest.approx(1.15)
    assert mixed.p == first(compared([1.0, 1.1, 1.2, 900.0], [2.0, 19.0, 900.0, 900.0])).p


def test_no_clean_bill_where_b_may_be_worse_without_bound() -> None:
    """Two of six runs that never recovered may be chance; a release that is as good as the other they do not show."""
    found = first(compared([1.0, 1.1, 1.2, 1.3, 1.4, 1.5], [1.0, 1.1, 1.2, 1.3, NEVER, NEVER]))
    assert found.p is not None
    assert found.p > 0.05
    assert (found.verdict, found.ratio_at_most) == ("cannot_tell", inf)
    assert first(compared([1.0, 1.1, 1.2, 1.3, 1.4, 1.5], [1.0, 1.1, 1.2, 1.3, 1.4, NEVER])).verdict == "no_regression"


def test_numbers_that_are_all_zero_are_no_regression_and_no_factor_would_change_that() -> None:
    found = first(compared([1.0] * 3, [1.0] * 3, "back_all", back=0.0))
    assert (found.verdict, found.ratio_at_most, found.detectable_ratio) == ("no_regression", 1.0, None)


def test_two_releases_that_never_recover_are_as_bad_as_each_other() -> None:
    found = first(compared([NEVER] * 3, [NEVER] * 3))
    assert (found.verdict, found.ratio, found.p) == ("no_regression", 1.0, 1.0)


def test_an_error_bound_that_is_not_known_leaves_a_larger_number_undecided() -> None:
    assert compared([1.0, 1.1, 1.2], [2.0, 2.1, 2.2], error=None).verdict == "cannot_tell"
    assert compared([1.0, 1.1, 1.2], [1.0, 1.1, 1.2], error=None).verdict == "no_regression"


def test_without_a_value_on_one_side_nobody_can_tell() -> None:
    blank = replace(result(1.0), recovery=RecoveryReport())
    found = compare(runs("a", [result(1.0)] * 3), runs("b", [blank] * 3), decide=subjects("ttr", []))
    assert found.verdict == "cannot_tell"
    assert "no run of B has a value" in first(found).why
    neither = compare(runs("a", [blank] * 3), runs("b", [blank] * 3), decide=subjects("ttr", []))
    assert "no run of A and B has a value" in first(neither).why


# ---- runs that give no numbers --------------------------------------------------------------------------------------

UNSOUND = Observer(sound=False, checks=[Check(name="event-loop lag p99", outcome="invalid")], excluded=[])
SLOWED = Observer(sound=True, slowed=True, checks=[Check(name="CPU stolen", outcome="invalid")], excluded=[])
NOT_STEADY = Observer(sound=True, checks=[Check(name="halves of accounts", outcome="invalid")], excluded=[])


def with_odd_one(odd: Result, b: Sequence[float] = (1.0, 1.1, 1.2)) -> Comparison:
    """Three good runs of each, and a fourth of B that is not."""
    return compare(
        runs("a", [result(x) for x in (1.0, 1.1, 1.2)]),
        runs("b", [*(result(x) for x in b), odd]),
        decide=subjects("ttr", []),
    )


@pytest.mark.parametrize("observer", [UNSOUND, SLOWED])
def test_a_run_with_an_unsound_observer_is_left_out_and_named(observer: Observer) -> None:
    found = with_odd_one(replace(result(9.0), observer=observer))
    assert found.verdict == "no_regression"
    (left_out,) = found.b.left_out
    assert (left_out.run, left_out.by_service) == ("b4", False)
    assert observer.checks[0].name in left_out.why
    assert len(first(found).b.values) == 3


NO_NUMBERS = {
    "ended early": replace(result(1.0), stopped_by="usable below 50% for 3 s"),
    "not injected": replace(
        result(1.0), faults=[replace(result(1.0).faults[0], call_s=None)], reasons=["not steady before the fault"]
    ),
    "invalid": replace(result(1.0), observer=NOT_STEADY),
    "not left as it was found": replace(result(1.0), verdict="dirty"),
    "without a value": replace(result(1.0), recovery=RecoveryReport()),
}


@pytest.mark.parametrize("why", NO_NUMBERS)
def test_no_clean_bill_where_a_run_without_numbers_may_be_the_services_doing(why: str) -> None:
    found = with_odd_one(NO_NUMBERS[why])
    assert found.verdict == "cannot_tell"
    assert why in first(found).why
    assert with_odd_one(NO_NUMBERS[why], b=(2.0, 2.1, 2.2)).verdict == "regression"


# ---- several numbers ------------------------------------------------------------------------------------------------


def test_several_numbers_that_decide_need_more_runs() -> None:
    assert compared([1.0] * 3, [2.0] * 3, "ttr", "back_all").verdict == "cannot_tell"
    four = compared([1.0] * 4, [2.0] * 4, "ttr", "back_all")
    assert four.verdict == "regression"
    assert [number.verdict for number in four.numbers] == ["regression", "no_regression"]


def test_p_is_corrected_by_holms_method() -> None:
    """Of two, the lesser p counts twice, and the other is never less than that."""
    ttr, back = compared([1.0, 2.0, 3.0, 4.0], [3.5, 5.0, 6.0, 7.0], "ttr", "back_all").numbers
    assert ttr.p == pytest.approx(2 / 70)
    assert ttr.p_corrected == pytest.approx(4 / 70)
    assert (back.p, back.p_corrected) == (1.0, 1.0)


def test_a_number_that_does_not_decide_is_shown_and_changes_nothing() -> None:
    a = runs("a", [result(1.0, back=x) for x in (1.0, 1.1, 1.2)])
    b = runs("b", [result(1.0, back=x) for x in (5.0, 5.1, 5.2)])
    found = compare(a, b, decide=subjects("ttr", []), also=[*subjects("back_all", []), *subjects("server_ready", [])])
    assert found.verdict == "no_regression"
    assert [(n.name, n.decides, n.verdict) for n in found.numbers] == [
        ("ttr", True, "no_regression"),
        ("back_all", False, "regression"),
    ]


# ---- what could have been seen --------------------------------------------------------------------------------------

times = st.lists(st.floats(0.1, 10), min_size=3, max_size=6)


@settings(max_examples=30)
@given(times, times, st.floats(0, 0.5))
def test_a_clean_bill_says_how_much_slower_would_have_been_seen(a: list[float], b: list[float], error: float) -> None:
    found = first(compared(a, b, error=error))
    assume(found.verdict == "no_regression")
    assert found.detectable_ratio is not None
    assert first(compared(a, [x * found.detectable_ratio * 1.001 for x in b], error=error)).verdict == "regression"
    assert first(compared(a, [x * found.detectable_ratio * 0.999 for x in b], error=error)).verdict != "regression"


def test_with_ties_too_a_factor_that_would_be_seen_is_one_that_is() -> None:
    a, b = [1.05, 1.2, 1.2, 3.0, 1.2], [3.0, 1.0, 1.0, 1.0, 1.0, 1.2]
    found = first(compared(a, b, error=0.0))
    assert found.detectable_ratio is not None
    assert first(compared(a, [x * found.detectable_ratio for x in b], error=0.0)).verdict == "regression"


@settings(max_examples=30)
@given(times, times)
def test_of_two_orders_at_most_one_is_a_regression(a: list[float], b: list[float]) -> None:
    assert "no_regression" in {compared(a, b).verdict, compared(b, a).verdict}


@settings(max_examples=30)
@given(times, times, st.permutations(range(6)))
def test_the_order_of_the_runs_does_not_matter(a: list[float], b: list[float], order: list[int]) -> None:
    there = first(compared(a, [b[i] for i in order if i < len(b)]))
    here = first(compared(a, b))
    assert (there.verdict, there.p, there.ratio) == (here.verdict, here.p, here.ratio)


# ---- the shape of it ------------------------------------------------------------------------------------------------


def test_the_median_has_its_exact_interval_from_six_runs_on() -> None:
    five, six = first(compared([1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])).a, None
    assert (five.median, five.low, five.high, five.confidence) == (3.0, 1.0, 5.0, None)
    six = first(compared([1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])).b
    assert (six.median, six.low, six.high, six.confidence) == (3.5, 1.0, 6.0, 0.96875)
