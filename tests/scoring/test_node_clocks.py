"""Clocks of a fleet's nodes: what two comparisons tell of each, and what becomes unsure by it."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import msgspec
import pytest
from checking import found, grade, probes
from nodes import compared, on_nodes, within
from recoveries import recovery_of
from storybook import MS, Feed, S, Still, Story, group, ms, s, strike, ticking
from whole_runs import criterion, planned, scored

from chaosrun.judge import gather
from chaosrun.metrics import adapted, outage
from chaosrun.records import NONE, History, Lag, NodeClock, Probe, Status
from chaosrun.scoring.node_clocks import WorkerClock, clock_bound, is_given, uncompared, worker_clocks
from chaosrun.scoring.observer import check_observer
from chaosrun.scoring.recovery import Episode
from chaosrun.scoring.timeline import build_timeline


@pytest.fixture
def calm() -> History:
    """Ten seconds of baseline, a crash of two seconds at 13 s, seen by load and prober alike; load until 42 s."""
    story = Story(group(clients=8), faults=[strike(s(13), confirmed=s(13) + ms(3))]).crash(s(13), s(15))
    story.probes = probes(down=(s(13), s(15)))
    return story.history()


def clock_of(history: History, *lines: NodeClock) -> WorkerClock:
    (clock,) = worker_clocks(on_nodes(history, *lines))
    return clock


# ---- what the comparisons tell --------------------------------------------------------------------------------------


def test_what_is_left_after_the_load_is_the_drift_and_with_its_bound_the_error(calm: History) -> None:
    clock = clock_of(calm, compared(0, 0, ms(2)), compared(s(50), -ms(3), ms(1), exchanges=55))
    assert (clock.worker, clock.node, clock.exchanges) == ("load-0", "host-0", 55)
    assert (clock.bound, clock.offset, clock.bound_after) == (ms(2), -ms(3), ms(1))
    assert (clock.drift_ppm, clock.drift_error_ppm) == (-60.0, 60.0)
    assert clock.error == ms(4)


def test_a_clock_that_kept_time_is_as_unsure_as_it_was_before_the_load(calm: History) -> None:
    assert clock_of(calm, compared(0, 0, ms(2)), compared(s(42), ms(1) // 2, ms(1))).error == ms(2)
    assert clock_of(calm, compared(0, 0, ms(2)), compared(s(42), ms(1), ms(1) + 1)).error == ms(2) + 1


def test_a_comparison_during_the_load_counts_too(calm: History) -> None:
    clock = clock_of(calm, compared(s(42), ms(1), ms(1)), compared(s(20), -ms(5), ms(1)), compared(0, 0, ms(2)))
    assert (clock.error, clock.offset, clock.drift_ppm) == (ms(6), ms(1), pytest.approx(1e-3 / 42 * 1e6))


def test_a_clock_that_was_not_compared_after_the_load_is_taken_to_drift_by_100_ppm(calm: History) -> None:
    ended = replace(calm, end=s(42))
    clock = clock_of(ended, compared(-s(8), 0, ms(2)))
    assert (clock.offset, clock.bound_after, clock.drift_ppm, clock.drift_error_ppm) == (None,) * 4
    assert clock.error == ms(2) + s(50) // 10_000
    clock = clock_of(ended, compared(0, 0, ms(2)), compared(s(42) - 1, ms(3), ms(1)))
    assert (clock.offset, clock.error) == (None, ms(4) + 1), "rounded up"


def test_a_clock_that_was_first_compared_in_the_load_is_taken_to_have_drifted_by_100_ppm_up_to_there(
    calm: History,
) -> None:
    """The ramp began at 0."""
    clock = clock_of(calm, compared(s(10), 0, ms(2)), compared(s(42), 0, ms(1)))
    assert clock.error == ms(2) + ms(1)
    only_after = clock_of(calm, compared(s(50), -ms(1), ms(2)))
    assert (only_after.error, only_after.drift_ppm) == (ms(3) + ms(5), None)


def test_before_the_ramp_a_drift_matters_to_nothing(calm: History) -> None:
    phases = [msgspec.structs.replace(each, t=s(5)) if each.name == "ramp" else each for each in calm.phases]
    later = replace(calm, phases=phases)
    assert clock_of(later, compared(s(10), 0, ms(2)), compared(s(42), 0, ms(1))).error == ms(2) + ms(1) // 2
    waited = clock_of(later, compared(-s(100), 0, ms(2)), compared(s(50), -ms(3), 0))
    assert (waited.error, waited.drift_ppm) == (ms(3), -20.0)


def test_two_load_processes_on_one_node_are_compared_each_by_itself(calm: History) -> None:
    lines = [compared(0, 0, ms(n), worker=f"load-{n}") for n in (1, 2)]
    history = on_nodes(calm, *(msgspec.structs.replace(line, node="blue") for line in lines))
    assert [(clock.worker, clock.node, clock.bound) for clock in worker_clocks(history)] == [
        ("load-1", "blue", ms(1)),
        ("load-2", "blue", ms(2)),
    ]


def test_the_worst_clock_bounds_all(calm: History) -> None:
    first = compared(0, 0, ms(1)), compared(s(42), 0, ms(1))
    second = compared(0, 0, ms(7), worker="load-1"), compared(s(42), 0, ms(1), worker="load-1")
    history = on_nodes(calm, *first, *second)
    names = ("load-10", "load-2", "load-1")
    assert [clock.worker for clock in worker_clocks(on_nodes(calm, *(compared(0, 0, 0, worker=n) for n in names)))] == [
        "load-1",
        "load-2",
        "load-10",
    ]
    assert clock_bound(history) == ms(7)
    assert clock_bound(on_nodes(calm, *first)) == ms(1)
    assert (clock_bound(calm), uncompared(calm), worker_clocks(calm)) == (0, [], [])


def test_of_a_load_process_that_was_never_compared_nothing_is_known(calm: History) -> None:
    history = on_nodes(calm, compared(0, 0, ms(1)))
    history = replace(history, lags=[*history.lags, Lag(t=S, w="load-1", span_ns=S, buckets={}, max_ns=0)])
    assert (uncompared(history), clock_bound(history)) == (["load-1"], None)


# ---- what becomes unsure --------------------------------------------------------------------------------------------


def crashed(*lines: NodeClock) -> Episode:
    """Struck at 13 s, confirmed 3 ms later; the clients' connections end at 13 s and the server is back at 15 s."""
    story = Story(group(), faults=[strike(s(13), confirmed=s(13) + ms(3))]).crash(s(13), s(15), clients=[0, 1, 2])
    story.probes = [
        Probe(t, NONE if s(13) <= t < s(15) else t + MS, t + 2 * MS, connect=True)
        for t in range(s(3) + ms(4), s(42), ms(250))
    ]
    history = story.history()
    (episode,) = recovery_of(on_nodes(history, *lines) if lines else history).episodes
    return episode


