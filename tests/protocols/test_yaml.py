"""The declarative protocol: what its YAML means, one claim a test."""

from __future__ import annotations

import json

import pytest
import yaml

from chaosrun.errors import UsageError
from chaosrun.protocols import find
from chaosrun.protocols._base import ClientIdentity, Clocks

SECOND = 1_000_000_000
UNIX = Clocks(0, 1_700_000_000 * SECOND)


def protocol(text: str):
    return find(json.dumps(yaml.safe_load(text) or {}))


@pytest.fixture
def converse(talk):
    def begin(text: str, **options):
        return talk(protocol(text), **options)

    return begin


# ---- the whole of the built-in protocol, said in YAML

MT5 = """
path: /ws
open:
  - {send: {type: auth, account: "{account.account}"}, expect: {type: auth_ok}}
  - {send: {type: subscribe, channels: ["{channel}"]}, expect: {type: subscribed}}
request:
  send: {type: ping, id: "{id}", sent: "{unix_ms}"}
  reply: {type: pong, id: "{id}", sent: "{unix_ms}"}
stream:
  {match: {type: tick}, channel: symbol, seq: seq, epoch: boot_id, head: "heads.{channel}.seq",
   sent_at: {field: ts, unit: ms}, require: [bid, ask]}
high_water: {send: {type: head}, reply: {type: head}, seq: "heads.{channel}.seq", epoch: "heads.{channel}.boot_id"}
error: {match: {type: error}}
ignore: [{type: status}]
"""
TICK = {"type": "tick", "symbol": "EURUSD", "seq": 42, "boot_id": "T1", "bid": 1, "ask": 2, "ts": 1_700_000_001_500}


@pytest.fixture
def mt5(converse):
    def begin(**options):
        it = converse(MT5, channels=("EURUSD",), account={"account": "1001"}, **options)
        it.hear({"type": "auth_ok"})
        it.hear({"type": "subscribed", "heads": {"EURUSD": {"seq": 41, "boot_id": "T1"}}})
        return it

    return begin


def test_the_steps_of_the_opening_are_taken_in_turn_and_then_the_client_is_open(converse):
    it = converse(MT5, channels=("EURUSD",), account={"account": "1001"})
    assert it.heard.last_sent == {"type": "auth", "account": "1001"}
    it.hear({"type": "auth_ok", "extra": [1, 2]})
    assert it.heard.last_sent == {"type": "subscribe", "channels": ["EURUSD"]}
    it.hear({"type": "subscribed", "heads": {"EURUSD": {"seq": 41, "boot_id": "T1"}}})
    assert it.heard.events == [("subscribed", "EURUSD", 41, "T1", "stream"), ("opened",)]


def test_a_step_that_names_the_channel_is_taken_once_for_each(converse):
    it = converse(MT5, channels=("EURUSD", "XAUUSD"), account={"account": "1001"})
    it.hear({"type": "auth_ok"})
    it.hear({"type": "subscribed", "heads": {"EURUSD": {"seq": 41}}})
    assert it.heard.last_sent == {"type": "subscribe", "channels": ["XAUUSD"]}
    assert it.heard.events == []
    it.hear({"type": "subscribed", "heads": {"XAUUSD": {"seq": 7}}})
    assert [event[:3] for event in it.heard.events] == [
        ("subscribed", "EURUSD", 41),
        ("subscribed", "XAUUSD", 7),
        ("opened",),
    ]


def test_a_pushed_message_says_its_channel_number_epoch_and_time(mt5):
    it = mt5(clocks=UNIX)
    it.hear(TICK)
    assert it.heard.of("pushed") == [["EURUSD", 42, 42, 1_500_000_000, "T1", "stream"]]


def test_a_pushed_message_without_a_required_field_is_malformed(mt5):
    it = mt5()
    it.hear({key: value for key, value in TICK.items() if key != "ask"})
    assert it.heard.of("pushed") == []
    assert len(it.heard.of("malformed")) == 1


