"""The sentences of docs/measurement.md on pushes, one by one, each as a history with an exact answer."""

from __future__ import annotations

from push_script import Script

from chaosrun.plan import FaultPlan, StreamPlan
from chaosrun.scoring.intervals import IntervalSet


def numbers(copies: IntervalSet) -> list[int]:
    return list(copies.numbers())


# ---- where owed begins


def test_owed_starts_after_the_head_told_at_subscribe() -> None:
    ledger = Script().joins(0, 1, head=10).gets(0, 2, 12, 13).marks(100, 13).score().ledger
    assert (ledger.owed, ledger.live, ledger.lost_connected, ledger.start_unknown) == (3, 2, 1, 0)


def test_without_a_head_owed_starts_at_the_first_number_received() -> None:
    ledger = Script().joins(0, 1).gets(0, 2, 12, 13).marks(100, 13).score().ledger
    assert (ledger.owed, ledger.live, ledger.start_unknown) == (2, 2, 1)


def test_without_a_head_live_and_replayed_are_not_separated() -> None:
    ledger = Script().joins(0, 1).gets(0, 2, 12, 13).marks(100, 13).score().ledger
    assert ledger.replayed is None
    assert ledger.live == 2


def test_a_client_that_returns_into_a_new_epoch_owes_it_from_its_first_number() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1, 2).leaves(0, 3)
    script.joins(0, 10, head=5, epoch="F").gets(0, 11, 6, epoch="F").marks(100, 6, epoch="F")
    score = script.score()
    assert numbers(score.missing(0, "A", "F").missed_disconnected) == [1, 2, 3, 4, 5]
    assert score.ledger.owed == 2 + 6


def test_an_epoch_that_begins_on_an_open_connection_is_owed_from_its_first_number_on_that_connection() -> None:
    score = Script().joins(0, 1, head=0).gets(0, 2, 1).gets(0, 5, 3, epoch="F").marks(100, 3, epoch="F").score()
    assert numbers(score.missing(0, "A", "F").lost_connected) == [1, 2]
    assert score.ledger.replayed == 0


def test_a_numbering_may_begin_elsewhere() -> None:
    script = Script(StreamPlan(has_epoch=True, first_seq=0)).joins(0, 1, head=7).gets(0, 2, 8)
    script.gets(0, 3, 1, epoch="F").marks(100, 1, epoch="F")
    assert numbers(script.score().missing(0, "A", "F").lost_connected) == [0]


def test_a_subscription_without_receipts_owes_what_others_got_since() -> None:
    script = Script().joins(0, 1, head=0).joins(1, 3, head=2).gets(0, 2, 1, 2).gets(0, 5, 3, 4)
    score = script.marks(100, 4).score()
    assert numbers(score.missing(1, "A", "E").tail) == [3, 4]
    assert score.ledger.clients_with_loss == 1


def test_a_subscription_without_receipts_or_head_owes_what_was_sent_after_it() -> None:
    script = Script(StreamPlan(has_epoch=True, has_sent_at=True)).joins(0, 1, head=0).joins(1, 3)
    score = script.gets(0, 2, 1, 2, sent=2).gets(0, 5, 3, 4, sent=5).marks(100, 4).score()
    assert numbers(score.missing(1, "A", "E").tail) == [3, 4]
    assert score.ledger.start_unknown == 1


def test_a_client_that_slept_through_a_new_epoch_owes_all_of_it() -> None:
    script = Script().joins(0, 1, head=0).joins(1, 1, head=0).gets(0, 2, 1).gets(1, 2, 1)
    script.gets(0, 9, 1, 2, epoch="F").marks(100, 2, epoch="F")
    assert numbers(script.score().missing(1, "A", "F").tail) == [1, 2]


# ---- gaps


def test_a_gap_on_one_connection_is_lost_connected() -> None:
    ledger = Script().joins(0, 1, head=0).gets(0, 2, 1, 2, 5).marks(100, 5).score().ledger
    assert (ledger.owed, ledger.live, ledger.lost_connected, ledger.missed_disconnected) == (5, 3, 2, 0)
    assert (ledger.lost, ledger.lost_everywhere, ledger.clients_with_loss) == (2, 2, 1)


def test_a_gap_across_a_reconnect_is_missed_disconnected() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1, 2).leaves(0, 3).joins(0, 5).gets(0, 6, 5).marks(100, 5)
    ledger = script.score().ledger
    assert (ledger.lost_connected, ledger.missed_disconnected, ledger.lost) == (0, 2, 0)