def test_the_bound_of_the_clocks_is_in_every_error_between_the_engine_the_prober_and_the_load() -> None:
    """4 ms of drift and 1 ms of bound are left after the load."""
    local, far = crashed(), crashed(compared(0, 0, ms(2)), compared(s(42), ms(4), ms(1)))
    assert (local.clock_error, far.clock_error) == (0, ms(5))
    for name in ("error", "impact_error", "server_ready_error"):
        assert getattr(far, name) == getattr(local, name) + ms(5), name
    assert far.back.errors == {name: error + ms(5) for name, error in local.back.errors.items()}
    assert far.back.errors.keys() == {"first", "p50", "p90", "p99", "all"}
    for name in ("impact", "impact_late", "recovered", "ttr", "outage", "detection", "server_ready", "noticed"):
        assert getattr(far, name) == getattr(local, name), name


def test_without_a_comparison_of_a_clock_no_error_is_known() -> None:
    story = Story(group(), faults=[strike(s(13))]).crash(s(13), s(15))
    story.probes = [Probe(t, t + MS, t + MS, connect=True) for t in range(s(16), s(20), S)]
    history = replace(story.history(), node_clocks=[compared(0, 0, ms(1))])  # the lag is not of load-0
    (episode,) = recovery_of(history).episodes
    assert (episode.clock_error, episode.error, episode.impact_error, episode.server_ready_error) == (None,) * 4
    assert (episode.server_ready, episode.back.errors) == (s(16) + MS, {})
    result = scored(planned(history, criterion("lost_client_seconds", max=100)))
    assert (result.recovery.error_s, result.recovery.server_ready_error_s) == (None, None)
    assert result.criteria[0].outcome is None


