"""Whole histories, judged from end to end."""

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from storybook import MS, Story, group, ms, s, strike
from whole_runs import STEADY, by_name, crash, criterion, planned, probes, scored

from chaosrun.plan import GroupPlan
from chaosrun.records import (
    Refused,
)
from chaosrun.scoring.result import Result, decode, encode


def test_replies_that_a_crash_cut_off_are_the_faults_and_not_the_baselines() -> None:
    """400 ms of latency and a crash: what was in flight is bad, but before the fault all was well."""
    story = Story(
        group(clients=100, tolerate_requests=0.03), faults=[strike(s(13), confirmed=s(13) + 3 * MS)], latency=ms(400)
    )
    result = scored(planned(story.crash(s(13), s(15)).history(), criterion("bad", "baseline", max=0.01)))
    assert by_name(result)["bad", "baseline"].value == 0
    assert result.verdict == "passed", result.reasons
    assert result.messages.requests.lost_at_break == 40


# ---- a crash, number by number ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crashed() -> Result:
    """Eight clients with a request a second; no server from 13 s to 15 s. Every number below is counted by hand."""
    return scored(
        planned(
            crash().history(),
            *STEADY,
            criterion("back_99", max=8),
            criterion("requests.lost_connected", max=0),
            within_ns=s(10),
            no_relapse=True,
        )
    )


def test_it_passes(crashed: Result) -> None:
    assert (crashed.verdict, crashed.exit_code, crashed.reasons) == ("passed", 0, [])
    assert crashed.observer.sound
    assert crashed.findings == []
    assert [c.outcome for c in crashed.criteria] == [True] * 10


def test_its_recovery_is_exact(crashed: Result) -> None:
    worst = crashed.recovery
    assert (worst.impact_s, worst.recovered_s, worst.recovered_final_s) == (13.0, 15.001, 15.001)
    assert (worst.ttr_s, worst.outage_s, worst.ttr_censored_above_s) == (2.001, 2.001, None)
    assert worst.error_s == pytest.approx(0.005, abs=1e-5)  # round trip 1 ms, lag 1 ms, width of the fault 3 ms
    assert (worst.server_ready_s, worst.affected_clients, worst.relapses, worst.absorbed) == (2.001, 8, 0, False)
    assert (worst.back_s.first, worst.back_s.p99, worst.back_s.never) == (2.001, 2.001, 0)
    assert worst.lost_client_seconds == 8 * 2.001
    assert (worst.impact_by, worst.recovered_by, worst.faults) == ("accounts.sessions", "accounts.sessions", ["fault"])
    assert [episode.ttr_s for episode in worst.episodes] == [2.001]
    assert crashed.detection_s.service == 0.0
    assert {tag: seen.count for tag, seen in crashed.detection_s.client.items()} == {"rst": 8}


def test_its_ledger_is_exact(crashed: Result) -> None:
    requests = crashed.messages.requests
    # 42 s of 8 slots; from 13 s to 15.001 s none can be sent, and the first eighth of a second of the ramp has one.
    assert (requests.due, requests.sent, requests.skipped_disconnected) == (336, 318, 18)
    assert (requests.replied_in_time, requests.lost_at_break, requests.canaries.sent) == (318, 0, 16)
    clients = crashed.clients
    assert (clients.planned, clients.peak_usable, clients.reconnects) == (8, 8, 8)
    assert (clients.needs, clients.needs_met) == (16, 8)  # the losses were not made good within a second
    assert (clients.unexpected_disconnects, clients.by_cause) == (8, {"rst": 8})
    assert crashed.messages.push is None
    assert crashed.groups["accounts"].messages == crashed.messages


def test_its_latency_is_told_corrected_and_uncorrected(crashed: Result) -> None:
    latency = crashed.latency_ms
    assert (latency.service["all"].count, latency.service["all"].max) == (318, 1.0)
    assert (latency.response["all"].count, latency.response["all"].max) == (336, 2002.0)
    assert latency.response["baseline"].max == 1.0
    assert list(latency.response) == ["all", "ramp", "baseline", "recovery", "after", "verify"]
    assert latency.push is None


def test_its_plan_and_surroundings_are_told(crashed: Result) -> None:
    tolerance = crashed.tolerance["accounts"]
    assert (tolerance.requests, tolerance.sessions, tolerance.pushes) == (0.1, 0.01, None)
    assert (tolerance.window_s, tolerance.resolution_s, tolerance.blind_s) == (2.0, 0.125, 0.25)
    (fault,) = crashed.faults
    assert (fault.call_s, fault.confirmed_s, fault.verified) == (13.0, 13.003, True)
    assert crashed.phases[3].name == "fault"
    assert (crashed.environment.cpus, crashed.environment.versions) == (2, {"picows": "2.3.1"})


