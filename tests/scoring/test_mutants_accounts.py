"""Claims on what one client received of one numbering that a mutation pass found nobody to make."""

from __future__ import annotations

from push_script import Script

from chaosrun.plan import StreamPlan
from chaosrun.records import NONE
from chaosrun.scoring.intervals import IntervalSet
from chaosrun.scoring.push_accounts import Account, Lane, Stay, Visit

UNNAMED = StreamPlan()
NAMED = StreamPlan(has_epoch=True)


def numbers(copies: IntervalSet) -> list[int]:
    return list(copies.numbers())


def account(start: int | None = 1, *, log: IntervalSet | None = None, stream: StreamPlan = NAMED) -> Account:
    lane = Lane(0, "A", stream, stays=[Stay(0, 0, 100), Stay(1, 100, 200)])
    made = Account(lane, "E" if stream.has_epoch else None, start=start, private=False, log=log)
    lane.accounts.append(made)
    return made


def visit(of: Account, conn: int = 0, head: int | None = None) -> Visit:
    made = Visit(of, conn, 0, head)
    of.visits.append(made)
    return made


# ---- messages of several numbers


def test_of_several_numbers_those_from_the_first_owed_on_are_owed() -> None:
    five = account(5)
    assert five.owed_of(3, 7) == [(5, 7)]
    assert (five.owed_of(3, 4), five.owed_of(5, 5)) == ([], [(5, 5)])
    assert (five.unexpected, five.unlogged) == (4, 0)


def test_of_several_numbers_those_that_the_log_has_are_owed_and_the_others_told_apart() -> None:
    logged = account(5, log=IntervalSet([(5, 6), (9, 9)]))
    assert logged.owed_of(3, 9) == [(5, 6), (9, 9)]
    assert (logged.unexpected, logged.unlogged) == (4, 2)


def test_a_first_message_that_the_log_does_not_have_is_unexpected_with_all_its_numbers() -> None:
    logged = account(log=IntervalSet([(1, 2)]))
    assert not visit(logged).take(5, 7)
    assert (logged.unexpected, logged.unlogged) == (3, 3)


def test_a_message_is_news_if_any_part_of_it_is() -> None:
    on = visit(account(log=IntervalSet([(1, 1), (3, 3)])))
    assert on.take(3, 3)
    assert on.take(1, 3)
    assert not on.take(1, 3)


def test_a_connection_begins_where_its_first_message_is_above_all_before_it() -> None:
    known = account()
    visit(known).take(1, 5)
    second = visit(known, 1)
    second.take(4, 8)
    assert (second.lowest, second.base, known.duplicates) == (6, 5, 2)


def test_a_message_up_to_the_head_is_a_replay_and_one_that_goes_beyond_it_is_news() -> None:
    on = visit(account(), head=3)
    assert not on.take(2, 2)
    assert on.next != 3  # a replay in order is still one
    assert not on.take(3, 3)
    on = visit(account(), head=3)
    assert on.take(3, 5)


def test_two_messages_in_a_row_that_came_before_are_of_a_numbering_that_may_have_begun_anew() -> None:
    old = account(5, stream=UNNAMED)
    visit(old).take(5, 8)
    second = visit(old, 1)
    second.take(5, 6)
    assert not second.repeated
    second.take(7, 8)
    assert (second.repeated, old.lane.unaccountable) == (True, 1)


# ---- where owed begins, and what is not owed


def test_a_numbering_may_begin_at_zero() -> None:
    ledger = (
        Script(StreamPlan(has_epoch=True, first_seq=0)).joins(0, 1).gets(0, 2, 0, 1, 2).marks(100, 2).score().ledger
    )
    assert (ledger.owed, ledger.live, ledger.unexpected) == (3, 3, 0)


def test_a_message_without_a_number_where_there_should_be_one_is_unexpected() -> None:
    script = Script(UNNAMED).joins(0, 1, head=0, epoch=None).gets(0, 2, 1, NONE, 2, epoch=None)
    ledger = script.marks(100, 2, epoch=None).score().ledger
    assert (ledger.unexpected, ledger.live, ledger.received) == (1, 2, 3)


def test_a_gap_after_a_first_receipt_without_a_head_was_lost_while_connected() -> None:
    copies = Script().joins(0, 1).gets(0, 2, 1, 2, 3, 5, 6, 7).marks(100, 7).score().missing(0, "A", "E")
    assert (numbers(copies.lost_connected), numbers(copies.missed_disconnected)) == ([4], [])


def test_a_head_that_was_told_on_a_later_connection_says_nothing_of_where_owed_began() -> None:
    script = Script().joins(0, 1).gets(0, 2, 3, 4).leaves(0, 5).joins(0, 9, head=10).gets(0, 10, 11).marks(100, 11)
    ledger = script.score().ledger
    assert (ledger.owed, ledger.start_unknown, ledger.missed_disconnected) == (9, 1, 6)


def test_a_numbering_that_began_anew_with_a_head_is_known_to_have_begun_there() -> None:
    script = Script(UNNAMED).joins(0, 1, head=0, epoch=None).gets(0, 2, 1, 2, 3, epoch=None).leaves(0, 10)
    ledger = script.joins(0, 12, head=1, epoch=None).gets(0, 13, 2, 3, epoch=None).marks(100, 3, None).score().ledger
    assert (ledger.unaccountable, ledger.start_unknown, ledger.owed) == (1, 0, 5)


# ---- what begins a numbering anew


def reconnected(*received: int, first_seq: int = 1, before: tuple[int, ...] = (5, 6), head: int | None = 4) -> Script:
    script = Script(StreamPlan(first_seq=first_seq)).joins(0, 1, head=head, epoch=None).gets(0, 2, *before, epoch=None)
    return script.leaves(0, 5).joins(0, 9, epoch=None).gets(0, 10, *received, epoch=None).marks(100, 7, epoch=None)


def test_the_first_number_owed_that_comes_again_is_a_replay() -> None:
    ledger = reconnected(5, 7).score().ledger
    assert (ledger.unaccountable, ledger.duplicates, ledger.owed) == (0, 1, 3)


def test_a_first_number_that_comes_late_and_one_that_comes_again_after_it_are_no_numbering() -> None:
    ledger = reconnected(5, 6, before=(6,)).score().ledger
    assert (ledger.unaccountable, ledger.duplicates, ledger.owed) == (0, 1, 3)


def test_a_first_number_of_all_above_what_was_received_goes_on() -> None:
    ledger = reconnected(4, 5, first_seq=4, before=(1, 2), head=None).score().ledger
    assert (ledger.unaccountable, ledger.missed_disconnected) == (0, 1)
