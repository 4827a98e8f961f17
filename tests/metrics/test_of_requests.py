"""Metrics of requests and clients, each against values counted by hand."""

from dataclasses import replace
from math import inf

import pytest
from reading import read, value
from storybook import MS, S, Story, group, ms, s

from chaosrun.records import Closed, History


@pytest.fixture
def quiet() -> History:
    """Four clients with a request a second each, answered in a millisecond."""
    return Story(group()).history()


@pytest.fixture
def crashed() -> History:
    """The same, without a server from 13 s to 15 s."""
    return Story(group()).crash(s(13), s(15)).history()


def test_usable_is_everything_in_peace(quiet: History) -> None:
    assert value("usable", quiet, s(3), s(13)) == 1.0
    assert value("usable_min", quiet, s(3), s(13)) == 1.0


def test_usable_is_weighted_by_time_and_its_minimum_is_an_instant(crashed: History) -> None:
    # Down from 13 s until the canary that is sent at 15.001 s: 2.001 s of 10 s.
    assert value("usable", crashed, s(10), s(20)) == pytest.approx(1 - 0.2001)
    assert value("usable_min", crashed, s(10), s(20)) == 0.0
    assert value("usable_min", crashed, s(16), s(20)) == 1.0


def test_usable_of_one_client_in_four() -> None:
    history = Story(group()).crash(s(13), s(15), clients=[2]).history()
    assert value("usable", history, s(10), s(20)) == pytest.approx(1 - 0.2001 / 4)
    assert value("usable_min", history, s(10), s(20)) == 0.75


def test_nobody_planned_is_no_evidence() -> None:
    history = Story(group()).crash(0, s(2)).history()
    assert value("usable", history, 0, s(1)) is None
    assert value("usable_min", history, 0, s(1)) is None
    assert value("usable", history, 0, s(1) + ms(1)) == 0.0


def test_http_groups_have_no_usable_clients() -> None:
    history = Story(group(kind="http")).history()
    assert value("usable", history) is None
    assert value("connection_success", history) is None
    assert value("connect_p99", history) is None
    assert value("unexpected_disconnects", history) is None
    assert value("bad", history) == 0.0


def test_bad_and_throughput_ratio_share_the_slots_without_the_observers() -> None:
    story = Story(group()).lose(0, s(10), s(11)).skip(1, s(10.25)).late(2, s(10.5), ms(60))
    history = story.history()
    # 40 due from 10 s to 20 s, two of them the observer's own: 2 bad and 36 good of 38.
    bad, good = read("bad", history, s(10), s(20)), read("throughput_ratio", history, s(10), s(20))
    assert bad is not None and (bad.count, bad.of) == (2, 38)
    assert good is not None and (good.count, good.of) == (36, 38)
    assert bad.value == 2 / 38
    assert value("goodput", history, s(10), s(20)) == 3.6


def test_errors_are_replies() -> None:
    history = Story(group()).errors(s(12), s(14)).lose(0, s(16)).history()
    reading = read("errors", history, s(10), s(20))
    assert reading is not None and (reading.count, reading.of) == (8, 40)


def test_throughput_counts_valid_replies_however_late() -> None:
    history = Story(group()).delay(0, s(12), ms(700)).lose(0, s(13)).history()
    assert value("throughput", history, s(10), s(20)) == 3.9
    assert value("goodput", history, s(10), s(20)) == 3.8


def test_the_ways_in_which_requests_go_wrong() -> None:
    story = Story(group()).lose(0, s(11)).delay(1, s(11.25), ms(600)).delay(2, s(13.5), ms(900)).lose(3, s(17.75))
    history = story.crash(s(14), s(15), clients=[2]).history()
    # The delayed reply of client 2 would come at 14.401 s, after its connection broke.
    for name, count in (("lost_connected", 2), ("replied_late", 1), ("lost_at_break", 1)):
        reading = read(f"requests.{name}", history, s(10), s(20))
        assert reading is not None and (reading.value, reading.of) == (count, 40)
    assert value("requests.lost_connected", history, s(12), s(16)) == 0


def test_a_request_kind_that_is_named_is_read_alone() -> None:
    history = Story(group(requests=("ping", "quote"))).history()
    assert value("goodput", history, s(10), s(20), request="ping") == 4.0
    assert value("goodput", history, s(10), s(20), request="quote") == 0.0


