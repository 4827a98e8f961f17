"""Whole histories, judged from end to end."""

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from storybook import MS, S, Story, group, ms, s, strike

from chaosrun.judge import baseline_holds, judge
from chaosrun.plan import CriterionPlan, GroupPlan, RecoveryPlan
from chaosrun.records import (
    NONE,
    Began,
    Clock,
    Confirmed,
    History,
    Intent,
    Lag,
    Phase,
    Probe,
    Refused,
    Resource,
    Stop,
    Undo,
    Undone,
)
from chaosrun.scoring.histogram import bucket_of
from chaosrun.scoring.result import Criterion, Result, decode, encode


def criterion(metric: str, window: str = "whole", **limits: Any) -> CriterionPlan:
    return CriterionPlan(name=limits.pop("name", metric), metric=metric, window=window, **limits)


STEADY = tuple(
    criterion(metric, window, source="hypothesis", **limit)
    for window in ("baseline", "verify")
    for metric, limit in (("usable", {"min": 1.0}), ("bad", {"max": 0.005}), ("response_p99", {"max": 0.1}))
)


def planned(history: History, *criteria: CriterionPlan, **recovery: Any) -> History:
    """The history of a run with these criteria and `recovery` limits."""
    plan = msgspec.structs.replace(
        history.plan, criteria=criteria, recovery=RecoveryPlan(**({"stable_for_ns": s(5)} | recovery))
    )
    return replace(history, plan=plan)


def scored(history: History) -> Result:
    return judge(history, began(history))


def began(history: History) -> Began:
    return Began(
        t=0,
        run="x",
        chaosrun_version="0.1.0",
        title="a crash",
        tags=("server",),
        plan=history.plan,
        environment={"host": "h", "cpus": "2", "memory_bytes": "1024", "version.picows": "2.3.1"},
    )


def by_name(result: Result) -> dict[tuple[str, str], Criterion]:
    return {(c.name, c.window): c for c in result.criteria}


def probes(*down: tuple[int, int]) -> list[Probe]:
    return [
        Probe(t, NONE if any(a <= t < b for a, b in down) else t + MS, t + 2 * MS, connect=t % (250 * MS) == 0)
        for t in range(s(3), s(42), 10 * MS)
    ]


def crash(until: int = s(15)) -> Story:
    story = Story(group(clients=8), faults=[strike(s(13), confirmed=s(13) + 3 * MS)]).crash(s(13), until)
    story.probes = probes((s(13), until))
    return story


def test_replies_that_a_crash_cut_off_are_the_faults_and_not_the_baselines() -> None:
    """400 ms of latency and a crash: what was in flight is bad, but before the fault all was well."""
    story = Story(
        group(clients=100, tolerate_requests=0.03), faults=[strike(s(13), confirmed=s(13) + 3 * MS)], latency=ms(400)
    )
    result = scored(planned(story.crash(s(13), s(15)).history(), criterion("bad", "baseline", max=0.01)))
    assert by_name(result)["bad", "baseline"].value == 0
    assert result.verdict == "passed", result.reasons
    assert result.messages.requests.lost_at_break == 40


# ---- a crash, number by number --------------------------------------------------------------------------------------


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


# ---- verdicts -------------------------------------------------------------------------------------------------------


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
    assert by_title["Clients of accounts were turned away (http)"].evidence.endswith("http(403) (1 times)")
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


# ---- runs that ended otherwise --------------------------------------------------------------------------------------


def undo(what: str = "the server: start it again") -> Undo:
    return Undo(id="fault", kind="noop", what=what, identity={"pid": 1})


def test_a_stopped_run_is_aborted_and_says_by_what() -> None:
    history = replace(planned(crash().history(), *STEADY), stop=Stop(t=s(20), why="usable below 5% for 60 s"))
    result = scored(history)
    assert (result.verdict, result.exit_code, result.stopped_by) == ("aborted", 4, "usable below 5% for 60 s")


def test_trouble_of_our_own_is_inconclusive_and_no_stop() -> None:
    stop = Stop(t=s(20), why="a load worker died", trouble=True)
    result = scored(replace(planned(crash().history(), *STEADY), stop=stop))
    assert result.verdict == "inconclusive"
    assert "cut short: a load worker died" in result.reasons


def test_an_undo_that_failed_is_dirty_and_names_what_to_do_by_hand() -> None:
    history = replace(planned(crash().history(), *STEADY), intents=[Intent(t=s(13), undo=undo())])
    clean = replace(history, undone=[Undone(t=s(16), id="fault", done=True, verified=True)])
    assert (scored(clean).verdict, scored(clean).faults[0].undone) == ("passed", True)
    failed = replace(history, undone=[Undone(t=s(16), id="fault", done=False, verified=False, error="port in use")])
    assert scored(failed).reasons[0] == "the server: start it again: port in use"
    assert scored(failed).exit_code == 5
    doubtful = replace(history, undone=[Undone(t=s(16), id="fault", done=True, verified=False)])
    assert scored(doubtful).reasons[0] == "the server: start it again: its undo could not be verified"
    assert scored(doubtful).verdict == "dirty"
    assert scored(history).reasons[0] == "the server: start it again: never undone"


