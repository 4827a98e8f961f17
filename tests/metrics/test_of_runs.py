"""Metrics of roles and of recovery, each against values counted by hand; and what every metric must tell of itself."""

from dataclasses import replace
from math import inf

import pytest
from reading import read, value
from storybook import MS, S, Story, group, ms, s, strike

from chaosrun.metrics._base import Metric
from chaosrun.records import NONE, History, Probe, Resource
from chaosrun.registry import kinds, load


def sampled(*samples: tuple[int, float, int]) -> History:
    resources = [Resource(t=t, role="server", cpu=cpu, memory=memory) for t, cpu, memory in samples]
    return replace(Story(group()).history(), resources=[*resources, Resource(t=s(5), role="other", cpu=9, memory=9)])


def test_cpu_is_the_mean_and_maximum_of_the_samples_of_a_role() -> None:
    history = sampled((s(5), 0.2, 100), (s(6), 0.4, 300), (s(30), 0.9, 900))
    assert value("cpu", history, s(4), s(6), role="server") == pytest.approx(0.3)
    assert value("cpu_max", history, s(4), s(6), role="server") == 0.4
    assert value("cpu", history, s(4), s(6), role="server", of_machine=True) == pytest.approx(0.075)
    assert value("memory", history, s(4), s(6), role="server") == 200
    assert value("memory_max", history, s(4), s(6), role="server") == 300


def test_the_observer_is_what_chaosrun_itself_used() -> None:
    history = replace(Story(group()).history(), resources=[Resource(t=s(5), role="chaosrun", cpu=0.3, memory=7)])
    assert value("cpu", history, s(4), s(6), role="observer") == pytest.approx(0.3)
    assert value("memory", history, s(4), s(6), role="observer") == 7


def test_a_role_that_was_not_sampled_is_no_evidence() -> None:
    history = sampled((s(5), 0.2, 100))
    for name in ("cpu", "cpu_max", "memory", "memory_max", "memory_per_1000_connections"):
        assert value(name, history, s(4), s(6), role="terminal") is None


def test_memory_is_shared_out_over_open_connections() -> None:
    history = sampled((s(5), 0.2, 100), (s(6), 0.2, 300))
    assert value("memory_per_1000_connections", history, s(4), s(6), role="server") == 200 / 4 * 1000


# ---- recovery -------------------------------------------------------------------------------------------------------


@pytest.fixture
def crash() -> History:
    """Struck at 13 s, confirmed 3 ms later, back at 15 s; three of four clients are hit."""
    story = Story(group(), faults=[strike(s(13), confirmed=s(13) + ms(3))]).crash(s(13), s(15), clients=[0, 1, 2])
    story.probes = [
        Probe(t, NONE if s(13) <= t < s(15) else t + MS, t + 2 * MS, connect=True)
        for t in range(s(3) + ms(4), s(42), ms(250))
    ]
    return story.history()


def test_the_time_to_recover_and_its_error(crash: History) -> None:
    # R is the send of the last canary, 15.001 s; its round trip, the lag and the width of the fault make 5 ms.
    ttr = read("ttr", crash)
    assert ttr is not None and ttr.value == 2.001
    assert ttr.error == pytest.approx(0.005, abs=1e-5)
    assert value("outage", crash) == 2.001
    assert value("detection", crash) == 0.0


@pytest.fixture
def dips() -> History:
    """Two short dips at 10.4 and 10.7 s and a stray loss at 11.9 s use up the tolerance; a fault at 10 s, 3 ms wide."""
    story = Story(group(clients=20), faults=[strike(s(10), confirmed=s(10) + ms(3))])
    return story.errors(s(10.4), s(10.5)).errors(s(10.7), s(10.8)).lose(18, s(11.9)).history()


def test_an_impact_that_may_have_been_named_late_makes_detection_too_long_and_outage_too_short(dips: History) -> None:
    detection, outage, ttr = (read(name, dips) for name in ("detection", "outage", "ttr"))
    assert detection is not None and outage is not None and ttr is not None and ttr.error is not None
    # The last good slot before the first dip is due at 10.35 s. Lag is 1 ms, the fault 3 ms wide.
    assert (detection.value, outage.value) == (1.9, pytest.approx(0.05))
    assert (detection.low, detection.high) == (pytest.approx(0.346, abs=1e-5), pytest.approx(1.904, abs=1e-5))
    assert outage.low == pytest.approx(0.05 - ttr.error)
    assert outage.high == pytest.approx(0.05 + ttr.error + 1.554, abs=1e-5)


def test_detection_is_never_less_than_nothing() -> None:
    history = Story(group(), faults=[strike(s(13), confirmed=s(13) + ms(3))]).crash(s(13), s(15)).history()
    reading = read("detection", history)
    assert reading is not None and (reading.low, reading.value) == (0.0, 0.0)
    assert reading.high == pytest.approx(0.004, abs=1e-5)


def test_without_lag_records_neither_end_of_an_outage_is_sure(crash: History) -> None:
    for name in ("detection", "outage"):
        reading = read(name, replace(crash, lags=()))
        assert reading is not None and (reading.low, reading.high) == (0.0, inf)


def test_back_counts_the_affected_only(crash: History) -> None:
    for member in ("first", "50", "90", "99", "all"):
        assert value(f"back_{member}", crash) == 2.001