def test_the_empty_name_is_a_key_like_any_other(converse):
    it = converse("stream: {match: {type: tick}, seq: seq, require: ['']}", channels=("A",))
    it.hear({"type": "tick", "seq": 1})
    it.hear({"type": "tick", "seq": 2, "": None})
    assert [event[1] for event in it.heard.of("pushed")] == [2]


def test_a_null_is_present(mt5):
    it = mt5()
    it.hear(TICK | {"ask": None})
    assert len(it.heard.of("pushed")) == 1


def test_a_reply_belongs_to_the_request_whose_id_it_has(mt5):
    it = mt5()
    it.conversation.request(1, 0, 10)
    it.conversation.request(2, 0, 20)
    sent = [json.loads(data) for data in it.heard.sent[-2:]]
    it.hear({"type": "pong", "id": 2, "sent": sent[1]["sent"]})
    it.hear({"type": "pong", "id": 1, "sent": sent[0]["sent"]})
    assert it.heard.of("replied") == [[2, True], [1, True]]


def test_a_reply_that_echoes_another_value_than_was_sent_is_a_bad_reply(mt5):
    it = mt5()
    it.conversation.request(1, 0, 10)
    it.hear({"type": "pong", "id": 1, "sent": 5})
    assert it.heard.of("replied") == [[1, False]]


def test_a_reply_to_nothing_asked_is_malformed(mt5):
    it = mt5()
    it.hear({"type": "pong", "id": 1, "sent": 5})
    assert it.heard.of("replied") == []
    assert len(it.heard.of("malformed")) == 1


def test_a_high_water_mark_is_that_of_the_stream_that_it_names_and_of_no_other(converse):
    it = converse(
        """
        streams: {ticks: {match: {type: t}, seq: n}, trades: {match: {type: d}, seq: n}, notes: {match: {type: o}}}
        high_water: {send: {type: head}, reply: {type: head}, seq: n, stream: trades}
        """
    )
    it.conversation.ask_head(1)
    it.hear({"type": "head", "n": 7})
    assert it.heard.of("head") == [["", 7, None, "trades"]]


def test_the_high_water_mark_is_asked_and_told_per_channel(mt5):
    it = mt5()
    assert it.conversation.ask_head(10)
    it.hear({"type": "head", "heads": {"EURUSD": {"seq": 99, "boot_id": "T1"}}})
    assert it.heard.of("head") == [["EURUSD", 99, "T1", "stream"]]


def test_an_ignored_message_is_nothing_and_an_unknown_one_is_malformed(mt5):
    it = mt5()
    it.hear({"type": "status", "feed": "stale"})
    assert it.heard.of("malformed") == []
    it.hear({"type": "surprise"})
    it.hear([1])
    it.hear(b"{")
    assert len(it.heard.of("malformed")) == 3


def test_an_error_during_the_opening_fails_it(converse):
    it = converse(MT5, account={"account": "1001"})
    it.hear({"type": "error"})
    assert len(it.heard.of("failed")) == 1


def test_the_plan_learns_from_the_protocol_what_streams_and_requests_it_has():
    made = protocol(MT5)
    assert made.requests == ("request",)
    (stream,) = made.streams
    assert (stream.name, stream.has_epoch, stream.has_sent_at, stream.resumes) == ("stream", True, True, False)
    assert made.has_heads


# ---- requests and replies in order

IN_ORDER = "{request: {send: {type: ping}, reply: {type: pong}}, error: {match: {type: error}}}"


def test_without_an_id_replies_match_in_order_and_a_request_that_timed_out_keeps_its_place(converse):
    it = converse(IN_ORDER)
    for token in (1, 2):
        it.conversation.request(token, 0, token)
    it.hear({"type": "pong"}, after=60 * SECOND)
    assert it.heard.of("replied") == [[1, True]]