def test_what_is_missed_while_away_is_lost_where_the_protocol_promises_to_resume() -> None:
    script = Script(StreamPlan(has_epoch=True, resumes=True)).joins(0, 1, head=0).gets(0, 2, 1, 2).leaves(0, 3)
    ledger = script.joins(0, 5, head=4).gets(0, 6, 5).marks(100, 5).score().ledger
    assert (ledger.missed_disconnected, ledger.lost) == (2, 2)


def test_the_head_of_a_reconnect_tells_what_was_missed_away_from_what_was_missed_after() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1, 2).leaves(0, 3).joins(0, 5, head=4).gets(0, 6, 7)
    score = script.marks(100, 7).score()
    assert numbers(score.missing(0, "A", "E").missed_disconnected) == [3, 4]
    assert numbers(score.missing(0, "A", "E").lost_connected) == [5, 6]


def test_a_number_known_to_be_published_long_before_the_close_is_lost_connected() -> None:
    script = Script(StreamPlan(has_epoch=True, has_sent_at=True)).joins(0, 1, head=0).joins(1, 1, head=0)
    for number, t in ((1, 2), (2, 3), (3, 9), (4, 12), (5, 20)):
        script.gets(1, t, number, sent=t)
    script.gets(0, 2, 1, sent=2).leaves(0, 10).joins(0, 15, head=4).gets(0, 20, 5, sent=20).marks(100, 5)
    copies = script.score().missing(0, "A", "E")
    assert numbers(copies.lost_connected) == [2, 3]  # 3: exactly L before the close
    assert numbers(copies.missed_disconnected) == [4]


def test_gaps_of_a_stream_that_only_rises_are_conflated() -> None:
    script = Script(StreamPlan(order="increasing", has_epoch=True)).joins(0, 1, head=0).gets(0, 2, 3, 7, 9)
    ledger = script.marks(100, 9).score().ledger
    assert (ledger.conflated, ledger.lost, ledger.owed) == (6, 0, 9)


def test_only_the_newest_number_can_be_missing_at_the_end_of_a_stream_that_only_rises() -> None:
    script = Script(StreamPlan(order="increasing", has_epoch=True)).joins(0, 1, head=0).gets(0, 2, 1)
    ledger = script.marks(100, 5).score().ledger
    assert (ledger.conflated, ledger.tail) == (3, 1)


# ---- receipts


def test_replayed_is_at_or_below_the_head_told_at_this_subscribe() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1, 2).leaves(0, 3).joins(0, 5, head=4).gets(0, 6, 3, 4, 5)
    ledger = script.marks(100, 5).score().ledger
    assert (ledger.live, ledger.replayed, ledger.owed, ledger.lost) == (3, 2, 5, 0)


def test_a_late_number_is_reordered_not_lost() -> None:
    ledger = Script().joins(0, 1, head=0).gets(0, 2, 1, 3, 2, 4).marks(100, 4).score().ledger
    assert (ledger.reordered, ledger.live, ledger.lost_connected, ledger.duplicates) == (1, 4, 0, 0)


def test_replays_are_never_reordered() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1).leaves(0, 3).joins(0, 5, head=4).gets(0, 6, 5, 3, 2, 4)
    ledger = script.marks(100, 5).score().ledger
    assert (ledger.reordered, ledger.replayed) == (0, 3)


def test_every_receipt_after_the_first_is_a_duplicate_on_any_connection() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1, 1, 2, 2, 2).leaves(0, 3).joins(0, 5, head=2).gets(0, 6, 1, 3)
    ledger = script.marks(100, 3).score().ledger
    assert (ledger.duplicates, ledger.live, ledger.received) == (4, 3, 7)


def test_a_receipt_outside_what_is_owed_is_unexpected_each_time() -> None:
    ledger = Script().joins(0, 1, head=10).gets(0, 2, 9, 9, 11).marks(100, 11).score().ledger
    assert (ledger.unexpected, ledger.live, ledger.owed, ledger.received) == (2, 1, 1, 3)


def test_a_number_that_the_log_does_not_have_is_unexpected_and_opens_no_gap() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1, 99, 99, 2).logs(2, 1, 2)
    ledger = script.score().ledger
    assert (ledger.unexpected, ledger.owed, ledger.lost, ledger.reordered) == (2, 2, 0, 0)