def test_a_criterion_tells_value_limit_and_error_in_one_unit(crashed: Result) -> None:
    ttr = by_name(crashed)["recovery within", "whole"]
    assert (ttr.value, ttr.limit, ttr.unit, ttr.source) == (2.001, 10.0, "s", "recovery")
    assert ttr.error == pytest.approx(0.005, abs=1e-5)
    assert by_name(crashed)["no relapse", "whole"].value == 0
    assert by_name(crashed)["usable", "baseline"].group == "accounts"


def test_scored_again_it_is_the_same_to_the_byte(crashed: Result) -> None:
    history = planned(crash().history(), *STEADY)
    once = encode(scored(history))
    assert encode(scored(history)) == once
    assert encode(decode(once)) == once
    assert decode(encode(crashed)) == crashed


# ---- verdicts --------------------------------------------------------------------------------------------------------


def test_a_server_that_never_comes_back_fails_with_a_censored_time() -> None:
    result = scored(planned(crash(until=s(1000)).history(), within_ns=s(10)))
    assert result.verdict == "failed"
    assert (result.recovery.ttr_s, result.recovery.ttr_censored_above_s) == (None, 27.0)
    assert result.criteria[0].value is None
    assert result.criteria[0].why.startswith("more than 27 s")
    assert (result.recovery.back_s.never, len(result.recovery.back_s.unreturned)) == (8, 8)
    assert result.findings[0].title == "The service did not recover from fault"


def test_a_pending_stretch_lowers_what_the_time_to_recover_is_surely_above(crashed: Result) -> None:
    recovery = scored(planned(crash(until=s(37)).history())).recovery
    assert (recovery.ttr_s, recovery.pending_s, recovery.ttr_censored_above_s) == (None, 37.001, 27.0)
    assert recovery.ttr_pending_above_s == recovery.ttr_above_s == 24.001
    never = scored(planned(crash(until=s(1000)).history())).recovery
    assert (never.ttr_pending_above_s, never.ttr_above_s) == (None, 27.0)
    assert (crashed.recovery.ttr_pending_above_s, crashed.recovery.ttr_above_s) == (None, None)


def test_a_server_that_was_not_watched_long_enough_is_inconclusive() -> None:
    result = scored(planned(crash(until=s(1000)).history(), within_ns=s(30)))
    assert (result.verdict, result.criteria[0].outcome) == ("inconclusive", None)


def test_a_recovery_too_young_to_count_is_unknown_within_its_limit_and_false_after() -> None:
    young = crash(until=s(37)).history()
    assert scored(planned(young, within_ns=s(25))).criteria[0].outcome is None
    late = scored(planned(young, within_ns=s(20)))
    assert late.criteria[0].outcome is False
    assert late.recovery.pending_s == pytest.approx(37.001)


def test_a_fault_that_does_nothing_under_load_is_absorbed_and_passes() -> None:
    story = Story(group(clients=8), faults=[strike(s(13))])
    story.probes = probes()
    result = scored(planned(story.history(), *STEADY, criterion("back_99", max=8), within_ns=s(10)))
    assert result.verdict == "passed"
    assert (result.recovery.absorbed, result.recovery.ttr_s, result.recovery.affected_clients) == (True, 0.0, 0)
    assert "vacuously true" in by_name(result)["back_99", "whole"].why
    assert result.findings[0].severity == "info"
    assert "none longer than 250 ms" in result.findings[0].title


def test_a_fault_whose_effect_nothing_saw_proves_nothing() -> None:
    story = Story(group(clients=8), faults=[strike(s(13), verified=False)])
    result = scored(planned(story.history(), *STEADY, within_ns=s(10)))
    assert result.verdict == "inconclusive"
    assert any("effect of fault: not verified" in reason for reason in result.reasons)
    assert by_name(result)["recovery within", "whole"].outcome is None


def test_an_unsteady_baseline_is_inconclusive_and_the_fault_is_missed() -> None:
    story = Story(group(clients=8)).errors(s(5), s(9))
    history = story.history()
    plan = crash().history().plan
    result = scored(planned(replace(history, plan=plan), *STEADY, within_ns=s(10)))
    assert (result.verdict, result.exit_code) == ("inconclusive", 3)
    assert any(reason.startswith("not steady before the fault: bad in baseline") for reason in result.reasons)
    assert "not injected: fault" in result.reasons
    assert result.faults[0].call_s is None
    assert result.findings[0].title == "The service was not steady before the fault"


def test_in_a_load_test_a_false_baseline_fails() -> None:
    result = scored(planned(Story(group(clients=8)).errors(s(5), s(9)).history(), *STEADY))
    assert result.verdict == "failed"
    assert result.recovery.absorbed is None