def test_a_reconnect_clears_the_queue(talk):
    made = protocol(IN_ORDER)
    before = talk(made)
    before.conversation.request(1, 0, 1)
    it = talk(made, previous=before.conversation)
    it.conversation.request(2, 0, 2)
    it.hear({"type": "pong"})
    assert it.heard.of("replied") == [[2, True]]


def test_an_error_without_an_id_answers_the_oldest_request(converse):
    it = converse(IN_ORDER)
    it.conversation.request(1, 0, 1)
    it.hear({"type": "error"})
    it.hear({"type": "error"})
    assert it.heard.of("replied") == [[1, False]]
    assert len(it.heard.of("malformed")) == 1


def test_a_requests_own_reply_wins_over_an_error(converse):
    it = converse("{request: {send: {q: 1}, reply: {ok: false}}, error: {match: {ok: false}}}")
    it.conversation.request(1, 0, 1)
    it.hear({"ok": False})
    assert it.heard.of("replied") == [[1, True]]


def test_an_id_inside_a_longer_text_is_found_again(converse):
    it = converse('{request: {send: {id: "req-{id}"}, reply: {id: "req-{id}"}}}')
    it.conversation.request(12, 0, 1)
    assert it.heard.last_sent == {"id": "req-12"}
    it.hear({"id": "req-12"})
    assert it.heard.of("replied") == [[12, True]]


def test_weights_share_the_slots_and_a_slot_has_its_request_whether_sent_or_not():
    made = protocol(
        """
        requests:
          - {name: rare, weight: 10, send: {a: 1}, reply: {a: 1}}
          - {name: often, weight: 30, send: {b: 1}, reply: {b: 1}}
        """
    )
    picks = [made.pick(5, k) for k in range(8)]
    assert made.requests == ("rare", "often")
    assert sorted(picks) == [0, 0] + [1] * 6
    assert picks == [made.pick(5, k) for k in range(8)]


# ---- patterns and placeholders


def test_keys_of_a_pattern_are_paths_and_integers_index_lists(converse):
    it = converse('{open: [{expect: {"a.list.1.b": 2, nested: {deep: x}}}]}')
    it.hear({"a": {"list": [0, {"b": 3}]}, "nested": {"deep": "x"}})
    assert it.heard.of("opened") == []
    it.hear({"a": {"list": [0, {"b": 2, "c": 0}]}, "nested": {"deep": "x", "more": 1}})
    assert it.heard.of("opened") == [[]]


def test_null_in_a_pattern_is_present_and_null(converse):
    it = converse("{open: [{expect: {error: null}}]}")
    it.hear({"ok": 1})
    it.hear({"error": 0})
    assert it.heard.of("opened") == []
    it.hear({"error": None})
    assert it.heard.of("opened") == [[]]


def test_true_is_not_one(converse):
    it = converse("{open: [{expect: {ok: true}}]}")
    it.hear({"ok": 1})
    assert it.heard.of("opened") == []


def test_placeholders_alone_keep_their_type_and_doubled_braces_are_literal(converse):
    it = converse(
        'open: [{send: {i: "{index}", text: "n{index}", literal: "{{index}}", "{index}": 1, at: "{unix_ms}"}}]',
        clocks=UNIX,
    )
    assert it.heard.last_sent == {
        "i": 3,
        "text": "n3",
        "literal": "{index}",
        "{index}": 1,
        "at": 1_700_000_000_000,
    }


def test_what_a_reply_captures_can_be_sent(converse):
    it = converse('open: [{expect: {nonce: "{nonce}"}}, {send: {answer: "{nonce}"}}]')
    it.hear({"nonce": [1, "a"]})
    assert it.heard.last_sent == {"answer": [1, "a"]}


