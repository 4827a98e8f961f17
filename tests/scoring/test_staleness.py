"""Stale is a gap between fresh receipts that is too long: the threshold decides whether, never when."""

from __future__ import annotations

from dataclasses import replace

import msgspec
from push_script import S, Script

from chaosrun.plan import StreamPlan
from chaosrun.scoring.pushes import count_pushes
from chaosrun.scoring.staleness import Stale


def beating(script: Script, c: int, start: int, stop: int, step: int = 1, first: int = 1, channel: str = "A") -> Script:
    """A number each `step` seconds in `[start, stop)`."""
    for count, t in enumerate(range(start, stop, step)):
        script.gets(c, t, first + count, channel=channel)
    return script


def stale_in(script: Script) -> list[tuple[int, int, int]]:
    return [(each.client, each.start // S, each.end // S) for each in script.score().stale]


def test_a_client_is_stale_from_the_receipt_that_opened_the_gap_to_the_one_that_closed_it() -> None:
    script = beating(beating(Script().joins(0, 1, head=0), 0, 2, 61), 0, 70, 100, first=60)
    score = script.score()
    assert score.stale == (Stale(0, "A", "stream", 60 * S, 70 * S, 3 * S),)
    assert score.stale_after_ns == {"A": 3 * S}
    assert score.longest_baseline_gap_ns == S
    assert score.ledger.stale_client_seconds == 10.0


def test_a_gap_of_just_the_threshold_is_not_stale() -> None:
    assert stale_in(beating(beating(Script().joins(0, 1, head=0), 0, 2, 61), 0, 63, 100, first=60)) == []


def test_the_threshold_is_never_below_a_second() -> None:
    script = Script().joins(0, 1, head=0)
    for tick in range(20, 1000):
        script.gets(0, tick / 10, tick)
    assert script.score().stale_after_ns == {"A": S}


def test_a_threshold_of_the_stream_goes_before_the_baseline() -> None:
    script = Script(StreamPlan(has_epoch=True, stale_after_ns=2 * S)).joins(0, 1, head=0)
    assert stale_in(beating(beating(script, 0, 2, 61), 0, 63, 100, first=60)) == [(0, 60, 63)]


def test_a_gap_that_nothing_closes_lasts_to_the_end_of_the_load() -> None:
    assert stale_in(beating(Script().joins(0, 1, head=0), 0, 2, 61)) == [(0, 60, 100)]


def test_receipts_after_the_load_stopped_close_nothing_earlier() -> None:
    assert stale_in(beating(beating(Script().joins(0, 1, head=0), 0, 2, 61), 0, 103, 104, first=60)) == [(0, 60, 100)]


def test_replays_are_not_fresh() -> None:
    script = beating(Script().joins(0, 1, head=0), 0, 2, 61).leaves(0, 61).joins(0, 65, head=70)
    script.gets(0, 66, *range(60, 71))
    assert stale_in(beating(script, 0, 70, 100, first=71)) == [(0, 60, 70)]


def test_duplicates_are_not_fresh() -> None:
    script = beating(Script().joins(0, 1, head=0), 0, 2, 61).gets(0, 65, 59, 58)
    assert stale_in(beating(script, 0, 70, 100, first=60)) == [(0, 60, 70)]


def test_a_client_that_is_away_is_stale_too() -> None:
    script = beating(Script().joins(0, 1, head=0), 0, 2, 61).leaves(0, 61).joins(0, 69, head=67)
    assert stale_in(beating(script, 0, 70, 100, first=68)) == [(0, 60, 70)]


def test_a_client_whose_plan_ended_is_watched_no_longer() -> None:
    assert stale_in(beating(Script().joins(0, 1, head=0), 0, 2, 61).leaves(0, 61, "ours", planned=True)) == []


def test_a_client_that_never_received_is_stale_from_its_subscription() -> None:
    script = beating(Script().joins(0, 1, head=0).joins(1, 5, head=3), 0, 2, 100)
    assert stale_in(script) == [(1, 5, 100)]


def test_a_channel_with_fewer_than_ten_messages_in_the_baseline_is_listed_not_judged() -> None:
    script = beating(Script().joins(0, 1, head=0).subscribes(0, 1, 0, channel="B"), 0, 2, 100)
    score = beating(script, 0, 2, 45, step=5, channel="B").score()
    assert score.unjudged == ("B",)
    assert set(score.stale_after_ns) == {"A"}
    assert {each.channel for each in score.stale} == set()


def test_without_a_judged_channel_nothing_is_known_of_staleness() -> None:
    score = beating(Script().joins(0, 1, head=0), 0, 2, 9).score()
    assert score.ledger.stale_client_seconds is None
    assert score.longest_baseline_gap_ns is None


def test_seconds_of_a_client_stale_in_two_channels_count_once() -> None:
    script = Script().joins(0, 1, head=0).subscribes(0, 1, 0, channel="B")
    score = beating(beating(script, 0, 2, 61), 0, 2, 71, channel="B").score()
    assert [(each.channel, each.start // S) for each in score.stale] == [("A", 60), ("B", 70)]
    assert score.ledger.stale_client_seconds == 40.0


def test_messages_without_numbers_are_all_fresh() -> None:
    script = Script(StreamPlan(order="none")).joins(0, 1, epoch=None)
    for t in [*range(2, 61), *range(70, 100)]:
        script.gets_unnumbered(0, t, 1)
    assert stale_in(script) == [(0, 60, 70)]


def test_a_channel_of_one_of_several_streams_is_named_with_its_stream() -> None:
    script = beating(beating(Script().joins(0, 1, head=0), 0, 2, 61), 0, 70, 100, first=60)
    script.subscribes(0, 1, 0, channel="B")
    history = beating(script, 0, 2, 100, channel="B").gets(0, 2, 1, channel="C").history()
    streams = [msgspec.structs.replace(s, stream="news") if s.channel == "A" else s for s in history.streams]
    subscribed = [msgspec.structs.replace(s, stream="news") if s.channel == "A" else s for s in history.subscribed]
    score = count_pushes(replace(history, streams=streams, subscribed=subscribed), 0, (0, 50 * S))
    assert score.stale_after_ns == {"news/A": 3 * S, "stream/B": 3 * S}
    assert score.unjudged == ("stream/C",)
    assert score.stale == (Stale(0, "A", "news", 60 * S, 70 * S, 3 * S),)
    assert {name: ledger.stale_client_seconds for name, ledger in score.by_stream.items()} == {
        "news": 10.0,
        "stream": 0.0,
    }


def test_a_stream_of_which_no_channel_is_judged_has_no_stale_time_beside_one_that_has() -> None:
    history = beating(Script().joins(0, 1, head=0), 0, 2, 100).gets(0, 2, 1, channel="B").history()
    streams = [msgspec.structs.replace(s, stream="news") if s.channel == "B" else s for s in history.streams]
    score = count_pushes(replace(history, streams=streams), 0, (0, 50 * S))
    assert {name: ledger.stale_client_seconds for name, ledger in score.by_stream.items()} == {
        "news": None,
        "stream": 0.0,
    }