def test_receipts_before_the_subscription_is_confirmed_count() -> None:
    ledger = Script().opens(0, 1).gets(0, 2, 11).subscribes(0, 3, head=10).gets(0, 4, 12).marks(100, 12).score().ledger
    assert (ledger.owed, ledger.live, ledger.unexpected) == (2, 2, 0)


# ---- the end


def test_the_tail_is_what_the_high_water_mark_has_above_the_last_receipt() -> None:
    ledger = Script().joins(0, 1, head=0).gets(0, 2, 1, 2).marks(100, 4).score().ledger
    assert (ledger.tail, ledger.lost, ledger.source, ledger.accountable) == (2, 2, "counter", True)


def test_without_a_high_water_mark_the_tail_is_unknown() -> None:
    ledger = Script().joins(0, 1, head=0).gets(0, 2, 1, 2).score().ledger
    assert ledger.tail is None
    assert ledger.clouded == {"tail"}
    assert not ledger.accountable
    assert "no high-water mark" in ledger.why
    assert ledger.source == "seen"


def test_what_others_got_is_a_lower_bound_of_the_tail() -> None:
    script = Script().joins(0, 1, head=0).joins(1, 1, head=0).gets(0, 2, 1).gets(1, 2, 1, 2, 3)
    ledger = script.score().ledger
    assert ledger.tail == 2
    assert "tail" in ledger.clouded


def test_the_tail_is_owed_only_by_clients_connected_at_the_end() -> None:
    ledger = Script().joins(0, 1, head=0).gets(0, 2, 1, 2).leaves(0, 3).marks(100, 50).score().ledger
    assert (ledger.owed, ledger.tail, ledger.lost) == (2, 0, 0)


def test_a_client_that_never_came_back_lost_what_was_published_long_before_its_break() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1).leaves(0, 10)
    for number, t in ((1, 2), (2, 5), (3, 9.5), (4, 30)):
        script.logs(t, number, number)
    copies = script.score().missing(0, "A", "E")
    assert numbers(copies.lost_connected) == [2]
    assert numbers(copies.owed) == [1, 2]


def test_a_mark_taken_after_a_client_closed_says_nothing_of_its_tail() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1, 2).leaves(0, 101, "ours", planned=True).marks(103, 9)
    ledger = script.score().ledger
    assert ledger.tail is None
    assert ledger.owed == 2


def test_what_was_published_within_the_limit_of_the_end_is_in_flight() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1).leaves(0, 101, "ours", planned=True)
    script.logs(2, 1, 1).logs(90, 2, 2).logs(100.5, 3, 3).logs(102, 4, 4)
    copies = script.score().missing(0, "A", "E")
    assert numbers(copies.tail) == [2]
    assert numbers(copies.in_flight_at_end) == [3]
    assert numbers(copies.owed) == [1, 2, 3]


def test_a_dead_epochs_tail_is_unknown_and_clouds_only_what_was_missed_while_away() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1, 2).leaves(0, 3)
    ledger = script.joins(0, 9, head=0, epoch="F").gets(0, 10, 1, epoch="F").marks(100, 1, epoch="F").score().ledger
    assert ledger.clouded == {"missed_disconnected"}
    assert not ledger.accountable
    assert ledger.missed_disconnected == 0


def test_the_log_of_a_dead_epoch_tells_its_tail() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1).leaves(0, 10)
    script.logs(2, 1, 1).logs(5, 2, 2).logs(9.5, 3, 3).logs(11, 4, 4).logs(20, 1, 1, epoch="F")
    score = script.joins(0, 15, head=0, epoch="F").gets(0, 20, 1, epoch="F").score()
    assert numbers(score.missing(0, "A", "E").lost_connected) == [2]
    assert numbers(score.missing(0, "A", "E").missed_disconnected) == [3, 4]
    assert score.ledger.accountable
    assert score.ledger.source == "log"


def test_what_is_missing_of_an_epoch_that_died_on_an_open_connection_is_lost_connected() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1).logs(2, 1, 3).logs(9, 1, 1, epoch="F")
    score = script.gets(0, 9, 1, epoch="F").score()
    assert numbers(score.missing(0, "A", "E").lost_connected) == [2, 3]


# ---- what cannot be told


RESTART = FaultPlan(id="f", name="crash", kind="process_kill")
CUT = FaultPlan(id="f", name="cut", kind="client_disconnect", reaches_server=False)


