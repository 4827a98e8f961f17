"""Metrics of pushed messages, each against values counted by hand."""

from dataclasses import replace
from math import inf

import msgspec
import pytest
from nodes import compared, within
from reading import read, value
from storybook import S, ms, s
from whole_runs import scored

from chaosrun.plan import CriterionPlan, GroupPlan, Plan, StreamPlan
from chaosrun.records import Closed, Head, History, Lag, Opened, Phase, Push, Stream, Subscribed
from chaosrun.scoring.words import show

END = s(20)


def feed(*numbers: int, stream: StreamPlan | None = None, heads: bool = True, last: int | None = None) -> History:
    """One client from 1 s on; `numbers` come a second apart from 2 s on, stamped 10 ms before; `last`: the mark."""
    plan = GroupPlan(
        name="accounts",
        clients=1,
        period_ns=None,
        connect_within_ns=S,
        streams=(stream or StreamPlan(has_epoch=True, has_sent_at=True),),
    )
    arrivals = [(s(2 + i), number) for i, number in enumerate(numbers)]
    return History(
        plan=Plan(groups=(plan,)),
        phases=[Phase(t=0, name="ramp"), Phase(t=s(2), name="baseline"), Phase(t=END, name="drain")],
        end=END + S,
        load_stopped=END,
        opened=[Opened(t=S, g=0, c=0, conn=0, began=S, shaken=S)],
        closed=[Closed(t=END + S // 2, g=0, c=0, conn=0, cause="ours", planned=True)],
        subscribed=[Subscribed(t=S, g=0, c=0, conn=0, channel="A", head=0 if heads else None, epoch="E")],
        streams=[Stream(t=S, sid=0, g=0, c=0, conn=0, channel="A", epoch="E")],
        heads=[Head(t=END, channel="A", seq=max(numbers) if last is None else last, epoch="E")],
        pushes=[Push(t, n, n, t - ms(10), 0) for t, n in arrivals],
    )


def test_every_number_in_order_is_delivered() -> None:
    history = feed(1, 2, 3, 4, 5)
    delivery = read("delivery", history)
    assert delivery is not None and (delivery.count, delivery.of, delivery.value) == (5, 5, 1.0)
    for name in ("lost", "lost_connected", "missed_disconnected", "tail", "duplicates", "reordered", "unexpected"):
        assert value(f"push.{name}", history) == 0


def test_a_gap_on_one_connection_is_lost_while_connected() -> None:
    history = feed(1, 2, 5, 6)
    lost = read("push.lost_connected", history)
    assert lost is not None and (lost.value, lost.of) == (2, 6)
    assert value("push.lost", history) == 2
    delivery = read("delivery", history)
    assert delivery is not None and (delivery.count, delivery.of) == (4, 6)


def test_a_loss_belongs_to_the_window_in_which_its_gap_was_noticed() -> None:
    history = feed(1, 2, 5, 6)  # the gap is closed at 4 s
    assert value("push.lost_connected", history, s(2), s(4)) == 0
    assert value("push.lost_connected", history, s(3), s(5)) == 2
    assert value("push.lost_connected", history, s(5), s(8)) == 0
    # Of six owed in all, two were owed before the window and the last one after it.
    within = read("push.lost_connected", history, s(4), s(5))
    assert within is not None and (within.value, within.of) == (2, 3)


def test_the_tail_is_lost_by_the_high_water_mark_and_only_at_the_end() -> None:
    history = feed(1, 2, 3, last=7)
    assert value("push.tail", history) == 4
    assert value("push.lost", history) == 4
    assert value("push.lost", history, s(2), s(10)) == 0


def test_without_a_high_water_mark_no_loss_cannot_be_claimed() -> None:
    history = replace(feed(1, 2, 3), heads=())
    lost = read("push.lost", history)
    assert lost is not None and (lost.value, lost.high) == (0, inf)


def test_duplicates_and_late_numbers_are_told_apart() -> None:
    history = feed(1, 2, 2, 4, 3, 5)
    assert value("push.duplicates", history) == 1
    assert value("push.reordered", history) == 1
    assert value("push.lost_connected", history) == 0
    duplicates = read("push.duplicates", history)
    assert duplicates is not None and duplicates.of == 6


def test_message_rate_and_throughput_count_receipts() -> None:
    history = feed(1, 2, 3, 4, 5)
    assert value("message_rate", history, s(2), s(12)) == 0.5
    assert value("throughput", history, s(2), s(12)) == 0.5


def test_push_latency_is_from_the_stamp_to_the_receipt() -> None:
    history = feed(1, 2, 3)
    assert value("push_mean", history) == 0.01
    assert value("push_max", history) == 0.01
    assert value("push_p99", history) == pytest.approx(0.01, rel=1 / 256)
    assert value("push_p99", history, s(10), s(12)) is None


def test_push_age_is_the_age_of_the_newest_at_every_instant() -> None:
    # Over [2 s, 4 s) the picture is between 10 ms and 1.01 s old, evenly.
    history = feed(1, 2, 3, 4)
    assert value("push_age", history, s(2), s(4)) == pytest.approx(0.51, rel=0.001)
    assert value("push_age_max", history, s(2), s(4)) == pytest.approx(1.01)
    assert value("push_age_p99", history, s(2), s(4)) == pytest.approx(1.0, rel=0.01)


def test_a_one_way_time_carries_the_bound_of_the_clocks_and_is_left_out_above_a_fifth_of_it() -> None:
    local, near, far = (read("push_p99", within(feed(1, 2, 3), bound)) for bound in (0, ms(1), ms(4)))
    assert local is not None and near is not None and far is not None
    assert (near.value, near.low, near.high) == (local.value, local.low - 0.001, local.high + 0.001)
    assert (far.value, far.low, far.high) == (None, local.low - 0.004, local.high + 0.004)
    assert far.note == f"between {show(far.low, 's')} and {show(far.high, 's')} by clocks that agree to within 4 ms"
    mean = read("push_mean", within(feed(1, 2, 3), ms(2)))
    assert mean is not None and (mean.value, mean.low, mean.high) == (0.01, 0.008, pytest.approx(0.012))
    past = read("push_mean", within(feed(1, 2, 3), ms(2) + 1))
    assert past is not None and past.value is None
    never_negative = read("push_max", within(feed(1, 2, 3), ms(30)))
    assert never_negative is not None and (never_negative.low, never_negative.high) == (0.0, pytest.approx(0.04))


def test_by_a_clock_that_was_never_compared_no_one_way_time_is_known() -> None:
    lag = Lag(t=S, w="load-7", span_ns=S, buckets={}, max_ns=0)
    for name in ("push_p99", "push_mean", "push_age"):
        reading = read(name, replace(within(feed(1, 2, 3), ms(1)), lags=[lag]))
        assert reading is not None and (reading.value, reading.low, reading.high) == (None, 0.0, inf)
        assert reading.note.startswith("one-way times are left out: the clock of a load process was never")


def test_an_age_since_the_servers_stamp_carries_the_bound_of_the_clocks_and_one_since_the_receipt_does_not() -> None:
    local, far = (read("push_age", within(feed(1, 2, 3), bound), s(2), s(4)) for bound in (0, ms(300)))
    assert local is not None and far is not None and local.value is not None
    assert (far.value, far.low, far.high) == (local.value, local.value - 0.3, local.value + 0.3)
    unstamped = replace(feed(1, 2, 3, stream=StreamPlan(has_epoch=True)), pushes=[Push(s(2), 1, 1, None, 0)])
    assert read("push_age", within(unstamped, ms(300))) == read("push_age", unstamped)


def test_a_limit_on_a_one_way_time_that_is_left_out_is_judged_by_what_is_known_of_it() -> None:
    kept, open_, broken = (
        CriterionPlan(name="push", metric="push_max", window="whole", max=at) for at in (0.02, 0.013, 0.005)
    )
    history = within(feed(1, 2, 3), ms(4))
    plan = msgspec.structs.replace(history.plan, criteria=(kept, open_, broken))
    result = scored(replace(history, plan=plan))
    assert [(each.value, each.outcome) for each in result.criteria] == [(None, True), (None, None), (None, False)]
    assert result.criteria[0].why.startswith(
        "not known, between 6 ms and 14 ms by clocks that agree to within 4 ms; at most"
    )
    assert result.criteria[1].why.endswith("at most 13 ms is asked, which stays open")


def test_the_result_gives_each_one_way_number_that_is_known_well_enough_and_says_why_others_are_not() -> None:
    """Three took 10 ms, and one 50 ms."""
    late = feed(1, 2, 3, 4)
    late = replace(late, pushes=[*list(late.pushes)[:3], Push(s(5), 4, 4, s(5) - ms(50), 0)])
    near, far, lost = (scored(within(late, bound)).latency_ms for bound in (ms(1), ms(5), ms(11)))
    none = scored(late).latency_ms
    assert near.push is not None and far.push is not None and lost.push is not None and none.push is not None
    assert (near.push, near.push_error, near.push_omitted) == (none.push, 1.0, "")
    assert (none.push_error, none.push_omitted) == (None, "")
    assert (far.push["all"].p50, far.push["all"].mean, far.push["all"].max) == (None, None, 50.0)
    assert far.push["all"].p99 == none.push["all"].p99
    assert (far.push["all"].count, far.push_error) == (4, 5.0)
    assert far.push_omitted == (
        "one-way times below 25 ms are left out: the clocks of the nodes agree to within 5 ms, which is more than 20% "
        "of them"
    )
    assert (lost.push["all"].max, lost.push["all"].count) == (None, 4)
    unknown = scored(
        replace(late, node_clocks=[compared(0, 0, 0)], lags=[Lag(t=S, w="x", span_ns=S, buckets={}, max_ns=0)])
    )
    assert unknown.latency_ms.push is not None
    assert (unknown.latency_ms.push["all"].max, unknown.latency_ms.push_error) == (None, None)
    assert "was never held against" in unknown.latency_ms.push_omitted


def test_progress_that_goes_back_is_counted_where_only_progress_is_promised() -> None:
    increasing = StreamPlan(order="increasing", has_epoch=True)
    assert value("progress_regressions", feed(1, 5, 9, stream=increasing)) == 0
    assert value("progress_regressions", feed(1, 9, 5, 12, stream=increasing)) == 1


def test_a_stream_that_is_named_is_read_alone() -> None:
    history = feed(1, 2, 3)
    assert value("message_rate", history, s(2), s(12), stream="stream") == 0.3
    assert value("push.lost_connected", history, stream="stream") == 0


def test_a_group_without_streams_has_no_pushes() -> None:
    history = feed(1, 2, 3)
    (plan,) = history.plan.groups
    silent = replace(history, plan=Plan(groups=(msgspec.structs.replace(plan, streams=()),)))
    for name in ("push.lost", "delivery", "message_rate", "push_p99", "push_age", "progress_regressions"):
        assert value(name, silent) is None


def test_duplicates_that_may_be_first_copies_of_a_second_numbering_are_unknown() -> None:
    history = feed(1, 2, 3, 1, 2, 3, stream=StreamPlan())
    nameless = replace(
        history,
        streams=[msgspec.structs.replace(line, epoch=None) for line in history.streams],
        subscribed=[msgspec.structs.replace(line, epoch=None) for line in history.subscribed],
        heads=[msgspec.structs.replace(line, epoch=None) for line in history.heads],
    )
    assert value("push.duplicates", history) == 3
    assert read("push.duplicates", nameless) is None
    lost = read("push.lost_connected", nameless)
    assert lost is not None and (lost.value, lost.high) == (0, inf)
