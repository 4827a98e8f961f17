"""Who each client of a group is."""

from __future__ import annotations

from chaosrun.load.config import GroupLoad
from chaosrun.plan import GroupPlan


def load(**options):
    return GroupLoad(index=0, plan=GroupPlan(name="g", clients=9), url="ws://h", protocol="mt5", **options)


def test_channels_are_dealt_in_turn():
    group = load(channels=("A", "B", "C"), channels_per_client=2)
    assert [group.identity(c).channels for c in range(3)] == [("A", "B"), ("C", "A"), ("B", "C")]


def test_without_a_number_every_client_has_every_channel():
    assert load(channels=("A", "B")).identity(5).channels == ("A", "B")


def test_accounts_are_given_in_turn_and_from_the_first_again():
    group = load(accounts=({"account": "a"}, {"account": "b"}))
    assert [group.identity(c).account["account"] for c in range(3)] == ["a", "b", "a"]


def test_a_rows_own_token_wins_over_the_groups():
    group = load(accounts=({"token": "own"}, {}), token="shared")
    assert [group.identity(c).account["token"] for c in range(2)] == ["own", "shared"]
