"""Every check of the observer: a history that sets it off, one that does not, and what it makes unknown."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from checking import clocks, found, grade, probes, samples, with_lags
from storybook import S, Story, group, ms, s, strike

from chaosrun.judge import gather, judge_criteria
from chaosrun.plan import CriterionPlan, FaultPlan, StreamPlan
from chaosrun.records import NONE, Confirmed, History, Lag, Probe, Push, Refused, Stream
from chaosrun.scoring.checks import Check
from chaosrun.scoring.detection import noticed
from chaosrun.scoring.histogram import bucket_of
from chaosrun.scoring.observer import check_observer
from chaosrun.scoring.steadiness import check_baseline


@pytest.fixture
def calm() -> History:
    """Ten seconds of baseline, a crash of two seconds at 13 s, seen by load and prober alike."""
    story = Story(group(clients=8), faults=[strike(s(13))]).crash(s(13), s(15))
    story.probes = probes(down=(s(13), s(15)))
    return story.history()


# ---- the load process -----------------------------------------------------------------------------------------------


def test_a_calm_run_is_sound_in_every_check(calm: History) -> None:
    evidence = gather(replace(calm, clocks=clocks(throttled={0: 0.0}), resources=samples()))
    checks = [*check_observer(evidence), *check_baseline(evidence)]
    assert {check.name: check.grade for check in checks if check.grade != "ok"} == {}
    assert len(checks) == 23


def test_lag_warns_above_10_ms_and_invalidates_above_50_ms_at_its_p99(calm: History) -> None:
    def lagging(value: int) -> History:
        lags = [replace_lag(lag, value) for lag in calm.lags]
        return replace(calm, lags=lags)

    def replace_lag(lag: Lag, value: int) -> Lag:
        return Lag(t=lag.t, span_ns=S, buckets={bucket_of(value): 100}, max_ns=value)

    assert grade(lagging(ms(9)), "event-loop lag p99") == "ok"
    assert grade(lagging(ms(11)), "event-loop lag p99") == "warn"
    assert grade(lagging(ms(51)), "event-loop lag p99") == "invalid"


def test_one_long_stall_invalidates_only_its_own_time(calm: History) -> None:
    assert grade(with_lags(calm, at=s(20), value=ms(30)), "event-loop lag max") == "warn"
    check = found(with_lags(calm, at=s(20), value=ms(260)), "event-loop lag max")
    assert (check.grade, check.spans) == ("invalid", ((s(19), s(20)),))
    assert check.hits({"lag"}, s(18), s(25), "accounts")
    assert not check.hits({"lag"}, s(20), s(25), "accounts")
    assert not check.hits({"journal"}, s(18), s(25), "accounts")


def test_lag_in_the_ramp_is_no_ones_business(calm: History) -> None:
    assert grade(with_lags(calm, at=s(2), value=ms(400)), "event-loop lag max") == "ok"


def test_slots_sent_late_invalidate_above_a_tenth_of_the_latency_limit() -> None:
    def late(by: int) -> History:
        story = Story(group(clients=2, latency_limit_ns=ms(200)))
        for second in range(5, 25):
            story.late(0, s(second), by)
        return story.history()

    assert grade(late(ms(9)), "send lateness p99") == "ok"
    assert grade(late(ms(15)), "send lateness p99") == "warn"
    assert grade(late(ms(21)), "send lateness p99") == "invalid"


def test_slots_sent_25_ms_late_invalidate_whatever_the_latency_limit_is() -> None:
    def late(by: int) -> History:
        story = Story(group(clients=2, latency_limit_ns=s(2)))
        for second in range(5, 25):
            story.late(0, s(second), by)
        return story.history()

    assert grade(late(ms(24)), "send lateness p99") == "warn"
    check = found(late(ms(26)), "send lateness p99")
    assert (check.grade, check.limit, check.unit) == ("invalid", 0.025, "s")
    assert check.why == "26 ms"


def test_slots_that_the_observer_missed_warn_at_one_and_invalidate_above_one_in_a_thousand() -> None:
    def missing(clients: int, count: int) -> History:
        story = Story(group(clients=clients))
        for second in range(5, 5 + count):
            story.skip(0, s(second))
        return story.history()

    assert grade(missing(4, 0), "slots missed") == "ok"
    assert grade(missing(40, 1), "slots missed") == "warn"
    check = found(missing(4, 3), "slots missed")
    assert (check.grade, check.value) == ("invalid", pytest.approx(3 / 168))
    assert check.group == "accounts"


def test_a_busy_load_process_is_judged_by_phase(calm: History) -> None:
    def busy(share: float, phase: range) -> History:
        lags = [
            Lag(t=lag.t, span_ns=S, buckets=lag.buckets, max_ns=lag.max_ns, cpu_ns=round(share * S))
            if lag.t in phase
            else lag
            for lag in calm.lags
        ]
        return replace(calm, lags=lags)

    baseline = range(s(4), s(13) + 1)
    assert grade(busy(0.5, baseline), "CPU of the load") == "ok"
    assert grade(busy(0.8, baseline), "CPU of the load") == "warn"
    check = found(busy(0.95, baseline), "CPU of the load")
    assert (check.grade, check.spans) == ("invalid", ((s(3), s(13)),))
    assert grade(busy(0.95, range(s(3))), "CPU of the load") == "ok"


# ---- the machine ----------------------------------------------------------------------------------------------------


def test_stolen_cpu_warns_above_one_percent_and_invalidates_above_five(calm: History) -> None:
    assert grade(calm, "CPU stolen") is None
    assert grade(replace(calm, clocks=clocks()), "CPU stolen") == "ok"
    assert grade(replace(calm, clocks=clocks(steal={0: 0.02})), "CPU stolen") == "warn"
    assert grade(replace(calm, clocks=clocks(steal={s(20): 0.2})), "CPU stolen") == "invalid"


def test_a_step_of_the_wall_clock_clouds_only_what_is_read_against_it(calm: History) -> None:
    assert grade(replace(calm, clocks=clocks(wall={s(20): 10**18 + ms(4)})), "step of the wall clock") == "ok"
    assert grade(replace(calm, clocks=clocks(wall={s(20): 10**18 - ms(6)})), "step of the wall clock") == "warn"
    check = found(replace(calm, clocks=clocks(wall={s(20): 10**18 + ms(51)})), "step of the wall clock")
    assert (check.grade, check.spans) == ("invalid", ((s(19), s(20)),))
    assert check.clouds == {"clock"}


def test_any_sleep_of_the_machine_invalidates(calm: History) -> None:
    assert grade(replace(calm, clocks=clocks(suspended={s(20): 20_000})), "machine suspended") == "ok"
    check = found(replace(calm, clocks=clocks(suspended={s(20): s(3)})), "machine suspended")
    assert (check.grade, check.value) == ("invalid", 3.0)
    assert check.clouds == {"lag", "send", "skipped", "clock", "prober"}
    assert check.spans == ((s(19), s(20)),)


def test_our_own_descriptors_and_ports_invalidate(calm: History) -> None:
    refused = [*calm.refused, Refused(t=s(20), g=0, c=0, why="descriptors")]
    assert grade(calm, "connections refused by our own") == "ok"  # the crash refused some, the service's own way
    check = found(replace(calm, refused=refused), "connections refused by our own")
    assert (check.grade, check.value) == ("invalid", 1)
    assert "ulimit" in check.why
    ports = [*calm.refused, Refused(t=s(20), g=0, c=0, why="ports")]
    assert grade(replace(calm, refused=ports), "connections refused by our own") == "invalid"


# ---- the record -----------------------------------------------------------------------------------------------------


def test_lost_records_invalidate_all_that_is_counted(calm: History) -> None:
    check = found(replace(calm, lost_records=1), "lost journal records")
    assert (check.grade, check.clouds) == ("invalid", {"journal"})


def test_a_slot_without_a_record_breaks_an_equation_and_is_named(calm: History) -> None:
    slots = [slot for slot in calm.slots if slot.due != s(20)]
    check = found(replace(calm, slots=slots), "conservation")
    assert check.grade == "invalid"
    assert "no record" in check.why


# ---- the fault ------------------------------------------------------------------------------------------------------


def test_an_effect_that_nothing_saw_is_invalid(calm: History) -> None:
    assert grade(calm, "effect of fault") == "ok"
    unseen = replace(calm, confirmed=[])
    assert found(unseen, "effect of fault").why == "not verified: nothing looked"
    failed = replace(calm, confirmed=[Confirmed(t=s(13), id="fault", verified=False, how="pid 7 still runs")])
    check = found(failed, "effect of fault")
    assert (check.grade, check.why) == ("invalid", "not verified: pid 7 still runs")


def test_load_and_prober_that_agree_are_fine(calm: History) -> None:
    check = found(calm, "prober against load")
    assert (check.grade, check.value) == ("ok", 0.0)


def test_a_prober_that_saw_it_much_later_is_invalid(calm: History) -> None:
    # 8 slots a second: 3/(N rate) = 375 ms is the limit.
    assert grade(replace(calm, probes=probes(down=(s(13.3), s(15)))), "prober against load") == "warn"
    assert grade(replace(calm, probes=probes(down=(s(13.5), s(15)))), "prober against load") == "invalid"


def test_an_outage_that_only_the_load_saw_is_the_loads_own(calm: History) -> None:
    check = found(replace(calm, probes=probes(down=None)), "prober against load")
    assert (check.grade, check.clouds) == ("invalid", {"prober"})


def test_an_outage_that_only_the_prober_saw_is_a_warning() -> None:
    story = Story(group(clients=8), faults=[strike(s(13))])
    story.probes = probes(down=(s(13), s(13) + ms(30)))
    assert grade(story.history(), "prober against load") == "warn"


def test_a_freeze_that_the_feeds_show_first_is_compared_by_the_requests_that_it_hit() -> None:
    """The gap of a feed opened before the fault, so that its impact is the call itself, before any request was due."""
    clients, frozen = 80, (s(13) + ms(5), s(15))
    story = Story(group(clients=clients, streams=(StreamPlan(),)), faults=[strike(frozen[0])]).freeze(*frozen)
    story.probes = probes(down=frozen)
    times = [t for t in range(s(3), s(42), ms(200)) if not frozen[0] <= t < frozen[1]]
    history = replace(
        story.history(),
        streams=[Stream(t=s(3), sid=c, g=0, c=c, conn=0, channel="A") for c in range(clients)],
        pushes=[Push(t, n, n, None, c) for n, t in enumerate(times, 1) for c in range(clients)],
    )
    evidence = gather(history)
    assert evidence.recovery is not None
    (episode,) = evidence.recovery.episodes
    assert (episode.impact, episode.impact_by) == (frozen[0], "accounts.pushes")
    assert noticed(evidence, episode).fleet == s(13) + 12_500_000
    check = found(history, "prober against load")
    assert (check.grade, check.value) == ("ok", 0.0025)


def test_with_many_slots_a_tenth_of_a_second_is_what_may_lie_between_them() -> None:
    def check(by: int) -> Check:
        story = Story(group(clients=80), faults=[strike(s(13))]).crash(s(13), s(15))
        story.probes = probes(down=(s(13) + by, s(15)))
        return found(story.history(), "prober against load")

    assert (check(ms(20)).grade, check(ms(20)).limit) == ("ok", 0.1)
    assert check(ms(100)).grade == "warn"
    assert check(ms(110)).grade == "invalid"


def test_a_probe_that_was_slow_or_in_flight_counts_and_one_after_the_episode_does_not(calm: History) -> None:
    slow = [Probe(s(13) + ms(40), s(13) + ms(541), s(14), connect=False)]  # L is 500 ms
    assert found(replace(calm, probes=slow), "prober against load").value == pytest.approx(0.04)
    quick = [Probe(s(13) + ms(40), s(13) + ms(540), s(14), connect=False)]
    assert found(replace(calm, probes=quick), "prober against load").value is None
    in_flight = [Probe(s(13) - ms(5), NONE, s(13) + ms(3), connect=False)]
    assert found(replace(calm, probes=in_flight), "prober against load").value == 0.0
    before = [Probe(s(12), NONE, s(12.5), connect=False)]
    assert found(replace(calm, probes=before), "prober against load").value is None
    after = [Probe(s(40), NONE, s(40.1), connect=False)]
    assert found(replace(calm, probes=after), "prober against load").value is None


def test_a_fault_that_does_not_reach_the_prober_is_not_compared(calm: History) -> None:
    plan = replace_faults(calm, reaches_server=False)
    assert not [c for c in check_observer(gather(plan)) if c.name.startswith("prober against")]


def replace_faults(history: History, **changes: Any) -> History:
    faults = tuple(msgspec.structs.replace(fault, **changes) for fault in history.plan.faults)
    assert all(isinstance(fault, FaultPlan) for fault in faults)
    return replace(history, plan=msgspec.structs.replace(history.plan, faults=faults))


# ---- the baseline ---------------------------------------------------------------------------------------------------


def test_a_baseline_shorter_than_the_event_window_is_none() -> None:
    assert grade(Story(group(), baseline=s(3), faults=[strike(s(6))]).history(), "length of the baseline") == "ok"
    just = Story(group(), baseline=s(3), faults=[strike(s(5))]).history()
    assert grade(just, "length of the baseline") == "ok"
    short = Story(group(), baseline=s(3), faults=[strike(s(5) - 1)]).history()
    assert found(short, "length of the baseline").grade == "invalid"


def test_strays_that_would_break_tolerance_now_and_then_are_not_steady() -> None:
    def straying(*dues: int) -> History:
        return Story(group(clients=40), faults=[strike(s(23))]).lose(0, *dues).history()

    # 80 slots a window of 2 s, 8 tolerated. 10 windows: 1 bad slot is m = 0.1, 0.1 + 4 sqrt(0.1) = 1.36.
    check = found(straying(s(10)), "bad slots of accounts")
    assert check.grade == "ok"
    assert (check.value, check.limit) == pytest.approx((0.1 + 4 * 0.1**0.5, 8.0))
    # 20 bad: m = 2, 2 + 4 sqrt(2) = 7.66 is still in; every slot of two clients is not.
    assert grade(straying(*range(s(3), s(23), S)), "bad slots of accounts") == "ok"
    both = Story(group(clients=40), faults=[strike(s(23))])
    for client in (0, 4):
        both.lose(client, *(client * S // 40 + t for t in range(s(3), s(23), S)))
    assert grade(both.history(), "bad slots of accounts") == "invalid"


def test_halves_of_a_baseline_that_disagree_are_no_baseline() -> None:
    def story(first: range, second: range) -> History:
        told = Story(group(clients=40, tolerate_requests=1.0), faults=[strike(s(23))])
        for client in range(40):
            told.lose(client, *(client * S // 40 + t for t in (*first, *second)))
        return told.history()

    even = story(range(s(5), s(7), S), range(s(15), s(17), S))
    assert grade(even, "halves of the baseline") == "ok"
    uneven = story(range(s(5), s(5), S), range(s(15), s(19), S))
    check = found(uneven, "halves of the baseline")
    assert check.grade == "invalid"
    assert "0 of 400 and 160 of 400" in check.why


def test_a_median_that_drifts_is_no_baseline_unless_it_is_next_to_nothing() -> None:
    def drifting(by: int) -> History:
        told = Story(group(clients=4), latency=ms(20), faults=[strike(s(23))])
        for client in range(4):
            for t in range(s(13), s(23), S):
                told.delay(client, client * S // 4 + t, by)
        return told.history()

    assert grade(drifting(ms(3)), "drift of the median") == "ok"  # 15%
    check = found(drifting(ms(30)), "drift of the median")
    assert check.grade == "invalid"
    assert check.value == pytest.approx(1.5, rel=0.01)
    microseconds = Story(group(clients=4), latency=100_000, faults=[strike(s(23))])
    for t in range(s(13), s(23), S):
        microseconds.delay(0, t, 100_000).delay(1, s(0.25) + t, 100_000).delay(2, s(0.5) + t, 100_000)
    assert grade(microseconds.history(), "drift of the median") == "ok"


# ---- what becomes unknown -------------------------------------------------------------------------------------------


def test_an_invalid_check_makes_unknown_what_depends_on_it_and_nothing_else(calm: History) -> None:
    history = with_lags(calm, at=s(20), value=ms(300))
    evidence = gather(history)
    checks = check_observer(evidence)
    planned = [
        CriterionPlan(name="latency", metric="response_p99", window="whole", max=10),
        CriterionPlan(name="latency before", metric="response_p99", window="baseline", max=10),
        CriterionPlan(name="losses", metric="requests.lost_connected", window="whole", max=0),
    ]
    outcomes = {c.name: c for c in judge_criteria(evidence, checks, planned)}
    assert {name: c.outcome for name, c in outcomes.items()} == {
        "latency": None,
        "latency before": True,
        "losses": True,
    }
    assert "event-loop lag max" in outcomes["latency"].why
    assert outcomes["latency"].value is not None


def test_a_span_that_only_touches_a_window_leaves_it_alone() -> None:
    check = Check(name="x", grade="invalid", clouds=frozenset({"lag"}), spans=((10, 20),))
    assert not check.hits({"lag"}, 5, 10, None)
    assert check.hits({"lag"}, 5, 11, None)
    assert check.hits({"lag"}, 19, 25, None)
    assert not check.hits({"lag"}, 20, 25, None)


def test_a_warning_makes_nothing_unknown() -> None:
    assert not Check(name="x", grade="warn", clouds=frozenset({"lag"})).hits({"lag"}, 0, 1, None)


def test_a_check_of_one_group_leaves_the_others_alone() -> None:
    check = Check(name="x", grade="invalid", clouds=frozenset({"send"}), group="accounts")
    assert check.hits({"send"}, 0, 1, "accounts")
    assert not check.hits({"send"}, 0, 1, "dashboards")
    assert check.hits({"send"}, 0, 1, None)


def test_an_impact_told_by_pushes_is_compared_by_the_connections_that_broke(calm: History) -> None:
    evidence = gather(calm)
    assert evidence.recovery is not None
    episode = replace(evidence.recovery.episodes[0], impact_by="accounts.pushes", impact=s(12.5), unserved=None)
    assert noticed(evidence, episode)[:2] == (s(13), s(13))
    kept = gather(replace(calm, closed=[]))
    assert noticed(kept, episode).fleet is None
