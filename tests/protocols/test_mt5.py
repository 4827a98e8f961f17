"""The built-in conversation with the MT5 bridge."""

from __future__ import annotations

import pytest

from chaosrun.protocols import find
from chaosrun.protocols._base import Clocks

SECOND = 1_000_000_000
HEADS = {"EURUSD": {"seq": 41, "boot_id": "T1"}}


@pytest.fixture
def opened(talk):
    def begin(**identity):
        it = talk(find("mt5"), channels=("EURUSD",), **identity)
        it.hear({"type": "auth_ok", "account": "1004"})
        it.hear({"type": "subscribed", "channels": ["EURUSD"], "heads": HEADS})
        return it

    return begin


def test_the_opening_is_auth_then_subscribe_and_only_then_is_the_client_open(talk):
    it = talk(find("mt5"), channels=("EURUSD",), account={"account": "77", "token": "t"})
    assert it.heard.last_sent == {"type": "auth", "account": "77", "token": "t"}
    it.hear({"type": "auth_ok", "account": "77"})
    assert it.heard.last_sent == {"type": "subscribe", "channels": ["EURUSD"]}
    assert it.heard.events == []
    it.hear({"type": "subscribed", "channels": ["EURUSD"], "heads": HEADS})
    assert it.heard.events == [("subscribed", "EURUSD", 41, "T1", "stream"), ("opened",)]


def test_without_a_table_of_accounts_each_client_has_an_account_of_its_own(talk):
    assert talk(find("mt5"), index=5).heard.last_sent["account"] == "1006"


@pytest.mark.parametrize("heads", [{}, {"EURUSD": None}])
def test_while_the_terminal_is_away_a_subscription_starts_without_a_head(talk, heads):
    it = talk(find("mt5"), channels=("EURUSD",))
    it.hear({"type": "auth_ok", "account": "1004"})
    it.hear({"type": "subscribed", "channels": ["EURUSD"], "heads": heads})
    assert it.heard.events == [("subscribed", "EURUSD", None, None, "stream"), ("opened",)]


def test_a_tick_is_a_push_with_its_number_its_boot_and_when_it_was_sent_in_run_time(talk):
    it = talk(find("mt5"), clocks=Clocks(0, 1_763_700_000_000 * 1_000_000))
    it.hear({"type": "tick", "symbol": "EURUSD", "seq": 42, "boot_id": "T1", "bid": 1, "ask": 2, "ts": 1763700000250.5})
    ((channel, first, last, sent_at, epoch, stream),) = it.heard.of("pushed")
    assert (channel, first, last, epoch, stream) == ("EURUSD", 42, 42, "T1", "stream")
    assert sent_at == pytest.approx(250_500_000, abs=1000)


def test_a_pong_answers_the_ping_with_its_id(opened):
    it = opened()
    assert it.conversation.request(7, 0, it.now)
    ping = it.heard.last_sent
    assert (ping["type"], ping["id"]) == ("ping", 7)
    it.hear({"type": "pong", "id": 7, "sent": ping["sent"]})
    assert it.heard.of("replied") == [[7, True]]


def test_an_error_with_an_id_is_a_bad_reply_and_the_connection_lives_on(opened):
    it = opened()
    it.conversation.request(7, 0, it.now)
    it.hear({"type": "error", "error": "busy", "id": 7})
    assert it.heard.of("replied") == [[7, False]]
    assert it.heard.of("failed") == []


def test_a_refused_authentication_fails_the_opening_in_the_servers_words(talk):
    it = talk(find("mt5"))
    it.hear({"type": "error", "error": "auth refused"})
    assert it.heard.of("failed") == [["auth refused"]]


def test_an_opening_without_an_answer_fails_at_its_deadline_and_not_before(talk):
    it = talk(find("mt5"))
    assert it.conversation.wake_at == 5 * SECOND
    it.conversation.wake(5 * SECOND - 1)
    assert it.heard.of("failed") == []
    it.conversation.wake(5 * SECOND)
    assert it.heard.of("failed")[0][0].startswith("deadline")


def test_an_open_client_waits_for_nothing(opened):
    assert opened().conversation.wake_at is None


@pytest.mark.parametrize(
    "garbage", [b"", b"{", b"[]", b"\xff\xfe", b'{"type":"tick","seq":"x"}', b'{"type":"nonsense"}']
)
def test_garbage_is_malformed_and_nothing_else_happens(opened, garbage):
    it = opened()
    before = len(it.heard.events)
    it.hear(garbage)
    assert [event[0] for event in it.heard.events[before:]] == ["malformed"]


def test_a_status_message_is_no_push(opened):
    it = opened()
    before = len(it.heard.events)
    it.hear({"type": "status", "feed": "stale"})
    assert it.heard.events[before:] == []


def test_the_high_water_mark_is_told_per_channel_where_the_terminal_is_there(opened):
    it = opened()
    assert it.conversation.ask_head(it.now)
    assert it.heard.last_sent == {"type": "head"}
    it.hear({"type": "head", "heads": {"EURUSD": {"seq": 99, "boot_id": "T1"}, "XAUUSD": None}})
    assert it.heard.of("head") == [["EURUSD", 99, "T1", "stream"]]


def test_a_request_on_a_lost_connection_says_that_it_was_not_sent(opened):
    it = opened()
    it.heard.connected = False
    assert not it.conversation.request(8, 0, it.now)