def test_a_run_that_never_reached_its_baseline_is_judged_as_far_as_it_came() -> None:
    history = planned(crash().history(), *STEADY)
    short = replace(
        history,
        phases=[Phase(t=0, name="start"), Phase(t=0, name="ramp"), Phase(t=s(2), name="drain")],
        end=s(2) + 1,
        load_stopped=s(2),
        called=(),
        confirmed=(),
        slots=[slot for slot in history.slots if slot.due < s(2)],
        opened=[line for line in history.opened if line.t < s(2)],
        closed=(),
        attempts=[line for line in history.attempts if line.t < s(2)],
        refused=(),
        probes=(),
        lags=[lag for lag in history.lags if lag.t <= s(2)],
        stop=Stop(t=s(2), why="stopped by SIGINT", signal=True),
    )
    result = scored(short)
    assert result.verdict == "aborted"
    assert all(c.outcome is None for c in result.criteria)
    assert "the run has no window 'baseline'" in result.criteria[0].why
    assert result.messages.requests.due == 16


# ---- groups ---------------------------------------------------------------------------------------------------------


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


# ---- before the fault -----------------------------------------------------------------------------------------------


def so_far(story: Story, t: int) -> History:
    """The history as the engine reads it at the end of the baseline, in flight what is in flight."""
    whole = story.history()
    return replace(
        planned(whole, *STEADY),
        phases=[phase for phase in whole.phases if phase.t < t],
        end=t,
        load_stopped=t,
        called=(),
        confirmed=(),
        removed=(),
        slots=[slot._replace(got=slot.got if slot.got <= t else NONE) for slot in whole.slots if slot.due < t],
        opened=[line for line in whole.opened if line.t < t],
        closed=[line for line in whole.closed if line.t < t],
        lags=[lag for lag in whole.lags if lag.t <= t],
        probes=(),
    )


def test_a_steady_baseline_lets_the_fault_in() -> None:
    baseline = baseline_holds(so_far(crash(), s(13)))
    assert (baseline.steady, baseline.reasons) == (True, ())
    assert [(c.name, c.outcome) for c in baseline.criteria] == [("usable", True), ("bad", True), ("response_p99", True)]


def test_a_reply_in_flight_at_the_end_of_the_baseline_is_nobodys_fault() -> None:
    assert baseline_holds(so_far(crash().delay(0, s(12.875), ms(200)), s(13))).steady
    assert baseline_holds(so_far(crash().delay(7, s(12.875), ms(200)), s(13))).steady


def test_a_hypothesis_that_cannot_be_told_keeps_the_fault_out_for_the_run_could_prove_nothing() -> None:
    history = so_far(crash(), s(13))
    blocked = [Lag(t=s(t), span_ns=S, buckets={bucket_of(ms(300)): 1}, max_ns=ms(300)) for t in range(1, 14)]
    baseline = baseline_holds(replace(history, lags=blocked))
    assert not baseline.steady
    assert [(c.name, c.outcome) for c in baseline.criteria if c.outcome is not True] == [
        ("usable", None),
        ("bad", None),
        ("response_p99", None),
    ]


def test_a_broken_hypothesis_keeps_the_fault_out_and_says_why() -> None:
    baseline = baseline_holds(so_far(crash().errors(s(5), s(7)), s(13)))
    assert not baseline.steady
    assert any(reason.startswith("bad: ") for reason in baseline.reasons)


def test_a_baseline_without_room_for_strays_keeps_the_fault_out() -> None:
    story = Story(group(clients=8), faults=[strike(s(13))])
    for client in (0, 3):
        story.lose(client, *(client * S // 8 + t for t in range(s(3), s(13), S)))
    history = so_far(story, s(13))
    baseline = baseline_holds(replace(history, plan=msgspec.structs.replace(history.plan, criteria=())))
    assert not baseline.steady
    assert "four deviations" in baseline.reasons[0]


def test_a_baseline_that_is_too_short_keeps_the_fault_out() -> None:
    baseline = baseline_holds(so_far(crash(), s(4)))
    assert not baseline.steady
    assert any("baseline too short" in reason for reason in baseline.reasons)


def test_what_was_confirmed_twice_was_confirmed_only_if_it_was_both_times() -> None:
    history = planned(crash().history(), *STEADY)
    again = [*history.confirmed, Confirmed(t=s(16), id="fault", verified=False, how="not a second time")]
    assert scored(replace(history, confirmed=again)).verdict == "inconclusive"
