from __future__ import annotations

from dataclasses import replace

from findings_of import crashed, of, planned, probes
from storybook import group, ms, s, strike

from chaosrun.plan import ReconnectPlan
from chaosrun.records import History, Removed


def restarted(at: int) -> History:
    """Down from 13 s to 17 s; chaosrun started it again at `at`."""
    return replace(crashed(s(17)).history(), removed=[Removed(t=at, id="fault")])


def test_a_service_that_needs_long_to_start_is_told_by_the_prober_and_the_restart() -> None:
    told = of(restarted(s(14)), "slow-start")
    assert told is not None
    assert told.title == "The service took 3 s to start"
    assert "the recovery came 3 s after it" in told.evidence
    assert of(restarted(s(16.5)), "slow-start") is None
    assert of(crashed(s(17)).history(), "slow-start") is None, "it is not known when it was started"


def waiting(backoff: int) -> History:
    plan = group(clients=8, reconnect=ReconnectPlan(first_ns=ms(100), max_ns=s(5), jitter="none"))
    return planned(crashed(s(14), plan=plan, backoff=backoff).history(), within_ns=s(4))


def test_a_return_that_only_waited_is_told_as_the_experiments_own_setting() -> None:
    told = of(waiting(s(3)), "backoff-too-long")
    assert told is not None
    assert told.severity == "info", "it recovered within its limit"
    assert told.evidence.startswith(
        "the prober was let in again 1 s after the fault; from then on 8 clients waited 2 s"
    )
    assert told.action.startswith(
        "These waits are the experiment's own `reconnect` of accounts (first 100 ms, max 5 s, jitter none)."
    )
    assert of(waiting(ms(800)), "backoff-too-long") is None


def straggling(until: int) -> History:
    return crashed(s(14), plan=group(clients=20)).crash(s(13.5), until, [7]).history()


def test_a_client_that_is_out_much_longer_than_the_others_is_named() -> None:
    told = of(straggling(s(20)), "stragglers")
    assert told is not None
    assert told.title == "A few clients were out much longer than the others: 7 s against 1 s"
    assert "1 of 20 (5%) affected clients" in told.evidence
    assert "accounts-7 (70 attempts)" in told.evidence
    assert of(straggling(s(15)), "stragglers") is None


def held(until: int) -> History:
    """A fault from 13 s to 33 s that the service bears from `until` on."""
    story = crashed(until)
    story.faults = [strike(s(13), removed=s(33))]
    story.probes = probes((s(13), until))
    return story.history()


def test_a_service_that_adapts_late_to_a_fault_is_told() -> None:
    told = of(held(s(18)), "slow-to-adapt")
    assert told is not None
    assert told.title == "The service lives with fault, but needs 5 s to adapt"
    assert of(held(s(15)), "slow-to-adapt") is None