def test_a_load_test_that_holds_passes() -> None:
    result = scored(planned(Story(group(clients=8)).history(), *STEADY, criterion("throughput_ratio", min=0.95)))
    assert result.verdict == "passed"
    assert by_name(result)["throughput_ratio", "whole"].value == 1.0


def test_swallowed_requests_are_a_finding() -> None:
    story = crash().lose(0, s(25), s(26))
    result = scored(planned(story.history(), criterion("requests.lost_connected", max=0)))
    assert result.verdict == "failed"
    assert result.findings[0].evidence.startswith("2 of 318 had no reply")


def test_clients_that_were_turned_away_are_a_finding_with_why_and_how_often() -> None:
    history = crash().history()
    turned = [Refused(t=s(1), g=0, c=c, why="conversation", detail="auth refused") for c in (1, 1, 2)]
    forbidden = Refused(t=s(2), g=0, c=3, why="http", status=403)
    result = scored(replace(history, refused=[*turned, forbidden, *history.refused]))
    by_title = {finding.title: finding for finding in result.findings}
    assert by_title["Clients of accounts were turned away (conversation)"].evidence == (
        "3 attempts of 2 clients: auth refused (3 times)"
    )
    assert by_title["Clients of accounts were turned away (http)"].evidence.endswith("http(403) (1 time)")
    assert result.clients.refused_by == {"conversation": 3, "http(403)": 1, "refused": len(history.refused)}
    assert result.clients.refused == sum(result.clients.refused_by.values())


def test_refusals_of_an_outage_are_no_finding() -> None:
    assert crash().history().refused
    assert scored(crash().history()).findings == []


def test_a_count_may_be_limited_as_a_share() -> None:
    story = crash().lose(0, s(25))
    result = scored(
        planned(story.history(), criterion("requests.lost_connected", max=0.1, percent=True, written="max 10%"))
    )
    (found,) = result.criteria
    assert (found.outcome, found.unit, found.value) == (True, "ratio", pytest.approx(1 / 232))
    assert found.error is not None and found.error > 0
    assert found.written == "max 10%"


def test_tiers_are_told_with_the_one_that_was_reached() -> None:
    limits = {"target": 1.0, "warning": 3.0, "critical": 9.0}
    result = scored(planned(crash().history(), criterion("back_99", **limits), criterion("usable", min=0.5)))
    back, usable = result.criteria
    assert (back.outcome, back.tier, back.tiers, back.limit) == (True, "warning", limits, 3.0)
    assert (usable.tier, usable.tiers) == (None, None)


def test_a_load_test_is_not_asked_to_recover() -> None:
    result = scored(planned(Story(group()).history(), within_ns=s(10), no_relapse=True))
    assert result.criteria == []


# ---- groups ----------------------------------------------------------------------------------------------------------


def two_groups(**changes: Any) -> tuple[GroupPlan, GroupPlan]:
    return group(clients=4), group(name="dashboards", kind="http", clients=4, **changes)


def test_a_criterion_without_a_group_is_judged_once_for_each_that_it_suits() -> None:
    story = Story(two_groups(), faults=[strike(s(13))]).crash(s(13), s(15), g=0)
    result = scored(planned(story.history(), criterion("bad", "verify", max=0), criterion("usable", "verify", min=1)))
    assert [(c.name, c.group) for c in result.criteria] == [
        ("bad of accounts", "accounts"),
        ("bad of dashboards", "dashboards"),
        ("usable", "accounts"),
    ]
    assert list(result.groups) == ["accounts", "dashboards"]


def test_a_criterion_of_one_group_is_about_that_group() -> None:
    story = Story(two_groups(), faults=[strike(s(13))]).errors(s(20), s(21), g=1)
    result = scored(planned(story.history(), criterion("errors", group="accounts", max=0)))
    assert [(c.group, c.outcome) for c in result.criteria] == [("accounts", True)]


def test_a_criterion_that_suits_no_group_is_unknown_and_not_forgotten() -> None:
    result = scored(planned(Story(group(kind="http")).history(), criterion("usable", min=1)))
    assert [(c.name, c.outcome) for c in result.criteria] == [("usable", None)]


def test_totals_are_the_sum_of_the_groups() -> None:
    result = scored(planned(Story(two_groups()).history()))
    groups = [json.loads(msgspec.json.encode(group)) for group in result.groups.values()]
    totals = json.loads(msgspec.json.encode(result.messages.requests))
    for name in ("due", "sent", "replied_in_time"):
        assert totals[name] == sum(each["messages"]["requests"][name] for each in groups)
    assert result.clients.planned == 8
