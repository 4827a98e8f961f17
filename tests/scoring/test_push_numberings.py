"""Where a numbering begins, and where it may have begun again though no epoch says so: never a wrong exact number."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from push_script import S, Script

from chaosrun.plan import FaultPlan, StreamPlan
from chaosrun.scoring.intervals import IntervalSet
from chaosrun.scoring.pushes import PushScore, count_pushes

UNNAMED = StreamPlan()
TERMINAL = FaultPlan(id="f", name="crash", kind="process_kill", role="terminal", reaches_server=False)


def numbers(copies: IntervalSet) -> list[int]:
    return list(copies.numbers())


def unnamed(*received: int, head: int | None = 0, stream: StreamPlan = UNNAMED) -> Script:
    """A client without epochs that gets the numbers, and then loses its connection at 10 s."""
    return Script(stream).joins(0, 1, head=head, epoch=None).gets(0, 2, *received, epoch=None).leaves(0, 10)


# ---- a head tells


def test_a_head_below_an_earlier_one_tells_of_a_new_numbering_though_nothing_was_received() -> None:
    script = Script(UNNAMED).joins(0, 1, head=50, epoch=None).leaves(0, 3).joins(0, 5, head=2, epoch=None)
    score = script.gets(0, 6, 3, 5, epoch=None).marks(100, 5, epoch=None).score()
    assert (score.ledger.unaccountable, score.ledger.unexpected, score.ledger.lost_connected) == (1, 0, 1)
    assert numbers(score.missing(0, "A", None).owed) == [3, 4, 5]


def test_a_head_below_what_was_seen_tells_of_a_new_numbering_though_nothing_came_after_it() -> None:
    score = unnamed(1, 2, 3).joins(0, 12, head=1, epoch=None).marks(100, 2, epoch=None).score()
    assert (score.ledger.unaccountable, score.ledger.tail, score.ledger.accountable) == (1, 1, False)
    assert numbers(score.missing(0, "A", None).tail) == [2]


def test_each_head_below_the_one_before_is_a_numbering_of_its_own() -> None:
    script = unnamed(*range(1, 10)).joins(0, 12, head=5, epoch=None).leaves(0, 13).joins(0, 15, head=2, epoch=None)
    score = script.gets(0, 16, 3, epoch=None).marks(100, 3, epoch=None).score()
    assert score.ledger.unaccountable == 2
    assert [numbers(each.copies.owed) for each in score.accounts] == [[*range(1, 10)], [], [3]]


def test_a_head_told_before_a_number_was_seen_is_not_below_it() -> None:
    script = unnamed(1, 2).joins(0, 12, head=2, epoch=None).leaves(0, 13).joins(0, 15, head=4, epoch=None)
    ledger = script.gets(0, 16, 5, 6, epoch=None).marks(100, 6, epoch=None).score().ledger
    assert (ledger.unaccountable, ledger.missed_disconnected, ledger.owed) == (0, 2, 6)


def test_a_head_of_just_what_was_seen_is_of_the_same_numbering() -> None:
    ledger = (
        unnamed(1, 2).joins(0, 12, head=2, epoch=None).gets(0, 13, 3, epoch=None).marks(100, 3, None).score().ledger
    )
    assert (ledger.unaccountable, ledger.live, ledger.accountable) == (0, 3, True)


# ---- a second beginning tells


def test_number_one_twice_is_a_numbering_begun_anew_like_any_second_beginning() -> None:
    score = unnamed(1, head=None).joins(0, 12, epoch=None).gets(0, 13, 1, 2, epoch=None).marks(100, 2, None).score()
    assert (score.ledger.unaccountable, score.ledger.duplicates, score.ledger.live) == (1, 0, 3)
    assert "missed_disconnected" in score.ledger.clouded


def test_number_one_twice_is_a_replay_where_the_protocol_promises_to_resume() -> None:
    script = unnamed(1, head=None, stream=StreamPlan(resumes=True)).joins(0, 12, epoch=None)
    ledger = script.gets(0, 13, 1, 2, epoch=None).marks(100, 2, None).score().ledger
    assert (ledger.unaccountable, ledger.duplicates, ledger.live) == (0, 1, 2)


@pytest.mark.parametrize(("resumes", "unexpected"), [(False, 0), (True, 3)])
def test_a_connection_that_begins_below_all_that_is_owed_is_unaccountable(resumes: bool, unexpected: int) -> None:
    script = unnamed(130, 131, head=None, stream=StreamPlan(resumes=resumes)).joins(0, 12, epoch=None)
    ledger = script.gets(0, 13, 3, 4, 5, epoch=None).marks(100, 5, epoch=None).score().ledger
    assert (ledger.unaccountable, ledger.unexpected) == (1, unexpected)


# ---- numbers that come again


def test_numbers_in_a_row_that_a_connection_without_a_head_begins_with_again_may_be_of_a_new_numbering() -> None:
    script = unnamed(1, 2, 3, 4, head=None).joins(0, 12, epoch=None).gets(0, 13, 2, 3, 5, epoch=None)
    ledger = script.marks(100, 5, epoch=None).score().ledger
    assert (ledger.unaccountable, ledger.accountable, ledger.missed_disconnected) == (1, False, 0)


def test_the_newest_number_told_again_to_a_client_that_returns_is_a_duplicate() -> None:
    script = unnamed(1, 2, 3, head=None).joins(0, 12, epoch=None).gets(0, 13, 3, 4, epoch=None)
    ledger = script.marks(100, 4, epoch=None).score().ledger
    assert (ledger.unaccountable, ledger.duplicates, ledger.missed_disconnected) == (0, 1, 0)


def again(*received: int, stream: StreamPlan = UNNAMED, head: int = 0) -> PushScore:
    script = Script(stream).joins(0, 1, head=head, epoch=None).gets(0, 2, *received, epoch=None)
    return script.marks(100, max(received), epoch=None).score()


def test_numbers_in_a_row_that_come_again_may_be_a_numbering_begun_anew_and_all_losses_are_lower_bounds() -> None:
    ledger = again(1, 2, 3, 4, 6, 1, 2, 3).ledger
    assert (ledger.unaccountable, ledger.accountable, ledger.lost_connected) == (1, False, 1)
    assert ledger.clouded == {"lost_connected", "missed_disconnected", "tail", "duplicates", "unexpected"}
    assert "without an epoch" in ledger.why


@pytest.mark.parametrize("received", [(1, 1, 2, 2, 3, 3), (1, 2, 3, 1, 4, 2), (1, 2, 3, 2, 1), (1, 2, 3, 1, 3)])
def test_single_numbers_that_come_twice_are_duplicates(received: tuple[int, ...]) -> None:
    ledger = again(*received).ledger
    assert (ledger.unaccountable, ledger.accountable) == (0, True)
    assert ledger.duplicates == len(received) - len(set(received))


@pytest.mark.parametrize(
    "received",
    [
        (20, 21, 22, 2, 5, 8),  # of a second numbering with drops, none is next to the one before
        (20, 21, 22, 2, 2, 5, 5, 4, 8),
        (20, 21, 22, 5, 3, 8, 6),
    ],
)
def test_numbers_that_go_on_rising_below_the_newest_are_of_a_new_numbering(received: tuple[int, ...]) -> None:
    ledger = again(*received, head=1).ledger
    assert (ledger.unaccountable, ledger.accountable) == (1, False)
    assert again(*received, stream=StreamPlan(resumes=True), head=1).ledger.accountable, "it may be a late replay"


def test_numbers_that_rise_below_all_that_is_owed_are_of_a_new_numbering_though_nothing_newer_came() -> None:
    script = unnamed(38, 37, head=35).joins(0, 12, head=78, epoch=None).gets(0, 13, 6, 1, 11, 10, epoch=None)
    ledger = script.marks(100, 11, epoch=None).score().ledger
    assert (ledger.unaccountable, ledger.accountable) == (1, False)


@pytest.mark.parametrize(
    "received",
    [
        (2, 5, 3, 6, 4, 8, 7),  # held back until the next has gone
        (2, 6, 5, 4, 3, 7),
        (2, 6, 6, 5, 5, 3, 3, 8),
        (2, 9, 3, 5, 10, 6, 8),
        (2, 9, 5, 3, 5, 10),
        (2, 9, 3, 9, 5, 10),
        (2, 9, 3, 3, 5, 10),
    ],
)
def test_late_numbers_that_newer_ones_pass_are_only_reordered(received: tuple[int, ...]) -> None:
    assert again(*received, head=1).ledger.unaccountable == 0


@pytest.mark.parametrize("replayed", [(2, 4, 6, 8), (8, 2, 4, 6)])
def test_what_a_replay_brings_before_anything_new_may_rise_as_it_likes(replayed: tuple[int, ...]) -> None:
    script = unnamed(1, head=0).joins(0, 12, head=9, epoch=None).gets(0, 13, *replayed, 10, 11, epoch=None)
    assert script.marks(100, 11, epoch=None).score().ledger.unaccountable == 0


def test_a_numbering_that_may_have_begun_anew_is_counted_once_for_each_connection() -> None:
    assert again(1, 2, 3, 1, 2, 3, 1, 2, 3).ledger.unaccountable == 1


def test_numbers_that_a_replay_brings_twice_are_no_new_numbering() -> None:
    script = unnamed(1).joins(0, 12, head=4, epoch=None).gets(0, 13, 2, 3, 4, 2, 3, 4, 5, epoch=None)
    ledger = script.marks(100, 5, epoch=None).score().ledger
    assert (ledger.unaccountable, ledger.duplicates, ledger.replayed) == (0, 3, 3)


@pytest.mark.parametrize("head", [None, 129])
def test_numbers_in_a_row_that_are_older_than_all_owed_may_be_of_a_new_numbering(head: int | None) -> None:
    script = Script(UNNAMED).joins(0, 1, head=head, epoch=None).gets(0, 2, 130, 131, 1, 2, 3, epoch=None)
    ledger = script.marks(100, 131, epoch=None).score().ledger
    assert (ledger.unaccountable, ledger.accountable, ledger.unexpected) == (1, False, 3)


def test_a_client_that_returns_is_not_told_what_is_older_than_all_owed_but_by_a_new_numbering() -> None:
    script = unnamed(181, 182, head=180).joins(0, 12, head=190, epoch=None).gets(0, 13, 1, 2, 3, epoch=None)
    ledger = script.marks(100, 3, epoch=None).score().ledger
    assert (ledger.unaccountable, ledger.accountable) == (1, False)


def test_what_was_published_before_a_subscription_and_comes_with_it_is_no_new_numbering() -> None:
    script = Script(UNNAMED).joins(0, 1, head=4, epoch=None).gets(0, 2, 2, 3, 4, 5, 6, epoch=None)
    ledger = script.marks(100, 6, epoch=None).score().ledger
    assert (ledger.unaccountable, ledger.unexpected, ledger.live) == (0, 3, 2)


def test_where_epochs_are_named_numbers_that_come_again_are_duplicates() -> None:
    ledger = Script().joins(0, 1, head=0).gets(0, 2, 1, 2, 3, 1, 2, 3).marks(100, 3).score().ledger
    assert (ledger.unaccountable, ledger.duplicates, ledger.accountable) == (0, 3, True)


# ---- what may have restarted the numbering


def test_a_fault_on_a_role_that_the_clients_do_not_talk_to_may_restart_the_numbering_too() -> None:
    script = Script(UNNAMED, faults=(TERMINAL,)).joins(0, 1, head=0, epoch=None).gets(0, 2, 1, 2, epoch=None)
    script.strikes(10, 12).leaves(0, 10).joins(0, 13, head=5, epoch=None).gets(0, 14, 6, epoch=None)
    assert script.marks(100, 6, epoch=None).score().ledger.unaccountable == 1


def test_a_connection_that_broke_long_after_the_restart_may_still_be_from_before_it() -> None:
    script = Script(UNNAMED, faults=(FaultPlan(id="f", name="crash", kind="process_kill", role="server"),))
    script.joins(0, 1, head=0, epoch=None).gets(0, 2, 1, 2, epoch=None).strikes(10, 12).leaves(0, 30, "ping_timeout")
    ledger = script.joins(0, 31, head=7, epoch=None).gets(0, 32, 8, epoch=None).marks(100, 8, None).score().ledger
    assert (ledger.unaccountable, ledger.accountable, ledger.missed_disconnected) == (1, False, 0)


# ---- where owed begins


def test_a_client_that_hears_of_the_epoch_only_when_it_returns_owes_what_others_got_since_it_first_came() -> None:
    script = Script(StreamPlan(has_epoch=True, has_sent_at=True)).joins(0, 1, head=0)
    script.joins(1, 3, epoch=None).leaves(1, 20).joins(1, 22)
    for t, number in ((2, 1), (5, 2), (21, 3), (50, 4)):
        script.gets(0, t, number, sent=t)
    score = script.marks(100, 4).score()
    copies = score.missing(1, "A", "E")
    assert (numbers(copies.lost_connected), numbers(copies.missed_disconnected)) == ([2], [3])
    assert (numbers(copies.tail), copies.start_unknown) == ([4], True)


def test_a_head_that_only_a_later_subscription_told_does_not_make_the_start_known() -> None:
    script = Script().joins(0, 1, epoch=None).leaves(0, 5).joins(0, 7, head=20).gets(0, 8, 21)
    ledger = script.marks(100, 21).score().ledger
    assert (ledger.owed, ledger.start_unknown) == (1, 1)


def test_the_end_of_an_epoch_that_died_on_an_open_connection_is_unknown_without_a_log() -> None:
    ledger = Script().joins(0, 1, head=0).gets(0, 2, 1).gets(0, 9, 1, epoch="F").marks(100, 1, epoch="F").score().ledger
    assert (ledger.lost_connected, ledger.clouded, ledger.accountable) == (0, {"lost_connected"}, False)


# ---- joins at any point


def test_a_client_that_comes_at_any_point_owes_what_follows_its_head() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 2, *range(1, 6))
    for client, head in ((1, 1), (2, 3), (3, 5)):
        script.joins(client, 1 + client, head=head).gets(client, 9, *range(head + 1, 5))
    score = script.marks(100, 5).score()
    assert [numbers(score.missing(c, "A", "E").tail) for c in range(4)] == [[], [5], [5], []]
    assert (score.ledger.owed, score.ledger.lost_everywhere) == (5 + 4 + 2 + 0, 0)


def test_each_channel_and_each_stream_has_numbers_of_its_own() -> None:
    script = (
        Script().joins(0, 1, head=0).subscribes(0, 1, 0, channel="B").gets(0, 2, 1, 3).gets(0, 2, 1, 2, 4, channel="B")
    )
    history = script.marks(100, 3).marks(100, 4, channel="B").history()
    other = replace(
        history,
        streams=[msgspec.structs.replace(s, stream="other") if s.channel == "B" else s for s in history.streams],
        subscribed=[msgspec.structs.replace(s, stream="other") if s.channel == "B" else s for s in history.subscribed],
        heads=[msgspec.structs.replace(h, stream="other") if h.channel == "B" else h for h in history.heads],
    )
    for each in (history, other):
        score = count_pushes(each, 0, (0, 50 * S))
        assert numbers(score.missing(0, "A", "E").lost_connected) == [2]
        assert numbers(score.missing(0, "B", "E").lost_connected) == [3]
        assert score.ledger.lost_everywhere == 2
    assert {name: ledger.lost for name, ledger in score.by_stream.items()} == {"stream": 1, "other": 1}
