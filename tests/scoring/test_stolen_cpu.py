"""What is still known of a run whose CPU was taken away, or whose observer was not sound."""

from dataclasses import replace

import msgspec
import pytest
from storybook import MS, S, Story, group, ms, s, strike
from whole_runs import STEADY, crash, criterion, planned, scored

from chaosrun.records import (
    Clock,
    History,
    Lag,
    Resource,
)
from chaosrun.scoring.histogram import bucket_of


def test_what_an_observer_that_was_not_sound_saw_accuses_nobody() -> None:
    swallowed = Story(group(clients=8), faults=[strike(s(13))]).lose(0, s(20), s(21)).history()
    never = planned(crash(s(60)).history(), *STEADY)
    stalled = [Lag(t=s(20), span_ns=S, buckets={bucket_of(ms(300)): 1}, max_ns=ms(300))]
    only = "The run cannot vouch for all of its numbers"
    for history, seen in ((swallowed, "Requests of accounts were swallowed"), (never, "The service did not recover")):
        assert any(finding.title.startswith(seen) for finding in scored(history).findings)
        doubted = scored(replace(history, lost_records=1)).findings
        assert doubted[0].title == only
        assert not any(finding.title.startswith(seen) for finding in doubted)
    late = replace(never, lags=sorted([*never.lags, *stalled], key=lambda lag: lag.t))
    assert not any(finding.title.startswith("The service did not") for finding in scored(late).findings)
    counted = replace(swallowed, lags=sorted([*swallowed.lags, *stalled], key=lambda lag: lag.t))
    assert any(finding.title.startswith("Requests of") for finding in scored(counted).findings), "a count stands"


def test_an_unsound_observer_keeps_a_run_from_passing_though_nothing_depends_on_it() -> None:
    history = planned(crash().history(), criterion("requests.lost_connected", max=0))
    lags = [msgspec.structs.replace(lag, max_ns=300 * MS) if lag.t == s(20) else lag for lag in history.lags]
    result = scored(replace(history, lags=lags))
    assert (result.verdict, result.criteria[0].outcome) == ("inconclusive", True)
    assert not result.observer.sound
    (excluded,) = result.observer.excluded
    assert (excluded.start_s, excluded.end_s, excluded.why) == (19.0, 20.0, "event-loop lag max")


def stolen_from(history: History) -> History:
    """The hypervisor takes a fifth of the CPU away, all the time."""
    seconds = range(s(1), s(42), s(1))
    return replace(
        history,
        clocks=[Clock(t=t, wall_offset_ns=0, suspended_ns=0, steal=0.2) for t in seconds],
        resources=[Resource(t=t, role="observer", cpu=0.1, memory=1) for t in seconds],
    )


def test_what_kept_its_limits_though_cpu_was_stolen_has_kept_them() -> None:
    """Stolen CPU slows the service too; it can only have made it worse."""
    result = scored(stolen_from(planned(crash().history(), *STEADY, within_ns=s(10))))
    assert (result.verdict, result.reasons) == ("passed", [])
    assert (result.observer.sound, result.observer.slowed) == (True, True)
    assert [(finding.severity, finding.title) for finding in result.findings] == [
        ("warning", "CPU time was taken away from load and service alike")
    ]


@pytest.mark.parametrize(
    ("metric", "limits"),
    [
        ("ttr", {"max": 1}),
        ("response_p99", {"max": 0.000001}),
        ("usable_min", {"min": 1}),
    ],
)
def test_what_missed_its_limit_while_cpu_was_stolen_is_unknown_and_not_failed(
    metric: str, limits: dict[str, float]
) -> None:
    history = planned(crash().history(), criterion(metric, **limits))
    assert scored(history).verdict == "failed"
    result = scored(stolen_from(history))
    (judged,) = result.criteria
    assert (result.verdict, judged.outcome) == ("inconclusive", None)
    assert "CPU stolen by the hypervisor" in judged.why


@pytest.mark.parametrize(
    ("metric", "limits"),
    [
        ("detection", {"max": 60}),
        ("server_ready", {"max": 60}),
        ("ttr", {"min": 0.001}),
        ("response_p99", {"min": 0, "max": 60}),
    ],
)
def test_what_stolen_cpu_may_have_made_better_is_unknown_though_it_kept_its_limit(
    metric: str, limits: dict[str, float]
) -> None:
    history = planned(crash().history(), criterion(metric, **limits))
    assert scored(history).criteria[0].outcome is True
    assert scored(stolen_from(history)).criteria[0].outcome is None


def test_that_nothing_relapsed_after_the_recovery_is_kept_though_cpu_was_stolen() -> None:
    history = planned(crash().history(), *STEADY, within_ns=s(10), no_relapse=True)
    assert scored(stolen_from(history)).verdict == "passed"
    relapsed = planned(crash(s(14)).crash(s(19), s(20)).history(), criterion("relapses", max=0))
    assert scored(relapsed).criteria[0].outcome is False
    assert scored(stolen_from(relapsed)).criteria[0].outcome is None


def test_a_share_that_stolen_cpu_may_have_brought_nearer_is_kept_where_all_of_them_kept_its_limit() -> None:
    two_waves = crash(s(14)).crash(s(13), s(17), [0, 1])

    def outcomes(most: float) -> list[bool | None]:
        """Of the run as it was, and with stolen CPU."""
        history = planned(two_waves.history(), criterion("back_50", max=most))
        return [scored(each).criteria[0].outcome for each in (history, stolen_from(history))]

    back = scored(two_waves.history()).recovery.back_s
    assert back.p50 == pytest.approx(1, abs=0.1)
    assert back.all == pytest.approx(4, abs=0.1)
    assert outcomes(3) == [True, None]
    assert outcomes(5) == [True, True]


def test_a_loss_is_counted_exactly_though_cpu_was_stolen() -> None:
    history = planned(crash().history(), criterion("requests.lost_at_break", max=0))
    plain, stolen = scored(history), scored(stolen_from(history))
    assert (plain.criteria[0].outcome, stolen.criteria[0]) == (stolen.criteria[0].outcome, plain.criteria[0])
