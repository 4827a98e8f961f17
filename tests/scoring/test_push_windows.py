"""Push windows: counts, latencies, ages over time and progress, worked out by hand or on a fine comb."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from push_script import S, Script
from push_stories import tell_all

from chaosrun.plan import StreamPlan
from chaosrun.records import History
from chaosrun.scoring.push_windows import PushWindow, measure_pushes

STAMPED = StreamPlan(has_epoch=True, has_sent_at=True)


def measure(script: Script, *windows: tuple[float, float]) -> list[PushWindow]:
    return measure_pushes(script.history(), 0, [(int(a * S), int(b * S)) for a, b in windows])


def test_a_push_belongs_to_the_window_of_its_receipt() -> None:
    script = Script(STAMPED).joins(0, 1).gets(0, 10, 1, sent=9).gets(0, 20, 2, sent=19)
    one, two, both, none = measure(script, (0, 20), (20, 30), (0, 30), (30, 40))
    assert [one.count, two.count, both.count, none.count] == [1, 1, 2, 0]


def test_latency_is_receipt_less_the_servers_stamp() -> None:
    script = Script(STAMPED).joins(0, 1).gets(0, 10, 1, sent=9).gets(0, 20, 2, sent=17)
    (window,) = measure(script, (0, 50))
    assert window.latency.count == 2
    assert window.latency.max == 3 * S
    assert window.latency.mean == 2 * S


def test_a_stamp_from_the_future_counts_as_no_latency() -> None:
    (window,) = measure(Script(STAMPED).joins(0, 1).gets(0, 10, 1, sent=11), (0, 50))
    assert window.latency.max == 0


def test_without_stamps_there_is_no_latency_and_age_is_since_the_last_receipt() -> None:
    (window,) = measure(Script().joins(0, 1).gets(0, 10, 1).gets(0, 14, 2).gets(0, 20, 3), (10, 20))
    assert window.latency.count == 0
    assert window.age_max_ns == 6 * S
    assert window.age_mean_ns == (4 * 2 + 6 * 3) / 10 * S


def test_age_is_measured_from_the_stamp_of_the_newest_message() -> None:
    script = Script(STAMPED).joins(0, 1).gets(0, 10, 1, sent=9).gets(0, 14, 2, sent=12).gets(0, 20, 3, sent=20)
    (window,) = measure(script, (10, 20))
    assert window.age_max_ns == 8 * S
    assert window.age_mean_ns == (4 * 3 + 6 * 5) / 10 * S


def test_an_older_message_does_not_make_the_picture_older() -> None:
    script = Script(STAMPED).joins(0, 1).gets(0, 10, 2, sent=10).gets(0, 12, 1, sent=3).gets(0, 14, 3, sent=14)
    (window,) = measure(script, (10, 14))
    assert window.age_max_ns == 4 * S


def test_age_goes_on_over_the_edges_of_windows_and_without_receipts() -> None:
    script = Script().joins(0, 1).gets(0, 10, 1)
    before, during, after = measure(script, (0, 10), (20, 30), (90, 120))
    assert before.age_mean_ns is None
    assert (during.count, during.age_mean_ns, during.age_max_ns) == (0, 15 * S, 20 * S)
    assert after.age_max_ns == 90 * S  # the load stopped at 100


def test_a_client_whose_plan_ended_ages_no_longer() -> None:
    script = Script().joins(0, 1).gets(0, 10, 1).leaves(0, 15, "ours", planned=True)
    (window,) = measure(script, (10, 50))
    assert (window.age_max_ns, window.age.count) == (5 * S, 5 * S)


def test_age_is_weighted_by_time_over_clients() -> None:
    script = Script().joins(0, 1).joins(1, 1).gets(0, 10, 1).gets(1, 16, 1)
    (window,) = measure(script, (10, 20))
    assert window.age.count == 14 * S
    assert window.age_mean_ns == pytest.approx((10 * 5 + 4 * 2) / 14 * S)


def test_progress_that_falls_back_is_a_regression() -> None:
    script = Script(StreamPlan(order="increasing", has_epoch=True)).joins(0, 1)
    script.gets(0, 2, 1, 5, 4, 4, 6).gets(0, 30, 2).gets(0, 31, 1, epoch="F")
    first, second = measure(script, (0, 20), (20, 40))
    assert (first.regressions, second.regressions) == (1, 1)


def test_a_contiguous_stream_has_no_regressions() -> None:
    (window,) = measure(Script().joins(0, 1).gets(0, 2, 1, 5, 4), (0, 20))
    assert window.regressions == 0


def test_an_empty_window_has_no_evidence() -> None:
    (window,) = measure(Script().joins(0, 1).gets(0, 2, 1), (5, 5))
    assert (window.count, window.age_mean_ns, window.age_max_ns, window.latency.count) == (0, None, None, 0)


def ages_by_sampling(history: History, a: int, b: int, step: int) -> list[int]:
    """The age of every (client, channel) at each instant of a fine comb."""
    lanes: dict[tuple[int, str], list[tuple[int, int]]] = {}
    for at, _, _, sent_at, sid in history.pushes:
        stream = history.streams[sid]
        lanes.setdefault((stream.c, stream.channel), []).append((at, sent_at if sent_at is not None else at))
    ages = []
    for t in range(a, b, step):
        for got in lanes.values():
            newest = max((sent for at, sent in got if at <= t), default=None)
            if newest is not None:
                ages.append(t - newest)
    return sorted(ages)


@pytest.mark.parametrize("seed", range(6))
def test_the_age_histogram_is_that_of_a_fine_comb(seed: int) -> None:
    history = tell_all(seed).history
    a, b = 500_000_000, 2_500_000_000
    (window,) = measure_pushes(history, 0, [(a, b)])
    ages = ages_by_sampling(history, a, b, 5_000_000)
    assert window.age_mean_ns == pytest.approx(sum(ages) / len(ages), rel=0.05, abs=2_000_000)
    for q in (0.5, 0.9, 0.99):
        assert window.age.quantile(q) == pytest.approx(ages[int(q * (len(ages) - 1))], rel=0.05, abs=10_000_000)


@pytest.mark.parametrize("seed", range(6))
def test_a_window_is_the_same_alone_and_among_overlapping_others(seed: int) -> None:
    history = tell_all(seed).history
    rng = random.Random(seed)
    edges = [sorted(rng.sample(range(0, 3_000_000_000), 2)) for _ in range(6)]
    windows = [(a, b) for a, b in edges]
    together = measure_pushes(history, 0, windows)
    for window, measured in zip(windows, together, strict=True):
        (alone,) = measure_pushes(history, 0, [window])
        assert (alone.count, alone.latency, alone.regressions) == (
            measured.count,
            measured.latency,
            measured.regressions,
        )  # fmt: skip
        assert alone.age_mean_ns == measured.age_mean_ns
        assert alone.age_max_ns == measured.age_max_ns
        assert alone.age.count == measured.age.count


def test_time_in_the_age_histogram_adds_up_to_the_time_observed() -> None:
    history = tell_all(3).history
    (window,) = measure_pushes(history, 0, [(0, history.end)])
    assert all(weight >= 0 for weight in window.age.buckets().values())
    first = {(history.streams[p.sid].c, history.streams[p.sid].channel): p.at for p in reversed(list(history.pushes))}
    assert window.age.count == sum(history.load_stopped - at for at in first.values())


def test_the_order_of_other_clients_rows_does_not_matter() -> None:
    history = tell_all(4).history
    by_client = sorted(history.pushes, key=lambda push: (history.streams[push.sid].c, push.at))
    windows = [(0, 1_000_000_000), (500_000_000, 2_000_000_000)]
    assert measure_pushes(replace(history, pushes=by_client), 0, windows) == measure_pushes(history, 0, windows)