def test_the_server_may_ask_at_any_time(converse):
    it = converse(
        'answer: [{match: {type: challenge, n: "{n}"}, send: {type: response, n: "{n}"}}]',
    )
    it.hear({"type": "challenge", "n": 9})
    assert it.heard.last_sent == {"type": "response", "n": 9}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('request: {send: {id: "{ide}"}, reply: {}}', "unknown {ide}"),
        ("request: {send: {id: {id}}, reply: {}}", 'in quotes: "{id}"'),
        ("request: {send: {a: 1}, reply: {id: {id}}}", 'in quotes: "{id}"'),
        ('request: {send: {id: "{id}"}, reply: {id: "{ide}"}}', "unknown {ide}"),
        ('{encoding: text, open: [{expect: "("}]}', "not a regular expression"),
        ('{encoding: binary, open: [{send: {hex: "c0 0"}}]}', "not hexadecimal"),
        ('path: "/{nobody}"', "unknown {nobody}"),
    ],
)
def test_what_cannot_work_is_refused_with_the_remedy(text, says):
    with pytest.raises(UsageError, match=None) as caught:
        protocol(text)
    assert says in str(caught.value)


def test_path_query_and_headers_are_filled_in_for_each_client():
    made = protocol('{path: "/ws/{index}", query: {who: "{account.name} x"}, headers: {X-Client: "{client}"}}')
    shake = made.handshake(ClientIdentity("g-3", 3, "g", {"name": "ann"}))
    assert shake.url("ws://host:1/old") == "ws://host:1/ws/3?who=ann+x"
    assert shake.headers == {"X-Client": "g-3"}


# ---- streams


def test_a_message_may_carry_several_numbers(converse):
    it = converse("stream: {match: {e: depth}, channel: s, seq: {first: data.U, last: data.u}}")
    it.hear({"e": "depth", "s": "BTC", "data": {"U": 5, "u": 8}})
    assert it.heard.of("pushed") == [["BTC", 5, 8, None, None, "stream"]]


def test_a_stream_without_numbers_is_counted_without_them(converse):
    it = converse("stream: {match: {type: news}}", channels=("front",))
    it.hear({"type": "news"})
    assert it.heard.of("pushed") == [["front", -1, -1, None, None, "stream"]]


def test_a_number_may_stand_at_a_fixed_place_of_a_binary_message(converse):
    it = converse('{encoding: binary, stream: {match: {hex: "c0"}, seq: {at: 1, size: 4, endian: little}}}')
    it.hear(bytes.fromhex("c0 2a 00 00 00 ff"))
    it.hear(bytes.fromhex("c0 2a"))
    assert [pushed[1:3] for pushed in it.heard.of("pushed")] == [[42, 42]]
    assert len(it.heard.of("malformed")) == 1


def test_streams_are_told_apart_by_their_patterns(converse):
    it = converse("streams: {a: {match: {type: a}, seq: n}, b: {match: {type: b, kind: x}, seq: n}}")
    it.hear({"type": "b", "kind": "x", "n": 1})
    it.hear({"type": "a", "n": 2})
    it.hear({"type": "b", "kind": "y", "n": 3})
    assert [(pushed[5], pushed[1]) for pushed in it.heard.of("pushed")] == [("b", 1), ("a", 2)]
    assert len(it.heard.of("malformed")) == 1


def test_text_is_matched_by_expressions_whose_groups_are_fields(converse):
    it = converse(
        r"""
        encoding: text
        json: [body]
        stream: {match: '^42(?P<body>\[.*)$', channel: body.0, seq: body.1.seq}
        """
    )
    it.hear(b'42["tick",{"seq":7}]')
    assert it.heard.of("pushed") == [["tick", 7, 7, None, None, "stream"]]


def test_text_replies_are_matched_by_the_id_that_was_sent(converse):
    it = converse(r"{encoding: text, request: {send: 'PING {id}', reply: '^PONG {id}$'}}")
    it.conversation.request(31, 0, 1)
    assert it.heard.sent[-1] == b"PING 31"
    it.hear(b"PONG 31")
    assert it.heard.of("replied") == [[31, True]]


