from __future__ import annotations

from dataclasses import replace

from findings_of import crashed, of, planned, probes
from storybook import MS, S, Story, group, ms, s, strike

from chaosrun.plan import CriterionPlan
from chaosrun.records import Clock, History, Lag, Resource
from chaosrun.scoring.histogram import bucket_of


def stalled(longest: int) -> History:
    history = crashed().history()
    lag = Lag(t=s(20), span_ns=S, buckets={bucket_of(MS): 99, bucket_of(longest): 1}, max_ns=longest)
    return replace(history, lags=[lag if line.t == s(20) else line for line in history.lags])


def stolen(share: float) -> History:
    history = crashed().history()
    return replace(
        history,
        clocks=[Clock(t=s(t), wall_offset_ns=0, suspended_ns=0, steal=share) for t in range(1, 42)],
        resources=[Resource(t=s(t), role="chaosrun", cpu=0.1, memory=1) for t in range(1, 42)],
    )


def test_an_observer_that_is_not_sound_is_told_first() -> None:
    told = of(stalled(ms(300)), "observer-unsound")
    assert told is not None
    assert (told.severity, told.evidence) == ("critical", "event-loop lag max: 300 ms")
    assert of(stalled(ms(100)), "observer-unsound") is None


def test_a_machine_that_was_slowed_is_told() -> None:
    told = of(stolen(0.2), "machine-slowed")
    assert told is not None
    assert (told.severity, told.evidence) == ("warning", "CPU stolen by the hypervisor: 20% (at most 5%)")
    assert of(stolen(0.03), "machine-slowed") is None


def unconfirmed(verified: bool) -> History:
    story = Story(group(clients=8), faults=[strike(s(13), verified=verified)])
    story.probes = probes()
    return story.history()


def test_a_fault_that_nobody_saw_is_told() -> None:
    assert of(unconfirmed(False), "effect-unseen")
    assert of(unconfirmed(True), "effect-unseen") is None


def troubled(end: int) -> History:
    limit = CriterionPlan(name="bad", metric="bad", window="baseline", max=0.2)
    return planned(crashed(plan=group(clients=8, tolerate_requests=0.5)).errors(s(5), end).history(), limit)


def test_a_service_that_was_not_steady_is_told_with_the_limit_that_it_missed() -> None:
    told = of(troubled(s(9)), "unsteady-baseline")
    assert told is not None
    assert told.evidence.startswith("bad: 40% (32 of 80)")
    assert of(troubled(s(5.2)), "unsteady-baseline") is None