def test_without_an_epoch_a_reconnect_across_a_restart_is_unaccountable_and_never_zero() -> None:
    script = Script(StreamPlan(), faults=(RESTART,)).joins(0, 1, head=0, epoch=None).gets(0, 2, 1, 2, epoch=None)
    script.strikes(10, 12).leaves(0, 10).joins(0, 13, head=5, epoch=None).gets(0, 14, 6, 8, epoch=None)
    ledger = script.marks(100, 8, epoch=None).score().ledger
    assert ledger.unaccountable == 1
    assert not ledger.accountable
    assert "missed_disconnected" in ledger.clouded
    assert ledger.lost_connected == 1  # exact on the connection
    assert (ledger.owed, ledger.missed_disconnected, ledger.tail) == (5, 0, 0)


def test_without_an_epoch_a_cut_that_spares_the_server_is_accountable() -> None:
    script = Script(StreamPlan(), faults=(CUT,)).joins(0, 1, head=0, epoch=None).gets(0, 2, 1, 2, epoch=None)
    script.strikes(10).leaves(0, 10, "injected", planned=True).joins(0, 13, head=5, epoch=None)
    ledger = script.gets(0, 14, 6, epoch=None).marks(100, 6, epoch=None).score().ledger
    assert (ledger.unaccountable, ledger.missed_disconnected, ledger.accountable) == (0, 3, True)


def test_without_an_epoch_a_head_below_what_was_seen_tells_of_a_restart() -> None:
    script = Script(StreamPlan()).joins(0, 1, head=0, epoch=None).gets(0, 2, 1, 2, 3, epoch=None).leaves(0, 3)
    ledger = script.joins(0, 9, head=0, epoch=None).gets(0, 10, 1, 2, epoch=None).marks(100, 2, None).score().ledger
    assert (ledger.unaccountable, ledger.duplicates, ledger.live) == (1, 0, 5)


def test_numbers_of_a_connection_are_exact_within_it_and_unaccountable_across() -> None:
    script = Script(StreamPlan(scope="connection")).joins(0, 1, epoch=None).gets(0, 2, 1, 3, epoch=None).leaves(0, 3)
    ledger = script.joins(0, 9, epoch=None).gets(0, 10, 1, 2, epoch=None).score().ledger
    assert (ledger.lost_connected, ledger.unaccountable, ledger.duplicates, ledger.live) == (1, 1, 0, 4)


def test_numbers_of_a_client_run_on_over_its_channels_and_mean_nothing_to_others() -> None:
    script = Script(StreamPlan(scope="client", has_epoch=True)).joins(0, 1, head=0).joins(1, 1, head=0)
    script.gets(0, 2, 1).gets(0, 3, 2, channel="B").gets(0, 4, 4).gets(1, 4, 1).marks(100, 4, c=0).marks(100, 1, c=1)
    ledger = script.score().ledger
    assert (ledger.live, ledger.lost_connected, ledger.tail, ledger.accountable) == (4, 1, 0, True)


def test_a_stream_without_numbers_is_only_counted() -> None:
    script = Script(StreamPlan(order="none")).joins(0, 1, epoch=None).gets_unnumbered(0, 2, 5)
    ledger = script.score().ledger
    assert (ledger.received, ledger.unaccountable, ledger.published) == (5, 1, None)
    assert {"lost_connected", "missed_disconnected", "tail"} <= ledger.clouded
    assert ledger.tail is None
    assert not ledger.accountable


def test_a_group_that_subscribed_to_nothing_has_no_evidence() -> None:
    ledger = Script().score().ledger
    assert ledger.source is None
    assert not ledger.accountable
    assert ledger.why == "nothing was subscribed to"


# ---- over clients


def test_lost_everywhere_is_what_nobody_got() -> None:
    script = Script().joins(0, 1, head=0).joins(1, 1, head=0).gets(0, 2, 1, 4).gets(1, 2, 1, 2, 4).marks(100, 4)
    ledger = script.score().ledger
    assert (ledger.lost_connected, ledger.lost_everywhere, ledger.published) == (3, 1, 4)
    assert ledger.clients_with_loss == 2


def test_numbers_with_a_gap_that_nobody_filled_are_a_lower_bound_without_a_mark() -> None:
    assert Script().joins(0, 1, head=0).gets(0, 2, 1, 3).score().ledger.source == "lower_bound"


def test_a_message_may_carry_a_range_of_numbers() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1).marks(100, 9)
    script._pushes.append(script._pushes[0]._replace(first=2, last=5))
    script._pushes.append(script._pushes[0]._replace(first=4, last=7))
    ledger = script.score().ledger
    assert (ledger.live, ledger.duplicates, ledger.tail, ledger.received) == (7, 2, 2, 9)