def test_messages_are_split_within_and_across_frames(converse):
    it = converse('{encoding: text, split: "\\r\\n", stream: {match: "n=(?P<n>[0-9]+)", seq: n}}')
    it.hear(b"n=1\r\nn=2\r\nn=")
    it.hear(b"3\r\n")
    assert [pushed[1] for pushed in it.heard.of("pushed")] == [1, 2, 3]


# ---- time


def test_a_step_without_an_answer_fails_at_its_own_deadline(converse):
    it = converse("open: [{send: {a: 1}, expect: {b: 1}, within: 2s}]")
    assert it.conversation.wake_at == 2 * SECOND
    it.conversation.wake(2 * SECOND)
    assert it.heard.of("failed")[0][0].startswith("deadline")


KEEPALIVE = "keepalive: {every: 30s, send: {type: hb}, expect: {type: hb_ok}, within: 5s}"


def test_a_keepalive_is_sent_when_it_is_due_and_its_answer_is_no_push(converse):
    it = converse(KEEPALIVE)
    assert it.conversation.wake_at == 30 * SECOND
    it.conversation.wake(30 * SECOND)
    assert it.heard.last_sent == {"type": "hb"}
    assert it.conversation.wake_at == 35 * SECOND
    it.now = 31 * SECOND
    it.hear({"type": "hb_ok"})
    assert it.conversation.wake_at == 60 * SECOND
    assert it.heard.of("failed") == []


def test_a_keepalive_without_an_answer_ends_the_session(converse):
    it = converse(KEEPALIVE)
    it.conversation.wake(30 * SECOND)
    it.conversation.wake(35 * SECOND)
    assert it.heard.of("failed")[0][0].startswith("deadline")


def test_keepalives_that_come_faster_than_their_answer_may_still_notice_a_dead_server(converse):
    it = converse("keepalive: {every: 1s, send: {type: hb}, expect: {type: hb_ok}, within: 5s}")
    woken = 0
    while not it.heard.of("failed"):
        woken = it.conversation.wake_at
        it.conversation.wake(woken)
    assert woken == 6 * SECOND, "5 s after the first beat"


def test_a_reply_answers_the_oldest_of_all_requests_whose_replies_look_alike(converse):
    alike = "requests: [{name: a, send: {q: a}, reply: {type: pong}}, {name: b, send: {q: b}, reply: {type: pong}}]"
    it = converse(alike)
    it.conversation.request(1, 1, 1)
    it.conversation.request(2, 0, 2)
    it.hear({"type": "pong"})
    it.hear({"type": "pong"})
    assert it.heard.of("replied") == [[1, True], [2, True]]


def test_a_client_that_returns_asks_for_what_it_missed(talk):
    made = protocol(
        '{stream: {match: {type: t}, seq: n}, resume: {send: {type: resume, from: "{last_seq}"}, expect: {type: ok}}}'
    )
    before = talk(made)
    assert before.heard.sent == []
    before.hear({"type": "t", "n": 17})
    it = talk(made, previous=before.conversation)
    assert it.heard.last_sent == {"type": "resume", "from": 17}
    assert it.heard.of("opened") == []
    it.hear({"type": "ok"})
    assert it.heard.of("opened") == [[]]


def test_the_closing_conversation_is_held_before_the_client_leaves(converse):
    it = converse("close: [{send: {type: bye}, expect: {type: bye_ok}, within: 1s}]")
    it.conversation.finish(5)
    assert it.heard.last_sent == {"type": "bye"}
    assert it.heard.of("finished") == []
    it.hear({"type": "bye_ok"})
    assert it.heard.of("finished") == [[]]


def test_a_server_that_does_not_say_goodbye_is_left_all_the_same(converse):
    it = converse("close: [{send: {type: bye}, expect: {type: bye_ok}, within: 1s}]")
    it.conversation.finish(0)
    it.conversation.wake(SECOND)
    assert it.heard.of("finished") == [[]]
