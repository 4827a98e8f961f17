"""Claims on pushes that a mutation pass found nobody to make."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from push_script import S, Script

from chaosrun.plan import FaultPlan, StreamPlan
from chaosrun.records import Head
from chaosrun.scoring.intervals import IntervalSet
from chaosrun.scoring.publication import Instants, Publication
from chaosrun.scoring.pushes import count_pushes
from chaosrun.scoring.staleness import Stale

RESTART = FaultPlan(id="f", name="crash", kind="process_kill")


def numbers(copies: IntervalSet) -> list[int]:
    return list(copies.numbers())


# ---- where owed begins


def test_a_subscription_without_receipts_or_head_does_not_owe_a_number_that_nobody_saw_published_after_it() -> None:
    script = Script(StreamPlan(has_epoch=True, has_sent_at=True)).joins(0, 1, head=0).joins(1, 3)
    script.gets(0, 2, 1, 2, sent=2).gets(0, 5, 4, 5, sent=5)  # 3 may have been out before client 1 came
    assert numbers(script.marks(100, 5).score().missing(1, "A", "E").owed) == [4, 5]


def test_without_times_of_publication_what_came_within_the_limit_of_a_subscription_may_be_older_than_it() -> None:
    script = Script().joins(0, 1, head=0).joins(1, 10).gets(0, 2, 1, 2).gets(0, 11, 3, 4).gets(0, 20, 5)
    assert numbers(script.marks(100, 5).score().missing(1, "A", "E").owed) == [5]


def test_a_subscription_without_receipts_owes_what_came_right_after_the_head_that_it_was_told() -> None:
    script = Script().joins(0, 1, head=0).joins(1, 3, head=2).gets(0, 2, 1, 2).gets(0, 3.5, 3).gets(0, 5, 4)
    assert numbers(script.marks(100, 4).score().missing(1, "A", "E").owed) == [3, 4]


def test_of_an_epoch_that_lives_on_without_a_client_it_owes_only_what_was_out_long_before_it_left() -> None:
    script = Script().joins(0, 1, head=0).joins(1, 1, head=0).gets(0, 2, 1, 2).leaves(0, 7)
    for t, number in ((2, 1), (2, 2), (5, 3), (6.5, 4), (50, 5)):
        script.gets(1, t, number)
    script.joins(0, 9, head=0, epoch="F").gets(0, 10, 1, epoch="F").marks(100, 1, epoch="F").marks(100, 5)
    copies = script.score().missing(0, "A", "E")
    assert (numbers(copies.owed), numbers(copies.lost_connected)) == ([1, 2, 3], [3])


def test_a_head_told_without_an_epoch_is_that_of_the_first_epoch_that_comes_after_it() -> None:
    ledger = Script().joins(0, 1, head=10, epoch=None).gets(0, 2, 12).marks(100, 12).score().ledger
    assert (ledger.owed, ledger.lost_connected, ledger.start_unknown) == (2, 1, 0)


def test_a_client_that_heard_of_no_epoch_owes_the_only_one_from_the_head_that_it_was_told() -> None:
    script = Script().joins(0, 1, head=0).joins(1, 3, head=2, epoch=None).gets(0, 2, 1, 2).gets(0, 3.5, 3).gets(0, 5, 4)
    assert numbers(script.marks(100, 4).score().missing(1, "A", "E").tail) == [3, 4]


def test_a_client_that_closed_when_the_load_stopped_was_connected_at_the_end() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1, 2).leaves(0, 100, "ours", planned=True).marks(100, 4)
    assert script.score().ledger.tail == 2


def test_a_number_in_order_that_the_log_does_not_have_is_unexpected() -> None:
    for head, owed in ((0, 4), (1, 3)):
        script = Script().joins(0, 1, head=head).gets(0, 2, *range(head + 1, 4), 5, 6).logs(2, 1, 2).logs(2, 5, 6)
        ledger = script.score().ledger
        assert (ledger.unexpected, ledger.owed, ledger.live, ledger.received) == (1, owed, owed, owed + 1)


# ---- gaps on a connection that began with what was known


def test_a_duplicate_is_no_receipt_that_a_gap_could_begin_at() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1, 2).leaves(0, 3).joins(0, 5).gets(0, 6, 2, 5).marks(100, 5)
    assert numbers(script.score().missing(0, "A", "E").missed_disconnected) == [3, 4]


def test_a_number_in_order_after_a_duplicate_is_where_a_gap_may_begin() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1, 2).leaves(0, 3).joins(0, 5).gets(0, 6, 2, 3, 5).marks(100, 5)
    assert numbers(script.score().missing(0, "A", "E").lost_connected) == [4]


def test_a_subscription_after_which_nothing_was_published_owes_nothing_and_knows_it() -> None:
    script = Script(StreamPlan(has_epoch=True, has_sent_at=True)).joins(0, 1, head=0).gets(0, 2, 1, 2, sent=2)
    script.joins(1, 99).leaves(0, 101, "ours", planned=True).leaves(1, 101, "ours", planned=True).marks(103, 2)
    score = script.score()
    assert (numbers(score.missing(1, "A", "E").owed), score.missing(1, "A", "E").clouded) == ([], set())


# ---- connections and restarts


def test_a_connection_without_a_word_still_carries_a_stream_that_needs_no_subscription() -> None:
    script = Script().opens(0, 1).gets(0, 2, 1, 2).leaves(0, 3).opens(0, 5).marks(100, 4)
    assert numbers(script.score().missing(0, "A", "E").tail) == [3, 4]


@pytest.mark.parametrize(
    ("called", "removed", "unaccountable"), [(0, 0, 0), (0, 1, 1), (2, 9, 1), (9, 9, 1), (13, 20, 1), (14, 20, 0)]
)
def test_only_a_restart_between_the_beginnings_of_two_connections_may_have_begun_a_numbering_anew(
    called: int, removed: int, unaccountable: int
) -> None:
    script = Script(StreamPlan(), faults=(RESTART,)).joins(0, 1, head=0, epoch=None).gets(0, 2, 1, 2, epoch=None)
    script.leaves(0, 10).joins(0, 13, head=2, epoch=None).gets(0, 14, 3, epoch=None).strikes(called, removed)
    assert script.marks(100, 3, epoch=None).score().ledger.unaccountable == unaccountable


def test_each_reconnect_across_which_nothing_tells_what_was_missed_is_counted() -> None:
    script = Script(StreamPlan(scope="connection")).joins(0, 1, epoch=None).gets(0, 2, 1, epoch=None).leaves(0, 3)
    script.joins(0, 5, epoch=None).gets(0, 6, 1, epoch=None).leaves(0, 7).joins(0, 9, epoch=None)
    assert script.gets(0, 10, 1, epoch=None).score().ledger.unaccountable == 2


def test_epochs_that_are_named_account_for_a_restart_though_the_plan_promised_none() -> None:
    script = Script(StreamPlan(), faults=(RESTART,)).joins(0, 1, head=0).gets(0, 2, 1, 2).strikes(10, 12)
    script.leaves(0, 10).joins(0, 13, head=0, epoch="F").gets(0, 14, 1, epoch="F")
    assert script.marks(100, 1, epoch="F").score().ledger.unaccountable == 0


def test_within_a_named_epoch_a_head_below_what_was_seen_is_no_new_numbering() -> None:
    script = Script(StreamPlan()).joins(0, 1, head=0).gets(0, 2, 1, 2, 3).leaves(0, 3).joins(0, 9, head=0)
    ledger = script.gets(0, 10, 1, 2).marks(100, 3).score().ledger
    assert (ledger.unaccountable, ledger.duplicates, ledger.owed) == (0, 2, 3)


@pytest.mark.parametrize(("resumes", "unaccountable", "duplicates"), [(True, 0, 3), (False, 1, 0)])
def test_a_second_beginning_is_a_replay_where_the_protocol_resumes_and_a_new_numbering_where_not(
    resumes: bool, unaccountable: int, duplicates: int
) -> None:
    script = Script(StreamPlan(resumes=resumes)).joins(0, 1, epoch=None).gets(0, 2, 1, 2, 3, epoch=None).leaves(0, 3)
    ledger = script.joins(0, 9, epoch=None).gets(0, 10, 1, 2, 3, 4, epoch=None).marks(100, 4, epoch=None).score().ledger
    assert (ledger.unaccountable, ledger.duplicates) == (unaccountable, duplicates)


def test_a_numbering_that_goes_on_after_a_reconnect_did_not_begin_anew() -> None:
    script = Script(StreamPlan()).joins(0, 1, epoch=None).gets(0, 2, 1, 2, epoch=None).leaves(0, 3)
    ledger = script.joins(0, 9, epoch=None).gets(0, 10, 4, 5, epoch=None).marks(100, 5, epoch=None).score().ledger
    assert (ledger.unaccountable, ledger.missed_disconnected, ledger.owed) == (0, 1, 5)


def test_a_numbering_that_began_anew_without_an_epoch_is_the_last_and_owes_the_tail() -> None:
    script = Script(StreamPlan()).joins(0, 1, head=0, epoch=None).gets(0, 2, 1, 2, 3, epoch=None).leaves(0, 3)
    script.joins(0, 9, head=0, epoch=None).gets(0, 10, 1, 2, epoch=None).marks(100, 4, epoch=None)
    score = script.score()
    assert numbers(score.missing(0, "A", None).owed) == [1, 2, 3, 4]
    assert numbers(score.missing(0, "A", None).tail) == [3, 4]


def test_a_connection_without_receipts_before_a_numbering_began_anew_belongs_to_the_old_one() -> None:
    script = Script(StreamPlan()).joins(0, 1, head=0, epoch=None).gets(0, 2, 1, 2, 3, epoch=None).leaves(0, 3)
    script.joins(0, 5, head=3, epoch=None).leaves(0, 7).joins(0, 9, head=0, epoch=None).gets(0, 10, 1, 2, epoch=None)
    ledger = script.marks(100, 2, epoch=None).score().ledger
    assert (ledger.owed, ledger.live, ledger.unexpected, ledger.unaccountable) == (5, 5, 0, 1)


def test_a_numbering_that_began_anew_without_an_epoch_owes_nothing_that_others_got_of_the_old_one() -> None:
    script = Script(StreamPlan()).joins(0, 1, head=0, epoch=None).joins(1, 1, head=0, epoch=None)
    script.gets(0, 2, 1, 2, 3, epoch=None).gets(1, 2, *range(1, 10), epoch=None).leaves(0, 3)
    score = script.joins(0, 9, head=0, epoch=None).gets(0, 10, 1, 2, epoch=None).score()
    assert numbers(score.missing(0, "A", None).owed) == [1, 2]


@pytest.mark.parametrize("scope", ["channel", "client", "connection"])
def test_a_stream_without_numbers_is_unaccountable_once_however_often_its_clients_reconnect(scope: str) -> None:
    script = Script(msgspec.convert({"order": "none", "scope": scope}, StreamPlan), faults=(RESTART,))
    script.joins(0, 1, epoch=None).gets_unnumbered(0, 2, 5).strikes(10, 12).leaves(0, 10).joins(0, 13, epoch=None)
    ledger = script.gets_unnumbered(0, 14, 5).score().ledger
    assert (ledger.unaccountable, ledger.received) == (1, 10)


def test_numbers_of_a_connection_say_nothing_of_what_was_missed_before_it_wherever_they_begin() -> None:
    script = Script(StreamPlan(scope="connection")).joins(0, 1, epoch=None).gets(0, 2, 1, 2, epoch=None).leaves(0, 3)
    ledger = script.joins(0, 9, epoch=None).gets(0, 10, 5, 6, epoch=None).score().ledger
    assert (ledger.unaccountable, ledger.missed_disconnected, ledger.owed) == (1, 0, 4)


def test_without_times_of_publication_the_tail_begins_a_limit_after_the_last_connection_did() -> None:
    script = Script().joins(0, 1, head=0).joins(1, 1, head=0).gets(0, 2, 1, 2).leaves(0, 3).joins(0, 10)
    for t, number in ((2, 1), (2, 2), (5, 3), (10.5, 4), (20, 5)):
        script.gets(1, t, number)
    copies = script.marks(100, 5).score().missing(0, "A", "E")
    assert (numbers(copies.missed_disconnected), numbers(copies.tail)) == ([3, 4], [5])


# ---- when numbers were published


def test_what_was_out_by_an_instant_and_what_came_after_it_are_told_apart() -> None:
    instants = Instants([20, 10, 20])
    for t, number in ((25, 7), (5, 1), (10, 2), (11, 4), (20, 5)):
        instants.saw(t, number)
    instants.settle()
    assert instants.asked
    assert [instants.newest_by(t) for t in (10, 20)] == [2, 5]
    assert [instants.oldest_after(t) for t in (10, 20)] == [4, 7]


def test_a_number_that_was_out_by_an_instant_was_not_published_after_it_though_it_was_stamped_again() -> None:
    instants = Instants([10, 20])
    for t, number in ((5, 1), (6, 8), (15, 3), (15, 9), (25, 4)):
        instants.saw(t, number)
    instants.settle()
    assert [instants.oldest_after(t) for t in (10, 20)] == [9, 10]


def test_before_and_after_all_sightings_nothing_is_known() -> None:
    instants = Instants([10, 20])
    instants.saw(15, 3)
    instants.settle()
    assert [instants.newest_by(t) for t in (10, 20)] == [None, 3]
    assert [instants.oldest_after(t) for t in (10, 20)] == [3, None]
    nothing = Instants([])
    nothing.saw(5, 1)
    nothing.settle()
    assert (nothing.asked, nothing.newest_by(10), nothing.oldest_after(10)) == (False, None, None)


# ---- high-water marks


def test_a_mark_counts_from_the_first_instant_to_the_last_of_those_asked_for() -> None:
    marked = Publication(None, marks=[Head(t=10, channel="A", seq=3), Head(t=20, channel="A", seq=5)])
    assert [marked.mark(*span) for span in ((10, 20), (10, 19), (11, 19), (20, 20))] == [5, 3, None, 5]


def test_a_mark_taken_after_a_client_closed_that_is_what_it_got_shows_that_it_missed_nothing() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1, 2).leaves(0, 101, "ours", planned=True).marks(103, 2)
    ledger = script.score().ledger
    assert (ledger.tail, ledger.clouded, ledger.accountable) == (0, frozenset(), True)


def test_a_mark_of_another_channel_says_nothing_of_a_numbering_of_a_clients_own() -> None:
    script = Script(StreamPlan(), faults=(RESTART,)).joins(0, 1, head=0, epoch=None).gets(0, 2, 1, epoch=None)
    script.strikes(10, 12).leaves(0, 10).joins(0, 13, head=5, epoch=None).gets(0, 14, 6, epoch=None)
    ledger = script.marks(100, 9, epoch=None, channel="B").score().ledger
    assert (ledger.tail, ledger.owed) == (None, 2)


def test_a_mark_of_another_client_says_nothing_of_a_numbering_of_a_clients_own() -> None:
    script = Script(StreamPlan(), faults=(RESTART,)).joins(0, 1, head=0, epoch=None).gets(0, 2, 1, epoch=None)
    script.strikes(10, 12).leaves(0, 10).joins(0, 13, head=5, epoch=None).gets(0, 14, 6, epoch=None)
    ledger = script.marks(100, 9, epoch=None, c=1).score().ledger
    assert (ledger.tail, ledger.owed) == (None, 2)


def test_a_mark_of_another_stream_says_nothing_of_a_numbering_of_a_clients_own() -> None:
    script = Script(StreamPlan(scope="client", has_epoch=True)).joins(0, 1, head=0).gets(0, 2, 1).marks(100, 9, c=0)
    history = script.history()
    other = replace(history, heads=[msgspec.structs.replace(head, stream="other") for head in history.heads])
    assert count_pushes(history, 0, (0, 50 * S)).ledger.tail == 8
    assert count_pushes(other, 0, (0, 50 * S)).ledger.tail is None


def test_a_mark_without_an_epoch_is_of_the_newest_one() -> None:
    score = Script().joins(0, 1, head=0).gets(0, 2, 1).gets(0, 5, 1, epoch="F").marks(100, 3, epoch=None).score()
    assert numbers(score.missing(0, "A", "F").tail) == [2, 3]
    assert numbers(score.missing(0, "A", "E").owed) == [1]
    assert score.accounts[0].publication.marks == []


# ---- the end of an epoch


def test_what_is_missing_just_before_a_new_epoch_is_lost_connected_though_the_connection_broke_soon_after() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1).logs(2, 1, 1).logs(8.5, 2, 3).logs(8.9, 1, 1, epoch="F")
    copies = script.gets(0, 8.9, 1, epoch="F").leaves(0, 9).score().missing(0, "A", "E")
    assert (numbers(copies.lost_connected), numbers(copies.missed_disconnected)) == ([2, 3], [])


def test_what_was_published_is_known_as_well_as_of_the_channel_where_least_is_known() -> None:
    script = Script().joins(0, 1, head=0)
    assert script.gets(0, 2, 1, 2).logs(2, 1, 2).score().ledger.source == "log"
    script.subscribes(0, 1, 0, channel="B").gets(0, 2, 1, 2, channel="B").marks(100, 2, channel="B")
    assert script.score().ledger.source == "counter"
    script.subscribes(0, 1, 0, channel="C").gets(0, 2, 1, 2, channel="C")
    assert script.score().ledger.source == "seen"
    script.subscribes(0, 1, 0, channel="D").gets(0, 2, 1, 3, channel="D")
    assert script.score().ledger.source == "lower_bound"


def test_where_nothing_was_subscribed_to_nothing_was_owed_and_nothing_may_be_claimed() -> None:
    ledger = Script().score().ledger
    assert (ledger.owed, ledger.received, ledger.live, ledger.replayed, ledger.tail, ledger.lost) == (0, 0, 0, 0, 0, 0)
    assert (ledger.accountable, ledger.published, ledger.lost_everywhere) == (False, None, None)


# ---- staleness


def test_messages_that_all_came_at_once_have_no_gap_between_them() -> None:
    assert Script().joins(0, 1, head=0).gets(0, 2, *range(1, 11)).score().longest_baseline_gap_ns == 0


@pytest.mark.parametrize(("messages", "after", "unjudged"), [(10, {"A": 3 * S}, ()), (9, {}, ("A",))])
def test_ten_messages_in_the_baseline_are_enough_to_know_a_cadence_and_nine_are_not(
    messages: int, after: dict[str, int], unjudged: tuple[str, ...]
) -> None:
    script = Script().joins(0, 1, head=0)
    for number in range(1, messages + 1):
        script.gets(0, 1 + number, number)
    score = script.score()
    assert (score.stale_after_ns, score.unjudged) == (after, unjudged)


def test_the_epoch_after_is_the_next_one_and_not_the_last() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1).logs(2, 1, 1).logs(8.5, 2, 3).logs(8.9, 1, 1, epoch="F")
    script.gets(0, 8.9, 1, epoch="F").leaves(0, 9).joins(0, 15, head=0, epoch="G").gets(0, 16, 1, epoch="G")
    copies = script.logs(16, 1, 1, epoch="G").score().missing(0, "A", "E")
    assert (numbers(copies.lost_connected), numbers(copies.missed_disconnected)) == ([2, 3], [])


def test_the_newest_epoch_is_the_one_that_appeared_last_whatever_its_name() -> None:
    script = Script().joins(0, 1, head=0, epoch="F").joins(1, 1, head=0, epoch="F").gets(0, 2, 1, epoch="F")
    score = script.gets(1, 2, 1, epoch="F").gets(0, 9, 1, 2).marks(100, 2).score()
    assert numbers(score.missing(1, "A", "E").tail) == [1, 2]


def test_numbers_of_a_connection_begin_where_they_begin_though_epochs_are_named() -> None:
    script = Script(StreamPlan(scope="connection", has_epoch=True)).joins(0, 1).gets(0, 2, 1, 2).leaves(0, 3)
    ledger = script.joins(0, 9).gets(0, 10, 5, 6).score().ledger
    assert (ledger.owed, ledger.lost_connected, ledger.missed_disconnected, ledger.start_unknown) == (4, 0, 0, 2)


def test_of_an_epoch_that_it_slept_through_a_client_owes_what_the_log_has() -> None:
    script = Script().joins(0, 1, head=0).joins(1, 1, head=0).gets(0, 2, 1).gets(1, 2, 1).logs(2, 1, 1)
    script.gets(0, 9, 1, 3, epoch="F").logs(9, 1, 1, epoch="F").logs(9, 3, 3, epoch="F")
    copies = script.score().missing(1, "A", "F")
    assert (numbers(copies.owed), copies.start_unknown) == ([1, 3], False)


def test_an_epoch_that_one_client_named_is_an_epoch_to_all() -> None:
    script = Script(StreamPlan(), faults=(RESTART,)).joins(0, 1, head=0).gets(0, 2, 1).joins(1, 1, epoch=None)
    script.strikes(10, 12).leaves(0, 10).joins(0, 13, head=0, epoch="F").gets(0, 14, 1, epoch="F")
    assert script.score().ledger.unaccountable == 0


# ---- what is asked of a score


def test_an_account_that_is_not_there_is_named() -> None:
    with pytest.raises(KeyError, match=r"\(0, 'A', 'F'\)"):
        Script().joins(0, 1, head=0).gets(0, 2, 1).score().missing(0, "A", "F")


def test_a_client_notices_that_a_feed_stands_still_when_the_limit_is_over() -> None:
    assert Stale(0, "A", "stream", start=10, end=99, limit=5).noticed == 15


# ---- which class a number is in, at each border

STAMPED = StreamPlan(has_epoch=True, has_sent_at=True)


def test_what_was_missed_while_away_is_a_loss_of_its_client() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1, 2).leaves(0, 3).joins(0, 5, head=4).gets(0, 6, 5).marks(100, 5)
    ledger = script.score().ledger
    assert (ledger.missed_disconnected, ledger.clients_with_loss, ledger.lost_everywhere) == (2, 1, 2)


def test_a_head_alone_tells_what_was_missed_by_a_client_that_got_nothing_after_it() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1, 2).leaves(0, 3).joins(0, 10, head=5).leaves(0, 11)
    assert numbers(script.score().missing(0, "A", "E").missed_disconnected) == [3, 4, 5]


@pytest.mark.parametrize(("others_got", "owed"), [(101, [1, 2, 3]), (101.000000001, [1, 2])])
def test_what_others_got_within_the_limit_of_its_end_a_client_does_not_owe_unless_a_mark_says_so(
    others_got: float, owed: list[int]
) -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1, 2).leaves(0, 102, "ours", planned=True)
    script.joins(1, 1, head=0).gets(1, 2, 1, 2).gets(1, others_got, 3)
    assert numbers(script.score().missing(0, "A", "E").owed) == owed


def test_of_an_unnamed_numbering_that_a_restart_ended_a_client_owes_only_what_was_out_long_before_it_left() -> None:
    script = Script(StreamPlan(), faults=(RESTART,)).joins(0, 1, head=0, epoch=None).gets(0, 2, 1, 2, epoch=None)
    script.leaves(0, 10).joins(0, 13, head=0, epoch=None).gets(0, 14, 1, epoch=None).strikes(11, 12)
    script.joins(1, 1, head=0, epoch=None).gets(1, 2, 1, 2, epoch=None).gets(1, 30, *range(3, 9), epoch=None)
    first = script.leaves(1, 50).score().accounts[0]
    assert (first.client, numbers(first.copies.owed)) == (0, [1, 2])


def test_of_an_epoch_heard_of_on_two_connections_the_last_one_tells_what_was_owed() -> None:
    script = Script().joins(0, 1, head=0).joins(1, 1, head=0).gets(0, 2, 1, 2).leaves(0, 3).joins(0, 4, head=2)
    for t, number in ((2, 1), (2, 2), (5, 3), (6.5, 4), (50, 5)):
        script.gets(1, t, number)
    script.leaves(0, 7).joins(0, 9, head=0, epoch="F").gets(0, 10, 1, epoch="F").marks(100, 1, epoch="F")
    assert numbers(script.marks(100, 5).score().missing(0, "A", "E").owed) == [1, 2, 3]


def test_a_last_connection_that_named_no_epoch_still_tells_how_far_the_only_one_was_owed() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1, 2).leaves(0, 3).joins(0, 5, epoch=None).leaves(0, 20)
    script.joins(1, 1, head=0).gets(1, 2, 1, 2).gets(1, 10, 3)
    assert numbers(script.score().missing(0, "A", "E").owed) == [1, 2, 3]


def test_copies_that_no_head_tells_from_replays_are_live() -> None:
    copies = Script().joins(0, 1).gets(0, 2, 1, 2).marks(100, 2).score().missing(0, "A", "E")
    assert (numbers(copies.live), numbers(copies.replayed), copies.separated) == ([1, 2], [], False)


def test_what_a_head_told_is_above_was_missed_and_not_lost_on_a_later_connection_without_a_word() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1, 2).leaves(0, 3).joins(0, 5, head=20).leaves(0, 6).joins(0, 8)
    script.joins(1, 1, head=0).gets(1, 2, 1, 2).gets(1, 4, 3).gets(1, 50, *range(4, 23)).marks(100, 22)
    copies = script.score().missing(0, "A", "E")
    assert (numbers(copies.missed_disconnected), numbers(copies.lost_connected)) == ([*range(3, 21)], [])
    assert numbers(copies.tail) == [21, 22]


def test_the_rest_of_an_epoch_that_ended_while_the_client_listened_is_lost_whatever_came_before_and_after() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1).leaves(0, 3).joins(0, 5, head=1).gets(0, 6, 2)
    script.gets(0, 8.9, 1, epoch="F").leaves(0, 9).joins(0, 14, head=1, epoch="F").gets(0, 15, 2, epoch="F")
    script.logs(2, 1, 1).logs(6, 2, 2).logs(8.5, 3, 5).logs(8.9, 1, 1, epoch="F").logs(15, 2, 2, epoch="F")
    copies = script.score().missing(0, "A", "E")
    assert (numbers(copies.lost_connected), numbers(copies.missed_disconnected)) == ([3, 4, 5], [])


def test_the_number_of_the_head_itself_was_missed_before_the_connection_that_was_told_it() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1, 2).leaves(0, 3).joins(0, 5, head=4).leaves(0, 20)
    script.joins(1, 1, head=0).gets(1, 2, 1, 2).gets(1, 4, 3, 4).gets(1, 10, 5, 6)
    copies = script.score().missing(0, "A", "E")
    assert (numbers(copies.missed_disconnected), numbers(copies.lost_connected)) == ([3, 4], [5, 6])


def test_what_was_stamped_after_a_connection_began_was_due_on_it_though_it_was_told_no_head() -> None:
    script = Script(STAMPED).joins(0, 1, head=0).gets(0, 2, 1, 2, sent=2).leaves(0, 3).joins(0, 5).leaves(0, 20)
    script.joins(1, 1, head=0).gets(1, 2, 1, 2, sent=2).gets(1, 4, 3, sent=4).gets(1, 6, 4, sent=6)
    copies = script.gets(1, 10, 5, sent=10).score().missing(0, "A", "E")
    assert (numbers(copies.missed_disconnected), numbers(copies.lost_connected)) == ([3], [4, 5])


@pytest.mark.parametrize(("taken", "clouded"), [(98, True), (99, False), (100, False)])
def test_a_mark_taken_within_the_limit_of_the_end_of_the_load_tells_the_end(taken: int, clouded: bool) -> None:
    ledger = Script().joins(0, 1, head=0).gets(0, 2, 1, 2).marks(taken, 2).score().ledger
    assert ("tail" in ledger.clouded) == clouded
