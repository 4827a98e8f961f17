"""How sure it is when clients and the prober were served again: the error bounds of back(q) and server ready."""

from __future__ import annotations

from dataclasses import replace

import pytest
from storybook import MS, Feed, Still, Story, group, ms, s, strike, ticking

from chaosrun.judge import gather
from chaosrun.metrics import back, server_ready
from chaosrun.records import NONE, History, Probe
from chaosrun.scoring.comeback import come_back
from chaosrun.scoring.recovery import Episode, find_recovery
from chaosrun.scoring.timeline import build_timeline
from chaosrun.scoring.window import Window

LAG = 999_424
"""In the middle of a histogram's bucket, so that its p99 is the lag itself."""


def only_episode(story: Story | History, feed: Feed | None = None) -> Episode:
    history = story.history() if isinstance(story, Story) else story
    timeline = build_timeline(history, 0, feed.stale if feed else ())
    (episode,) = find_recovery(history, [timeline], [feed]).episodes
    return episode


def crashed(**changes: object) -> Story:
    return Story(group(), faults=[strike(s(10), confirmed=s(10) + 3 * MS)], lag=LAG, **changes).crash(s(10), s(12))  # type: ignore[arg-type]


def test_after_a_reconnect_back_is_as_sure_as_the_round_trip_of_its_canary() -> None:
    episode = only_episode(crashed(latency=ms(7)))
    assert episode.back.affected == 4
    assert episode.back.errors == dict.fromkeys(("first", "p50", "p90", "p99", "all"), ms(7) + LAG + 3 * MS)


def test_on_a_connection_that_stays_open_back_is_as_sure_as_the_last_bad_slot_is_near() -> None:
    story = Story(group(clients=1), faults=[strike(s(10.5))], lag=LAG).errors(s(10.5), s(12.5))
    episode = only_episode(story)
    assert episode.back.first == s(13) - s(10.5)
    assert episode.back.errors["first"] == s(1) + LAG


def test_a_canary_that_was_lost_leaves_open_whether_the_client_could_have_been_served_since_it_connected() -> None:
    story = Story(group(clients=1, period_ns=s(4)), faults=[strike(s(10))], lag=LAG, backoff=ms(2000))
    story.crash(s(10), s(10) + 1).swallow(s(11.9), s(12.1))
    episode = only_episode(story)
    # Connected at 12.001 s; the next slot is due at 16 s, the next canary at 12.501 s.
    assert episode.back.first == s(12.501) - s(10)
    assert episode.back.errors["first"] == ms(500) + LAG


def test_a_quantile_of_back_lies_between_the_same_quantiles_of_the_earliest_and_the_latest_returns() -> None:
    story = Story(group(clients=2), faults=[strike(s(10))], lag=LAG)
    story.errors(s(10), s(12.1)).delay(0, s(13), by=ms(200))
    errors = only_episode(story).back.errors
    # Client 1 failed at 11.5 s and was good at 12.5 s; client 0 failed at 12 s, and was good at 13 s, by 13.201 s.
    assert errors == {
        "first": s(1) + LAG,
        "p50": s(1) + LAG,
        "p90": s(1) + LAG,
        "p99": s(1) + LAG,
        "all": s(1) + LAG,
    }


def test_a_listener_that_reconnects_is_as_sure_as_its_opening_and_a_stalled_one_as_the_longest_gap() -> None:
    plan = ticking(clients=1)
    crash = Story(plan, faults=[strike(s(10))], lag=LAG).crash(s(10), s(12))
    assert only_episode(crash, Feed([])).back.errors["all"] == LAG
    stall = Story(plan, faults=[strike(s(10))], lag=LAG)
    assert only_episode(stall, Feed([Still(0, "A", "stream", s(10), s(14))])).back.errors["all"] == 200 * MS + LAG


def test_without_lag_records_nobody_knows_how_sure_back_is() -> None:
    history = replace(crashed().history(), lags=())
    episode = only_episode(history)
    assert episode.back.errors == {}
    reading = back.read("all", episode)
    assert reading is not None
    assert (reading.value, reading.error) == (None if episode.back.all is None else episode.back.all / 1e9, None)


# ---- the prober -----------------------------------------------------------------------------------------------------


def probed(*probes: tuple[int, int | None], took: int = ms(2)) -> Episode:
    """Of a crash at 10 s; (sent, got), after one handshake in the baseline that took `took`."""
    story = crashed()
    rows = [(s(9), s(9) + took), *probes]
    story.probes = [Probe(sent, NONE if got is None else got, sent + s(1), connect=True) for sent, got in rows]
    return only_episode(story)


