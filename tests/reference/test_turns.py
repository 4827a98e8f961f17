"""When feeds are due."""

from __future__ import annotations

from chaosrun.reference._turns import FORGIVEN_LAG_NS, Turns


def test_each_is_due_once_a_period_and_they_take_turns() -> None:
    turns = Turns("abc", period_ns=30, start_ns=1000)
    assert [(turns.next_ns, *turns.due(turns.next_ns)) for _ in range(6)] == [
        (1000, "a"),
        (1010, "b"),
        (1020, "c"),
        (1030, "a"),
        (1040, "b"),
        (1050, "c"),
    ]


def test_nobody_is_due_before_his_time() -> None:
    assert list(Turns("ab", period_ns=20, start_ns=1000).due(999)) == []


def test_who_was_held_up_catches_up_without_losing_his_schedule() -> None:
    turns = Turns("ab", period_ns=20, start_ns=0)
    assert "".join(turns.due(45)) == "ababa"
    assert turns.next_ns == 50


def test_what_was_slept_through_for_long_is_not_made_up_for() -> None:
    turns = Turns("ab", period_ns=20, start_ns=0)
    assert "".join(turns.due(FORGIVEN_LAG_NS + 7)) == "a"
    assert turns.next_ns == FORGIVEN_LAG_NS + 17


def test_who_publishes_wakes_once_a_millisecond_at_most() -> None:
    turns = Turns("ab", period_ns=20_000_000, start_ns=0)
    assert turns.wait_s(0) == 0.001
    list(turns.due(0))
    assert turns.wait_s(2_000_000) == 0.008
    assert turns.wait_s(50_000_000) == 0.001
