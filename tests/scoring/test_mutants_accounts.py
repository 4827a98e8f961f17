"""Claims on what one client received of one numbering that a mutation pass found nobody to make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from push_script import S, Script

from chaosrun.plan import FaultPlan, StreamPlan
from chaosrun.records import NONE, Closed, Opened, Stream, Subscribed
from chaosrun.scoring.intervals import IntervalSet
from chaosrun.scoring.push_accounts import Account, Lane, Stay, Visit
from chaosrun.scoring.pushes import count_pushes

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


# ---- the pass over the messages, and the table of the ledger


def test_a_message_whose_last_number_is_below_its_first_is_one_of_its_first() -> None:
    history = Script().joins(0, 1, head=0).gets(0, 2, 1, 2, 3, 4).marks(100, 4).history()
    pushes = [push._replace(last=0) if push.first == 3 else push for push in history.pushes]
    ledger = count_pushes(replace(history, pushes=pushes), 0, (0, 50 * S)).ledger
    assert (ledger.live, ledger.duplicates, ledger.lost) == (4, 0, 0)


@pytest.mark.parametrize(("baseline", "judged"), [((2, 12), True), ((2, 11), False), ((3, 12), False)])
def test_the_baseline_of_a_cadence_is_half_open(baseline: tuple[int, int], judged: bool) -> None:
    script = Script().joins(0, 1, head=0)
    for number in range(1, 11):  # at 2 s to 11 s
        script.gets(0, 1 + number, number)
    assert (script.score(baseline).unjudged == ()) == judged


def test_a_gap_is_counted_from_the_last_message_however_close_it_was_to_the_one_before() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 1.5, 1).gets(0, 1.500000001, 2).gets(0, 3, *range(3, 12))
    assert script.score().longest_baseline_gap_ns == 1_500_000_000 - 1


def test_one_connection_that_was_told_no_head_leaves_replays_untold() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1, 2).joins(1, 1).gets(1, 2, 1, 2).marks(100, 2)
    ledger = script.score().ledger
    assert (ledger.replayed, ledger.live, ledger.owed) == (None, 4, 4)


def test_what_is_only_known_as_a_lower_bound_is_not_accountable_though_no_class_is_clouded() -> None:
    ledger = Script().joins(0, 1, head=0).gets(0, 2, 1, 3).leaves(0, 10).score().ledger
    assert (ledger.source, ledger.clouded, ledger.accountable) == ("lower_bound", frozenset(), False)
    assert ledger.why == "what was published is only known as a lower bound"


def test_a_client_with_losses_in_two_channels_is_one_client_with_losses() -> None:
    script = (
        Script().joins(0, 1, head=0).subscribes(0, 1, 0, channel="B").gets(0, 2, 1, 3).gets(0, 2, 1, 3, channel="B")
    )
    ledger = script.marks(100, 3).marks(100, 3, channel="B").score().ledger
    assert (ledger.lost_connected, ledger.clients_with_loss) == (2, 1)


# ---- who listened to what


def test_an_epoch_appeared_when_it_was_first_named_though_it_was_named_again() -> None:
    script = Script().joins(0, 1, head=0).subscribes(0, 2, 0, epoch="F").subscribes(0, 3, 0)
    score = script.marks(100, 3, epoch=None).score()
    assert numbers(score.missing(0, "A", "F").owed) == [1, 2, 3]
    assert numbers(score.missing(0, "A", "E").owed) == []


def test_a_second_subscription_on_a_connection_does_not_move_where_owed_begins() -> None:
    ledger = Script().joins(0, 1, head=0).gets(0, 2, 1).subscribes(0, 5, 2).gets(0, 6, 3).marks(100, 3).score().ledger
    assert (ledger.owed, ledger.lost_connected, ledger.unexpected) == (3, 1, 0)


def test_what_another_group_does_is_nothing_to_this_one() -> None:
    script = Script(UNNAMED).joins(0, 1, head=0, epoch=None).gets(0, 2, 1, 3, epoch=None).leaves(0, 10)
    script.joins(0, 12, head=4, epoch=None).gets(0, 13, 5, 6, epoch=None).leaves(0, 101, "ours", planned=True)
    alone = script.marks(100, 7, epoch=None).history()

    def second(records: Sequence[Opened | Closed | Subscribed | Stream]) -> list[Any]:
        return [msgspec.structs.replace(record, g=1) for record in records]

    other = Script(UNNAMED).joins(0, 1, head=9, epoch=None).leaves(0, 3).joins(0, 4, head=50, epoch=None).leaves(0, 5)
    other.joins(0, 6, head=60, epoch=None).leaves(0, 90)
    first = other.history()
    both = replace(
        alone,
        plan=msgspec.structs.replace(alone.plan, groups=(first.plan.groups[0], alone.plan.groups[0])),
        opened=[*second(alone.opened), *first.opened],
        closed=[*second(alone.closed), *first.closed],
        subscribed=[*second(alone.subscribed), *first.subscribed],
        streams=second(alone.streams),
    )
    ledger = count_pushes(alone, 0, (0, 50 * S)).ledger
    assert (ledger.owed, ledger.lost_connected, ledger.missed_disconnected, ledger.tail) == (7, 1, 1, 1)
    assert count_pushes(both, 1, (0, 50 * S)).ledger == ledger


RESTART = FaultPlan(id="f", name="crash", kind="process_kill")
ELSEWHERE = FaultPlan(id="g", name="crash", kind="process_kill", role="terminal", reaches_server=False)


def reopened(script: Script, since: int, again: int) -> int:
    """Reconnects across which a restart may have begun to number anew."""
    script.joins(0, since, head=0, epoch=None).gets(0, since + 1, 1, 2, epoch=None).leaves(0, again - 1)
    return script.joins(0, again, head=2, epoch=None).marks(100, 2, epoch=None).score().ledger.unaccountable


def test_a_fault_that_was_never_removed_may_restart_the_server_up_to_the_end() -> None:
    assert reopened(Script(UNNAMED, faults=(RESTART,)).strikes(20), since=22, again=40) == 1
    both = Script(UNNAMED, faults=(RESTART, ELSEWHERE)).strikes(20).strikes(20, 21, id="g")
    assert reopened(both, since=22, again=40) == 1, "the removal of another fault is not its own"


def test_a_fault_that_is_called_again_is_removed_again() -> None:
    assert reopened(Script(UNNAMED, faults=(RESTART,)).strikes(5, 6).strikes(20), since=7, again=30) == 1
    assert reopened(Script(UNNAMED, faults=(RESTART,)).strikes(5, 6).strikes(40, 41), since=7, again=30) == 0


@pytest.mark.parametrize(("subscribes", "lost"), [(True, False), (False, True)])
def test_a_silent_connection_between_two_carries_a_stream_only_where_there_are_no_subscriptions(
    subscribes: bool, lost: bool
) -> None:
    script = Script().joins(0, 1, head=0) if subscribes else Script().opens(0, 1)
    script.gets(0, 2, 1, 2).leaves(0, 3).opens(0, 10).leaves(0, 20).opens(0, 25).gets(0, 26, 4)
    script.joins(1, 1, head=0).gets(1, 2, 1, 2).gets(1, 15, 3).gets(1, 26, 4).marks(100, 4)
    copies = script.score().missing(0, "A", "E")
    assert numbers(copies.lost_connected if lost else copies.missed_disconnected) == [3]


def test_a_head_told_without_an_epoch_is_not_that_of_a_second_epoch_on_the_connection() -> None:
    script = Script().joins(0, 1, head=10, epoch=None).gets(0, 2, 11).gets(0, 5, 1, 2, epoch="F")
    copies = script.marks(100, 2, epoch="F").score().missing(0, "A", "F")
    assert (numbers(copies.live), numbers(copies.replayed)) == ([1, 2], [])


def test_a_connection_carries_a_stream_from_its_first_subscription_on() -> None:
    script = Script(StreamPlan(has_epoch=True, has_sent_at=True)).joins(0, 1, head=0).gets(0, 2, 1, 2, sent=2)
    script.leaves(0, 3).joins(0, 5).subscribes(0, 9, None).leaves(0, 20)
    script.joins(1, 1, head=0).gets(1, 2, 1, 2, sent=2)
    for t, number in ((4, 3), (6, 4), (10, 5)):
        script.gets(1, t, number, sent=t)
    assert numbers(script.score().missing(0, "A", "E").lost_connected) == [4, 5]


def test_a_plan_that_promises_epochs_accounts_for_a_restart_though_none_was_named_yet() -> None:
    assert reopened_silently(StreamPlan(has_epoch=True)) == 0
    assert reopened_silently(UNNAMED) == 1


def reopened_silently(stream: StreamPlan) -> int:
    script = Script(stream, faults=(RESTART,)).joins(0, 1, head=0, epoch=None).strikes(10, 12).leaves(0, 10)
    return script.joins(0, 13, head=0, epoch=None).score().ledger.unaccountable


def test_a_numbering_of_a_clients_own_goes_on_across_a_reconnect() -> None:
    script = Script(StreamPlan(scope="client")).joins(0, 1, head=0, epoch=None).gets(0, 2, 1, 2, epoch=None)
    ledger = script.leaves(0, 3).joins(0, 5, head=3, epoch=None).gets(0, 6, 4, epoch=None).score().ledger
    assert (ledger.unaccountable, ledger.missed_disconnected) == (0, 1)


def test_the_log_of_one_numbering_says_nothing_of_one_that_began_anew_without_a_name() -> None:
    script = Script(UNNAMED, faults=(RESTART,)).joins(0, 1, head=0, epoch=None).gets(0, 2, 1, 2, epoch=None)
    script.strikes(11, 12).leaves(0, 10).joins(0, 13, head=0, epoch=None).gets(0, 14, 1, 2, 5, epoch=None)
    ledger = script.logs(2, 1, 2, epoch=None).score().ledger
    assert (ledger.unaccountable, ledger.unexpected, ledger.lost_connected) == (1, 0, 2)


def test_connections_and_channels_of_another_group_are_not_carried_by_this_one() -> None:
    script = Script().opens(0, 1).gets(0, 2, 1, 2).leaves(0, 3).opens(0, 5).leaves(0, 10)
    alone = script.marks(100, 4).history()
    plan = msgspec.structs.replace(alone.plan, groups=alone.plan.groups * 2)
    own: dict[str, Any] = {
        name: [msgspec.structs.replace(record, g=1) for record in getattr(alone, name)]
        for name in ("opened", "closed", "streams")
    }
    theirs = Stream(t=50 * S, sid=len(alone.streams), g=0, c=0, conn=0, channel="B", epoch="E")
    another = Opened(t=50 * S, g=0, c=0, conn=2, began=50 * S, shaken=50 * S)
    for name, record in (("opened", another), ("streams", theirs)):
        both = replace(alone, plan=plan, **(own | {name: [*own[name], record]}))
        assert count_pushes(both, 1, (0, 50 * S)).ledger == count_pushes(alone, 0, (0, 50 * S)).ledger


def test_a_client_that_was_told_its_own_epoch_again_after_another_had_begun_does_not_owe_that_one() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, 1).joins(1, 1, head=0).gets(1, 2, 1).gets(1, 9, 1, epoch="F")
    script.leaves(0, 20).joins(0, 30, head=1)
    assert [score.epoch for score in script.score().accounts if score.client == 0] == ["E"]