@pytest.mark.parametrize(
    ("probes", "error"),
    [
        # Refused, and tried again 10 ms later.
        ([(s(11.99), None), (s(12), s(12) + ms(2))], ms(12)),
        # The only one since the impact.
        ([(s(12), s(12) + ms(2))], s(2) + ms(2)),
        # Failures before the impact and after the success say nothing.
        ([(s(10) - 1, None), (s(12), s(12) + ms(2)), (s(12) + 1, None)], s(2) + ms(2)),
        # It hung for a second, which no handshake of the baseline did: the server was not there until then.
        ([(s(11.5), s(12.5))], ms(2)),
        # As slow as the slowest of the baseline: it need not have hung.
        ([(s(11.99), None), (s(12), s(12) + ms(2))], ms(12)),
        # Two that hung together.
        ([(s(11.5), s(12.5)), (s(11.75), s(12.5))], ms(2)),
    ],
)
def test_the_server_was_ready_after_the_last_failure_and_a_handshake_that_hung_waited_for_it(
    probes: list[tuple[int, int | None]], error: int
) -> None:
    assert probed(*probes).server_ready_error == error + 3 * MS  # the width of the fault


def test_of_two_handshakes_done_at_one_instant_the_later_begun_is_the_surer() -> None:
    error = probed((s(11.9), None), (s(11.95), s(12)), (s(11.999), s(12))).server_ready_error
    assert error == ms(100) + 3 * MS
    assert probed((s(11.95), s(12)), (s(11.96), None), (s(11.999), s(12)), took=ms(80)).server_ready_error == ms(43)


def test_without_a_handshake_in_the_baseline_one_that_hung_is_as_unsure_as_it_was_long() -> None:
    story = crashed()
    story.probes = [Probe(s(11.5), s(12.5), s(12.5), connect=True)]
    assert only_episode(story).server_ready_error == s(2.5) + 3 * MS


def test_a_handshake_counts_from_the_impact_on_and_until_the_observation_ends() -> None:
    impact, end = s(10), s(40)
    assert probed((impact - 1, s(11)), (impact, s(12))).server_ready == s(12)
    assert probed((end - MS, end)).server_ready is None
    assert probed((end - MS, end - 1)).server_ready == end - 1


def test_how_long_a_handshake_takes_is_what_the_slowest_took_that_was_done_before_the_fault() -> None:
    hung = s(11.5), s(12.5)
    assert probed((s(9.5), s(9.5) + ms(30)), hung, took=ms(2)).server_ready_error == ms(30) + 3 * MS
    assert probed((s(9.5), s(10)), hung, took=ms(2)).server_ready_error == ms(2) + 3 * MS


def test_a_handshake_that_took_longer_than_the_quickest_of_the_baseline_need_not_have_hung() -> None:
    probes = (s(9.5), s(9.5) + ms(30)), (s(11.97), None), (s(12), s(12) + ms(20))
    assert probed(*probes, took=ms(2)).server_ready_error == ms(50) + 3 * MS


def test_without_a_handshake_after_the_impact_there_is_no_error_either() -> None:
    assert probed((s(11), None)).server_ready_error is None


# ---- what is printed ------------------------------------------------------------------------------------------------


def test_the_metrics_of_back_and_server_ready_carry_their_error() -> None:
    story = crashed()
    story.probes = [Probe(s(11.99), NONE, s(12), connect=True), Probe(s(12), s(12.002), s(12.002), connect=True)]
    evidence = gather(story.history())
    window = Window(name="outage", start=0, end=s(40), evidence=evidence)
    errors = {}
    for metric in (*back.METRICS, *server_ready.METRICS):
        reading = metric.measure(window)
        assert reading is not None
        assert reading.error is not None
        errors[metric.name] = round(reading.error * 1e9)
    of_back = MS + LAG + 3 * MS
    assert errors == {
        "back_first": of_back,
        "back_50": of_back,
        "back_90": of_back,
        "back_99": of_back,
        "back_all": of_back,
        "server_ready": ms(12) + 3 * MS,
    }


def test_a_client_that_was_first_usable_at_the_very_impact_is_not_affected() -> None:
    story = Story(group(clients=2, ramp_start=1, ramp_over_ns=s(10)), faults=[strike(s(10))], lag=LAG)
    history = story.errors(s(10) + ms(100), s(12)).history()
    timeline = build_timeline(history, 0)
    begins = timeline.clients[1].usable[0][0]
    affected = [
        come_back(history, [timeline], [None], impact, s(13), s(40), s(10), 0).affected
        for impact in (begins, begins + 1)
    ]
    assert affected == [1, 2]