def test_an_outage_may_be_shorter_by_the_clocks_at_both_of_its_ends() -> None:
    local, far = outage.read(crashed()), outage.read(crashed(compared(0, 0, ms(5)), compared(s(42), 0, ms(5))))
    assert local is not None
    assert far is not None
    assert far.value == local.value
    assert far.low == pytest.approx(local.low - 0.010)
    assert far.high == pytest.approx(local.high + 0.010)


def test_what_had_not_ended_lasted_as_long_as_the_clocks_can_tell() -> None:
    """In tolerance from 37 s on, three seconds before the end of the observation: too short to count."""

    def ending(history: History) -> tuple[float | None, float, float]:
        result = scored(planned(history, criterion("outage", max=1000), criterion("ttr", max=1000)))
        (episode,) = recovery_of(history).episodes
        above = outage.read(episode)
        assert above is not None
        return result.recovery.ttr_pending_above_s, above.low, episode.end / 1e9

    pending = Story(group(clients=8), faults=[strike(s(13))]).crash(s(13), s(37)).history()
    assert ending(pending)[:2] == (24.001, 24.001)
    assert ending(within(pending, ms(5)))[:2] == (23.996, pytest.approx(23.991))
    never = Story(group(clients=8), faults=[strike(s(13))]).crash(s(13), s(1000)).history()
    assert ending(never)[:2] == (None, 27.0)
    assert ending(within(never, ms(5)))[:2] == (None, pytest.approx(26.995))
    result = scored(planned(within(never, ms(5)), criterion("ttr", max=27)))
    assert result.criteria[0].outcome is False, "the end and the fault are both the engine's"
    unknown = replace(pending, node_clocks=[compared(0, 0, 0)])
    assert ending(unknown)[:2] == (0.0, 0.0)


def test_when_the_service_adapted_is_as_unsure_as_the_clocks() -> None:
    story = Story(group(clients=8), faults=[strike(s(13), removed=s(30))]).crash(s(13), s(15))

    def reading(history: History) -> tuple[float, float]:
        (episode,) = recovery_of(history).episodes
        found = adapted.read(episode)
        assert found is not None
        return round(found.low, 9), round(found.high, 9)

    assert reading(story.history()) == (2.001, 2.001)
    assert reading(within(story.history(), ms(5))) == (1.996, 2.006)


def test_the_time_that_clients_lost_is_unsure_where_the_engine_cuts_it_off() -> None:
    """Two of eight clients never come back: their time begins by their clock and ends by the engine's."""
    story = Story(group(clients=8, tolerate_sessions=0.5), faults=[strike(s(13))]).crash(s(13), s(15))
    story.crash(s(13), s(1000), clients=[0, 1])
    history = planned(story.history(), criterion("lost_client_seconds", max=1000))
    far = planned(within(story.history(), ms(5)), criterion("lost_client_seconds", max=1000))
    assert scored(history).criteria[0].error == 0.0
    assert scored(far).criteria[0].error == pytest.approx((8 + 2) * 0.005)


def test_what_one_load_process_timed_by_itself_is_as_sure_as_ever(calm: History) -> None:
    """Late replies, waits, connects: their two ends are by one clock."""
    local, far = scored(calm), scored(within(calm, ms(40)))
    assert far.latency_ms == local.latency_ms
    assert (far.messages, far.clients, far.tolerance) == (local.messages, local.clients, local.tolerance)
    judged = [criterion("response_p99", max=1), criterion("service_p99", max=1), criterion("connect_p99", max=1)]
    assert scored(planned(calm, *judged)).criteria == scored(planned(within(calm, ms(40)), *judged)).criteria


# ---- who noticed ----------------------------------------------------------------------------------------------------


