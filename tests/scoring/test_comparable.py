"""The numbers that runs are compared by: they are those of the metrics of the same names, read back from a result."""

from __future__ import annotations

import pytest
from storybook import MS, Story, group, ms, s, strike

from chaosrun.judge import gather, judge
from chaosrun.metrics._base import Metric
from chaosrun.records import NONE, Began, History, Probe
from chaosrun.registry import kinds, load
from chaosrun.scoring.comparable import COMPARABLE, SHOWN, Subject, Value, subjects
from chaosrun.scoring.result import (
    Back,
    EpisodeReport,
    GroupReport,
    Latency,
    Push,
    Quantiles,
    RecoveryReport,
    Result,
    decode,
    encode,
)
from chaosrun.scoring.verdict import Reading
from chaosrun.scoring.window import Window


def crashed(**changes: object) -> History:
    """Of four clients three lose their server from 13 s to 15 s; a late reply, an error and a lost one beside it."""
    story = Story(group(**changes), faults=[strike(s(13), confirmed=s(13) + ms(3))]).crash(s(13), s(15), [0, 1, 2])
    story.delay(3, s(8), ms(700))
    story.probes = [
        Probe(t, NONE if s(13) <= t < s(15) else t + MS, t + 2 * MS, connect=True)
        for t in range(s(3) + ms(4), s(42), ms(250))
    ]
    return story.history()


def scored(history: History) -> Result:
    result = judge(history, Began(t=0, run="x", chaosrun_version="0", title="a crash", plan=history.plan))
    return decode(encode(result))


def reading_of(name: str, history: History) -> Reading | None:
    """What the metric of that name reads over the whole load, as a criterion has it."""
    metric: Metric = load("metrics", name)
    evidence = gather(history)
    own = None if metric.per != "group" else evidence.group("accounts")
    return metric.measure(Window(name="x", start=0, end=history.load_stopped, evidence=evidence, group=own))


def measured(name: str, history: History) -> float | None:
    reading = reading_of(name, history)
    return None if reading is None else reading.value


def only(name: str) -> Subject:
    (subject,) = subjects(name, ["accounts"])
    return subject


@pytest.mark.parametrize("name", COMPARABLE)
def test_a_number_goes_by_the_name_of_a_metric_in_its_unit_and_less_of_it_is_better(name: str) -> None:
    metric: Metric = load("metrics", name)
    assert name in kinds("metrics")
    assert (COMPARABLE[name].unit, metric.up) == (metric.unit, False)


NOT_PUSHED = [name for name in COMPARABLE if not name.startswith("push")]


def test_a_number_is_what_the_metric_of_its_name_measures() -> None:
    history = crashed()
    result = scored(history)
    read = {name: only(name).read(result) for name in NOT_PUSHED}
    assert {name: value and pytest.approx(value.value, abs=2e-9) for name, value in read.items()} == {
        name: measured(name, history) for name in NOT_PUSHED
    }
    assert read["ttr"] is not None
    assert read["ttr"].error == result.recovery.error_s
    assert read["server_ready"] is not None
    assert read["server_ready"].error == result.recovery.server_ready_error_s
    p99 = read["response_p99"]
    assert p99 is not None
    assert p99.error == p99.value / 256, "half a bucket of the histogram"


BOUNDED = ["ttr", "outage", "server_ready", "back_first", "back_50", "back_90", "back_99", "back_all"]


@pytest.mark.parametrize("name", BOUNDED)
def test_the_error_bound_of_a_time_is_that_of_its_metric(name: str) -> None:
    history = crashed()
    reading = reading_of(name, history)
    assert reading is not None
    found = only(name).read(scored(history))
    assert found is not None
    assert found.error is not None
    assert found.error == pytest.approx(reading.error, abs=2e-9)
    assert found.error > 0


def test_a_one_way_time_is_compared_as_far_as_the_clocks_of_the_nodes_tell_it() -> None:
    report = scored(crashed()).groups["accounts"]
    times = {"all": Quantiles(count=9, mean=None, p50=None, p99=50.0, max=60.0)}
    latency = Latency(push=times, service=times, push_error=5.0)
    told = GroupReport(clients=report.clients, latency_ms=latency, messages=report.messages)

    def read(name: str) -> Value | None:
        of_group = COMPARABLE[name].of_group
        assert of_group is not None
        return of_group(told, "all")

    assert (read("push_mean"), read("push_p50")) == (None, None)
    assert read("push_max") == Value(0.06, 0.005)
    assert read("push_p99") == Value(0.05, 0.05 / 256 + 0.005)
    assert (read("service_max"), read("service_p99")) == (Value(0.06), Value(0.05, 0.05 / 256))