def test_the_server_is_ready_when_the_prober_says_so(crash: History) -> None:
    assert value("server_ready", crash) == pytest.approx(2.005)


def test_lost_client_seconds_are_the_area(crash: History) -> None:
    assert value("lost_client_seconds", crash) == pytest.approx(3 * 2.001)


def test_relapses_are_counted() -> None:
    story = Story(group(), faults=[strike(s(13))]).crash(s(13), s(14)).crash(s(20), s(21)).crash(s(27), s(28))
    assert value("relapses", story.history()) == 2


def test_without_a_fault_there_is_nothing_to_recover_from() -> None:
    history = Story(group()).history()
    for name in ("ttr", "outage", "server_ready", "back_99", "detection", "relapses", "lost_client_seconds", "adapted"):
        assert read(name, history) is None


def test_an_absorbed_fault_recovers_in_no_time_and_affects_nobody() -> None:
    history = Story(group(), faults=[strike(s(13))]).history()
    assert value("ttr", history) == 0.0
    assert value("outage", history) == 0.0
    for name in ("back_99", "server_ready", "detection"):
        reading = read(name, history)
        assert reading is not None and reading.vacuous


def test_no_impact_of_a_fault_that_nothing_confirmed_is_no_evidence() -> None:
    history = Story(group(), faults=[strike(s(13), verified=False)]).history()
    for name in ("ttr", "outage", "back_99", "server_ready", "detection", "adapted"):
        assert read(name, history) is None


def test_what_never_recovers_takes_longer_than_was_watched() -> None:
    history = Story(group(), faults=[strike(s(13))]).crash(s(13), s(1000)).history()
    for name in ("ttr", "outage", "back_first", "back_all"):
        reading = read(name, history)
        assert reading is not None and (reading.value, reading.low, reading.high) == (None, 27.0, inf)


def test_a_recovery_too_young_to_count_is_open_from_its_beginning() -> None:
    # Back at 37.001 s with 3 s left of the 5 s that tolerance must hold.
    history = Story(group(), faults=[strike(s(13))]).crash(s(13), s(37)).history()
    reading = read("ttr", history)
    assert reading is not None and (reading.value, reading.high) == (None, inf)
    assert reading.low == pytest.approx(24.001)


def test_a_client_that_never_returns_leaves_the_last_quantile_open() -> None:
    tolerant = group(clients=4, tolerate_sessions=0.5, tolerate_requests=0.5)
    story = (
        Story(tolerant, faults=[strike(s(13))]).crash(s(13), s(15), clients=[0, 1, 2]).crash(s(13), s(99), clients=[3])
    )
    history = story.history()
    assert value("back_50", history) == 2.001
    never = read("back_all", history)
    assert never is not None and never.value is None
    assert "1 of 4 affected clients never came back" in never.note


def test_adapting_is_recovering_with_the_fault_still_on() -> None:
    story = Story(group(), faults=[strike(s(13), removed=s(30))]).crash(s(13), s(15))
    assert value("adapted", story.history()) == pytest.approx(2.001)
    stubborn = Story(group(), faults=[strike(s(13), removed=s(30))]).crash(s(13), s(30)).history()
    reading = read("adapted", stubborn)
    assert reading is not None and (reading.value, reading.low) == (None, 17.0)


# ---- the table ------------------------------------------------------------------------------------------------------

TABLE = [
    "usable",
    "usable_min",
    "bad",
    "errors",
    "connection_success",
    "unexpected_disconnects",
    "throughput",
    "goodput",
    "throughput_ratio",
    "message_rate",
    "push_age",
    "push_age_p99",
    "push_age_max",
    "requests.lost_connected",
    "requests.lost_at_break",
    "requests.replied_late",
    "push.lost",
    "push.lost_connected",
    "push.missed_disconnected",
    "push.tail",
    "push.duplicates",
    "push.reordered",
    "push.unexpected",
    "delivery",
    "progress_regressions",
    "cpu",
    "cpu_max",
    "memory",
    "memory_max",
    "memory_per_1000_connections",
    "ttr",
    "outage",
    "server_ready",
    "back_first",
    "back_50",
    "back_90",
    "back_99",
    "back_all",
    "detection",
    "relapses",
    "lost_client_seconds",
]
LATENCIES = [
    f"{what}_{member}"
    for what in ("response", "service", "connect", "push")
    for member in ("mean", "p50", "p90", "p95", "p99", "p999", "max")
]


@pytest.mark.parametrize("name", [*TABLE, *LATENCIES])
def test_every_metric_of_the_table_is_there_and_explains_itself(name: str) -> None:
    metric: Metric = load("metrics", name)
    assert metric.name == name
    assert metric.meaning
    assert metric.needs
    assert metric.unit in ("s", "ratio", "count", "1/s", "bytes")


def test_more_is_better_where_it_is() -> None:
    up = {name for name in kinds("metrics") if load("metrics", name).up}
    assert up == {
        "usable",
        "usable_min",
        "connection_success",
        "throughput",
        "goodput",
        "throughput_ratio",
        "message_rate",
        "delivery",
    }


def test_a_minute_of_a_story_takes_no_evidence_from_another_window() -> None:
    history = Story(group()).crash(s(13), s(15)).history()
    assert value("bad", history, s(20), s(30)) == 0.0
    assert value("unexpected_disconnects", history, 20 * S, 30 * S) == 0