def early(bound: int) -> History:
    """The clock of the node is behind: connections seem to end 4 ms before the crash that ended them."""
    story = Story(group(clients=8), faults=[strike(s(13))]).crash(s(13), s(15))
    story.probes = probes(down=(s(13), s(15)))
    history = story.history()
    closed = [msgspec.structs.replace(line, t=line.t - ms(4)) for line in history.closed]
    return within(replace(history, closed=closed), bound)


def test_a_connection_that_seems_to_end_just_before_the_fault_has_ended_with_it() -> None:
    (episode,) = recovery_of(early(ms(4))).episodes
    assert {how: (seen.count, seen.p50, seen.max) for how, seen in episode.noticed.items()} == {"rst": (8, 0, 0)}
    (episode,) = recovery_of(early(ms(4) - 1)).episodes
    assert "rst" not in episode.noticed


def test_what_the_fault_did_is_not_held_against_the_baseline_by_a_clock_that_is_behind() -> None:
    """Struck at 13.002 s. Connections seem to end 4 ms before that, and a slot to be lost 2 ms before it."""
    at = s(13) + ms(2)
    story = Story(group(clients=8), faults=[strike(at)]).crash(at, s(15))
    story.probes = probes(down=(at, s(15)))
    true = story.history()
    closed = [msgspec.structs.replace(line, t=line.t - ms(4)) for line in true.closed]
    slots = [
        row._replace(sent=NONE, got=NONE, status=Status.SKIPPED_DISCONNECTED) if row.due == s(13) else row
        for row in true.slots
    ]

    def judged(bound: int) -> list[bool | None]:
        asked = [criterion("usable", "baseline", min=1.0), criterion("bad", "baseline", max=0.0)]
        history = within(replace(true, closed=closed, slots=slots), bound)
        return [each.outcome for each in scored(planned(history, *asked)).criteria]

    assert judged(ms(4)) == [True, True]
    assert judged(ms(3)) == [False, True]
    assert judged(ms(1)) == [False, False]

    def counts_at(bound: int) -> int:
        found = build_timeline(within(replace(true, slots=slots), bound), 0).requests.outcomes
        return next(outcome.counts_at for outcome in found if outcome.due == s(13))

    assert (counts_at(ms(2)), counts_at(ms(2) + 1)) == (s(13), at)


def test_prober_and_load_may_differ_by_what_their_clocks_do(calm: History) -> None:
    def late_by(lag: int, bound: int) -> str | None:
        down = s(13) + lag, s(15) + lag
        return grade(within(replace(calm, probes=probes(down=down)), bound), "prober against load")

    name = "prober against load"
    assert (late_by(ms(20), 0), late_by(ms(30), 0), late_by(ms(380), 0)) == ("ok", "warn", "invalid")
    assert (late_by(ms(30), ms(10)), late_by(ms(40), ms(10))) == ("ok", "warn")
    # Eight slots a second: 375 ms, and the clocks.
    assert found(calm, name).limit == 0.375
    assert found(within(calm, ms(10)), name).limit == 0.385
    assert late_by(ms(380), ms(10)) == "warn"
    only_load = replace(within(calm, ms(10)), probes=probes(down=None))
    assert (found(only_load, name).grade, found(only_load, name).limit) == ("invalid", 0.385)


def test_the_load_noticed_what_ended_just_before_the_fault_by_its_clock() -> None:
    """Of eight sessions five may be missing, so that without these ends only the first bad slot would tell."""

    def apart(bound: int) -> float | None:
        story = Story(group(clients=8, tolerate_sessions=0.625), faults=[strike(s(13))])
        story.crash(s(13), s(15), clients=range(3, 8))
        story.probes = probes(down=(s(13), s(15)))
        history = story.history()
        closed = [msgspec.structs.replace(line, t=line.t - ms(4)) for line in history.closed]
        return found(within(replace(history, closed=closed), bound), "prober against load").value

    assert apart(ms(4)) == 0.0
    assert apart(ms(4) - 1) == 0.375


# ---- the check ------------------------------------------------------------------------------------------------------