def test_a_result_without_error_bounds_is_not_taken_as_exact() -> None:
    """Those that were written before the bounds were kept have none."""
    old = recovery(impact_s=10.0, affected_clients=3, back_s=Back(all=2.0), server_ready_s=1.0, outage_s=3.0, error_s=1)
    for name, value in (("back_all", 2.0), ("server_ready", 1.0), ("outage", 3.0)):
        read = COMPARABLE[name].of_run
        assert read is not None
        assert read(old) == Value(value, None)


def test_a_latency_can_be_that_of_one_phase() -> None:
    result = scored(crashed())
    whole, baseline = only("response_p99").read(result), only("response_p99@baseline").read(result)
    assert whole is not None
    assert baseline is not None
    assert baseline.value < whole.value
    assert only("response_p99@rollback").read(result) is None
    for name in ("ttr@baseline", "connect_p99@baseline", "nonsense"):
        with pytest.raises(KeyError):
            subjects(name, ["accounts"])


def test_several_groups_are_read_one_by_one_and_named() -> None:
    assert [subject.label for subject in subjects("response_p99@baseline", ["a", "b"])] == [
        "response_p99@baseline of a",
        "response_p99@baseline of b",
    ]
    assert [subject.label for subject in subjects("ttr", ["a", "b"])] == ["ttr"]


def test_a_service_that_never_came_back_has_times_without_end() -> None:
    story = Story(group(), faults=[strike(s(13))]).crash(s(13), s(60))
    result = scored(story.history())
    for name in ("ttr", "outage", "back_99", "response_p99", "response_max", "response_mean"):
        assert only(name).read(result) == (float("inf"), 0.0), name
    assert only("server_ready").read(result) is None


def test_a_service_that_may_have_been_recovering_at_the_end_has_no_time() -> None:
    """In tolerance again for 3 s of the 5 s that it takes: it may have recovered as soon as any."""
    story = Story(group(), faults=[strike(s(13))], end=s(18)).crash(s(13), s(15))
    result = scored(story.history())
    assert result.recovery.pending_s is not None
    for name in ("ttr", "outage"):
        assert only(name).read(result) is None


def recovery(**fields: object) -> RecoveryReport:
    return RecoveryReport(**fields, episodes=[EpisodeReport(**fields)])  # type: ignore[arg-type]


def test_an_absorbed_fault_took_no_time_to_within_what_could_hide() -> None:
    absorbed = recovery(absorbed=True, ttr_s=0.0, outage_s=0.0, blind_s=0.02, affected_clients=0)
    for name in BOUNDED:
        read = COMPARABLE[name].of_run
        assert read is not None
        assert read(absorbed) == Value(0.0, 0.02), name


def test_where_an_outage_reached_no_client_none_had_to_come_back() -> None:
    read = COMPARABLE["back_99"].of_run
    assert read is not None
    assert read(recovery(absorbed=False, impact_s=13.0, affected_clients=0)) == Value(0.0)
    assert read(recovery(absorbed=None, affected_clients=0)) is None


def test_without_a_fault_nothing_is_known_of_recovery() -> None:
    result = scored(Story(group()).history())
    for name in ("ttr", "back_all", "lost_client_seconds", "relapses"):
        assert only(name).read(result) is None, name


@pytest.mark.parametrize(
    ("push", "lost", "duplicates"),
    [
        (Push(source="log", owed=10, lost_connected=3, duplicates=1), 3, 1),
        (Push(source="log", owed=10, lost_connected=3, duplicates=1, accountable=False), None, 1),
        (Push(source="lower_bound", owed=10, lost_connected=3, duplicates=1), None, 1),
        (Push(), None, None),
        (None, None, None),
    ],
)
def test_losses_that_are_known_from_below_only_are_compared_with_nothing(
    push: Push | None, lost: int | None, duplicates: int | None
) -> None:
    report = scored(crashed()).groups["accounts"]
    told = GroupReport(
        clients=report.clients,
        latency_ms=report.latency_ms,
        messages=type(report.messages)(requests=report.messages.requests, push=push),
    )
    for name, expected in (("push.lost_connected", lost), ("push.duplicates", duplicates)):
        read = COMPARABLE[name].of_group
        assert read is not None
        found = read(told, "all")
        assert (None if found is None else found.value) == expected


def test_what_is_shown_can_be_compared() -> None:
    assert all(subjects(name, ["accounts"]) for name in SHOWN)