def test_connection_success_counts_needs_and_not_retries(crashed: History) -> None:
    # Four planned connects that were met, four losses that needed 2.001 s and should have taken 1 s.
    reading = read("connection_success", crashed)
    assert reading is not None and (reading.count, reading.of) == (4, 8)
    assert value("connection_success", crashed, s(13), s(14)) == 0.0
    assert value("connection_success", crashed, s(20), s(30)) is None


def test_a_loss_that_is_made_good_in_time_is_a_need_met() -> None:
    history = Story(group(connect_within_ns=s(3))).crash(s(13), s(15)).history()
    assert value("connection_success", history) == 1.0


def test_unexpected_disconnects_leave_out_what_was_planned(crashed: History) -> None:
    assert value("unexpected_disconnects", crashed) == 4
    assert value("unexpected_disconnects", crashed, s(14), s(20)) == 0
    planned = [Closed(t=c.t, g=c.g, c=c.c, conn=c.conn, cause="injected", planned=True) for c in crashed.closed]
    assert value("unexpected_disconnects", replace(crashed, closed=planned)) == 0


def test_response_is_counted_from_the_due_time_and_service_from_the_send() -> None:
    history = Story(group()).late(0, s(12), ms(40)).delay(0, s(12), ms(10)).history()
    assert value("response_max", history, s(10), s(20)) == 0.051
    assert value("service_max", history, s(10), s(20)) == 0.011
    assert value("response_mean", history, s(10), s(20)) == pytest.approx((39 * 0.001 + 0.051) / 40)


def test_the_wait_of_a_user_without_service_is_part_of_the_response(crashed: History) -> None:
    # Client 0's slot of 13 s is never sent; its next good canary, sent at 15.001 s, is answered at 15.002 s.
    assert value("response_max", crashed, s(13), s(14)) == 2.002
    assert value("service_max", crashed, s(13), s(14)) is None


def test_a_wait_that_never_ends_is_more_than_all_that_did() -> None:
    history = Story(group()).crash(s(30), s(1000)).history()
    reading = read("response_max", history, s(25), s(35))
    assert reading is not None and (reading.value, reading.high) == (None, inf)
    p99 = read("response_p99", history, s(25), s(35))
    assert p99 is not None and (p99.value, p99.high) == (None, inf)
    assert "20 never ended" in p99.note
    mean = read("response_mean", history, s(25), s(35))
    assert mean is not None and mean.low == pytest.approx(20 * 0.001 / 40)
    assert value("response_p50", history, s(25), s(35)) == pytest.approx(0.001, rel=1 / 256)


def test_quantiles_lie_between_the_ranks_that_their_sample_allows() -> None:
    story = Story(group(clients=10))
    for second in range(10, 20):
        for client in range(10):
            story.delay(client, s(second) + client * S // 10, (10 * (second - 10) + client) * MS)
    history = story.history()  # 1 ms, 2 ms, ..., 100 ms
    p50 = read("response_p50", history, s(10), s(20))
    assert p50 is not None and p50.value == pytest.approx(0.050, rel=1 / 256)
    # Of 100 values the median is between the 40th and the 61st (sign test), each with the error of its bucket.
    assert p50.low == pytest.approx(0.040, rel=2 / 256)
    assert p50.high == pytest.approx(0.061, rel=2 / 256)
    p99 = read("response_p99", history, s(10), s(20))
    assert p99 is not None and p99.high == 0.1  # a hundred cannot prove a percent: only the largest bounds it
    assert value("response_p90", history, s(10), s(20)) == pytest.approx(0.090, rel=1 / 256)
    assert value("response_p999", history, s(10), s(20)) == pytest.approx(0.100, rel=1 / 256)


def test_connect_is_the_time_of_attempts_that_succeeded() -> None:
    history = Story(group(), latency=ms(20)).history()
    assert value("connect_max", history) == 0.02
    assert value("connect_mean", history) == 0.02
    assert value("connect_mean", history, s(10), s(20)) is None


def test_a_group_that_only_listens_has_no_requests() -> None:
    history = Story(group(period_ns=None)).history()
    for name in ("bad", "errors", "goodput", "throughput", "response_p99", "service_max", "requests.lost_at_break"):
        assert value(name, history) is None
    assert value("usable", history, s(3), s(13)) == 1.0