def test_clocks_of_nodes_warn_above_10_ms_and_invalidate_above_250_ms_or_the_latency_limit(calm: History) -> None:
    name = "clocks of the nodes"
    assert grade(within(calm, ms(10)), name) == "ok"
    check = found(within(calm, ms(11)), name)
    assert (check.grade, check.value, check.unit, check.limit, check.why) == ("warn", 0.011, "s", 0.25, "11 ms")
    assert grade(within(calm, ms(250)), name) == "warn"
    check = found(within(calm, ms(251)), name)
    assert (check.grade, check.clouds, check.spans, check.group) == ("invalid", {"clock"}, (), None)
    tight = Story(group(latency_limit_ns=ms(100)), faults=[strike(s(13))]).crash(s(13), s(15)).history()
    assert (grade(within(tight, ms(100)), name), grade(within(tight, ms(101)), name)) == ("warn", "invalid")


def test_a_fleet_on_one_machine_has_no_such_check(calm: History) -> None:
    assert not any("clocks" in check.name for check in check_observer(gather(calm)))
    assert scored(calm).observer.clocks is None


def test_fewer_than_fifty_exchanges_warn(calm: History) -> None:
    last = compared(s(42), 0, ms(1), exchanges=50)
    assert grade(on_nodes(calm, compared(0, 0, ms(1), exchanges=50), last), "clocks of the nodes") == "ok"
    check = found(on_nodes(calm, compared(0, 0, ms(1), exchanges=49), last), "clocks of the nodes")
    assert (check.grade, check.why) == ("warn", "load-0 on host-0: 49 exchanges, fewer than 50")
    check = found(on_nodes(calm, compared(0, 0, ms(300), exchanges=49), last), "clocks of the nodes")
    assert (check.grade, check.why) == ("invalid", "300 ms; load-0 on host-0: 49 exchanges, fewer than 50")


def test_an_unknown_drift_warns_and_an_unknown_clock_invalidates(calm: History) -> None:
    check = found(on_nodes(calm, compared(0, 0, ms(1))), "clocks of the nodes")
    assert check.grade == "warn"
    assert "not compared after the load, its drift is taken for 100 ppm at most" in check.why
    check = found(replace(calm, node_clocks=[compared(0, 0, 0, worker="load-1")]), "clocks of the nodes")
    assert (check.grade, check.value) == ("invalid", None)
    assert check.why.startswith("nothing tells the clock of")


# ---- in the result --------------------------------------------------------------------------------------------------


def test_the_result_tells_of_each_clock(calm: History) -> None:
    lines = [compared(0, 0, ms(2)), compared(s(50), -ms(3), ms(1))]
    clocks = scored(on_nodes(calm, *lines, compared(0, 0, ms(1), worker="load-1"))).observer.clocks
    assert clocks is not None
    first, second = clocks.workers
    assert (first.worker, first.node, first.exchanges, first.bound_s) == ("load-0", "host-0", 60, 0.002)
    assert (first.offset_s, first.bound_after_s, first.error_s) == (-0.003, 0.001, 0.004)
    assert (first.drift_ppm, first.drift_error_ppm) == (-60.0, 60.0)
    assert (second.offset_s, second.bound_after_s, second.drift_ppm) == (None, None, None)
    assert second.error_s == pytest.approx(0.001 + calm.end / 1e9 * 1e-4, abs=2e-9)
    assert (clocks.error_s, clocks.uncompared) == (second.error_s, [])


# ---- one-way times --------------------------------------------------------------------------------------------------


def test_a_time_is_given_up_to_a_bound_of_a_fifth_of_it() -> None:
    assert is_given(ms(10), ms(2))
    assert not is_given(ms(10) - 1, ms(2))
    assert is_given(0, 0)
    assert not is_given(inf, None)


def test_stale_feeds_that_come_last_carry_the_clocks_too() -> None:
    story = Story(ticking(clients=4), faults=[strike(s(13))])
    feeds = [Feed([Still(c, "A", "stream", s(13), s(16)) for c in range(4)])]
    (local,), (far,) = (
        recovery_of(history, feeds).episodes for history in (story.history(), within(story.history(), ms(5)))
    )
    assert local.recovered_by == "accounts.pushes"
    assert local.error is not None
    assert far.error == local.error + ms(5)
