"""Conversations that are told anything at all: nothing raises, and nothing that is passed on could not be recorded."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosrun.protocols import find
from chaosrun.protocols._base import ClientIdentity, Clocks, Conversation, Protocol
from chaosrun.protocols._dialogue import LARGEST_CAPTURE, LONGEST_PIECE, MOST_REMEMBERED
from chaosrun.protocols._values import FAREST_NS, LARGEST, LONGEST_NAME, integer, name, nanoseconds
from chaosrun.protocols.yaml import YamlProtocol
from chaosrun.spec.protocol import Protocol as Model

WHO = ClientIdentity("c-0", 0, "c", {"token": "t"}, ("A", "B"))
CLOCKS = Clocks(5_000_000_000, 1_763_700_000_000_000_000)


class Checked:
    """A sink that holds every word that it is told against what a journal and its rows can take."""

    def __init__(self) -> None:
        self.replied_to: list[int] = []
        self.pushes: list[tuple[Any, ...]] = []
        self.complaints: list[str] = []
        self.ended = False

    def send(self, data: bytes, binary: bool) -> bool:
        assert isinstance(data, bytes)
        return not self.ended

    def opened(self) -> None: ...

    def finished(self) -> None: ...

    def failed(self, why: str) -> None:
        assert isinstance(why, str)

    def malformed(self, why: str) -> None:
        assert isinstance(why, str)
        self.complaints.append(why)

    def subscribed(self, channel: str, head: int | None, epoch: str | None, stream: str) -> None:
        self._named(channel, epoch)
        assert head is None or abs(head) <= LARGEST

    def head(self, channel: str, seq: int, epoch: str | None, stream: str) -> None:
        self._named(channel, epoch)
        assert type(seq) is int and abs(seq) <= LARGEST

    def replied(self, token: int, ok: bool) -> None:
        assert type(token) is int and type(ok) is bool
        self.replied_to.append(token)

    def pushed(self, channel: str, first: int, last: int, sent_at: int | None, epoch: str | None, stream: str) -> None:
        self._named(channel, epoch)
        assert type(first) is int and type(last) is int
        assert max(abs(first), abs(last)) <= LARGEST
        assert sent_at is None or (type(sent_at) is int and abs(sent_at) < FAREST_NS + 2 * 10**18)
        self.pushes.append((channel, first, last, sent_at, epoch))

    def _named(self, channel: str, epoch: str | None) -> None:
        assert type(channel) is str and len(channel) <= LONGEST_NAME
        assert epoch is None or (type(epoch) is str and len(epoch) <= LONGEST_NAME)


def begin(protocol: Protocol) -> tuple[Conversation, Checked]:
    sink = Checked()
    conversation = protocol.conversation(WHO, sink, CLOCKS)
    conversation.start(0)
    return conversation, sink


def declared(**changes: Any) -> YamlProtocol:
    written: dict[str, Any] = {
        "open": [{"send": {"type": "auth"}, "expect": {"type": "auth_ok", "session": "{session}"}}],
        "request": {
            "send": {"type": "ping", "id": "{id}", "session": "{session}"},
            "reply": {"type": "pong", "id": "{id}"},
        },
        "stream": {
            "match": {"type": "tick"},
            "channel": "symbol",
            "seq": {"first": "data.U", "last": "data.u"},
            "epoch": "boot",
            "sent_at": {"field": "ts", "unit": "s", "clock": "unix"},
        },
        "answer": [{"match": {"type": "challenge", "nonce": "{nonce}"}, "send": {"nonce": "{nonce}"}}],
        "high_water": {"send": {"type": "head"}, "reply": {"type": "head"}, "seq": "heads.{channel}"},
        "error": {"match": {"type": "error"}},
    } | changes
    return YamlProtocol(Model.model_validate({key: value for key, value in written.items() if value is not None}))


def binary(seq: dict[str, Any], **changes: Any) -> YamlProtocol:
    """A stream of bytes, numbered by some of them, and nothing else."""
    nothing_else = dict.fromkeys(("open", "answer", "high_water", "error"))
    stream = {"match": "", "seq": seq}
    return declared(
        encoding="binary", request={"send": "ping", "reply": "pong"}, stream=stream, **nothing_else, **changes
    )


def opened(**changes: Any) -> tuple[Conversation, Checked]:
    conversation, sink = begin(declared(**changes))
    conversation.receive(b'{"type":"auth_ok","session":"s"}', False, 1)
    return conversation, sink


WILD = [
    2**63 - 1, 2**63, 2**64, -(2**63), -(2**64), 10**400, 0, -1, 1.5, -0.0, 1e308, 5e-324,
    "", "7", "-7", "\u0667", "\u00b2", "9" * 5000, "nan", "inf", "1e999", "1_0", "\x00", "\x1b[2J", "\u202e", "x" * 300,
    True, False, None, [], {}, [[]], {"": {"": 0}},
]  # fmt: skip
value = st.sampled_from(WILD) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
kind = st.sampled_from(["tick", "pong", "auth_ok", "subscribed", "head", "error", "status", "challenge"]) | value
FIELDS = ("id", "symbol", "seq", "boot_id", "boot", "bid", "ask", "ts", "error", "channels", "nonce", "session")
message = st.fixed_dictionaries(
    {"type": kind},
    optional=dict.fromkeys(FIELDS, value)
    | {
        "data": st.fixed_dictionaries({}, optional={"U": value, "u": value}) | value,
        "heads": st.dictionaries(
            st.sampled_from(["A", "B"]), st.fixed_dictionaries({"seq": value, "boot_id": value}) | value
        )
        | value,
    },
)
said = (
    message.map(lambda given: json.dumps(given, default=str).encode())
    | value.map(lambda given: json.dumps(given).encode())
    | st.binary(max_size=60)
)


frames_of_any_kind = st.lists(said, max_size=8)
FEW = settings(max_examples=20)
MANY = settings(max_examples=300)


def tell_mt5(frames: list[bytes]) -> None:
    opening = [b'{"type":"auth_ok"}', b'{"type":"subscribed","channels":["A"]}']
    for told in (opening + frames, frames):
        conversation, _ = begin(find("mt5"))
        for now, data in enumerate(told, 1):
            conversation.receive(memoryview(data), False, now)
            conversation.request(now, 0, now)
        conversation.ask_head(9)
        for data in frames:
            conversation.receive(memoryview(data), False, 10)
        conversation.wake(10**12)


def tell_declared(frames: list[bytes]) -> None:
    conversation, sink = opened()
    asked = set()
    for now, data in enumerate(frames, 2):
        if conversation.request(now, 0, now):
            asked.add(now)
        conversation.receive(memoryview(data), False, now)
    conversation.ask_head(99)
    for data in frames:
        conversation.receive(memoryview(data), False, 100)
    conversation.wake(10**12)
    conversation.finish(10**12)
    assert set(sink.replied_to) <= asked
    assert len(sink.replied_to) == len(set(sink.replied_to))


@FEW
@given(frames_of_any_kind)
def test_whatever_the_mt5_bridge_says_can_be_recorded(frames: list[bytes]) -> None:
    tell_mt5(frames)


@FEW
@given(frames_of_any_kind)
def test_whatever_a_declared_service_says_can_be_recorded_and_no_reply_counts_twice(frames: list[bytes]) -> None:
    tell_declared(frames)


@pytest.mark.slow
@MANY
@given(frames_of_any_kind)
def test_the_same_of_many_more_messages(frames: list[bytes]) -> None:
    tell_mt5(frames)
    tell_declared(frames)


@FEW
@given(st.lists(st.text(max_size=40) | st.sampled_from(["pong 7", "pong " + "9" * 5000, "tick A \u00b2"]), max_size=8))
def test_whatever_is_said_in_text_can_be_recorded(texts: list[str]) -> None:
    protocol = declared(
        encoding="text",
        open=None,
        request={"send": "ping {id}", "reply": "^pong {id}$"},
        stream={"match": r"^tick (?P<symbol>\S*) (?P<seq>\S+)", "channel": "symbol", "seq": "seq"},
        answer=None,
        high_water=None,
        error=None,
    )
    conversation, sink = begin(protocol)
    conversation.request(7, 0, 1)
    for text in texts:
        conversation.receive(text.encode("utf-8", "surrogatepass"), False, 2)
    assert set(sink.replied_to) <= {7}


@FEW
@given(st.lists(st.binary(max_size=40), max_size=6))
def test_whatever_bytes_come_can_be_recorded(frames: list[bytes]) -> None:
    conversation, _ = begin(binary({"at": 1, "size": 8, "endian": "big"}))
    for data in frames:
        conversation.receive(data, True, 1)


@FEW
@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=6))
def test_messages_are_the_same_however_frames_cut_them(stream: bytes, cuts: list[int]) -> None:
    protocol = binary({"at": 0, "size": 1, "endian": "big"}, split="\r\n")
    whole, at_once = begin(protocol)
    whole.receive(stream, True, 1)
    pieces, in_pieces = begin(protocol)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    for start, end in pairwise(places):
        pieces.receive(stream[start:end], True, 1)
    assert in_pieces.pushes == at_once.pushes
    assert len(at_once.pushes) == sum(bool(piece) for piece in stream.split(b"\r\n")[:-1])


@pytest.mark.parametrize("depth", [2_000, 1_000_000])
@pytest.mark.parametrize("protocol", [find("mt5"), declared()], ids=["mt5", "declared"])
def test_a_message_nested_without_end_is_malformed(protocol: Protocol, depth: int) -> None:
    conversation, sink = begin(protocol)
    conversation.receive(b'{"type":"tick","data":' + b"[" * depth, False, 1)
    conversation.receive(b"[" * depth, False, 1)
    assert len(sink.complaints) == 2


def test_a_message_of_which_no_end_comes_is_dropped_in_linear_time() -> None:
    conversation, sink = begin(declared(encoding="text", split="\n", open=None, stream=None, answer=None,
                                        high_water=None, error=None,
                                        request={"send": "ping", "reply": "pong"}))  # fmt: skip
    piece = b"x" * 1000
    for _ in range(LONGEST_PIECE // len(piece) + 1):
        conversation.receive(piece, False, 1)
    assert [why.split(" in ")[0] for why in sink.complaints] == ["no end of a message"]


def test_what_a_service_has_clients_remember_is_small() -> None:
    conversation, sink = opened()
    conversation.receive(json.dumps({"type": "challenge", "nonce": "x" * LARGEST_CAPTURE}).encode(), False, 2)
    assert "what is captured" in sink.complaints[0]
    for number in range(MOST_REMEMBERED + 10):
        tick = {"type": "tick", "symbol": str(number), "data": {"U": 1, "u": 1}, "ts": 1}
        conversation.receive(json.dumps(tick).encode(), False, 3)
    assert len(sink.pushes) == MOST_REMEMBERED + 10
    assert len(conversation._speech.last_seq) == MOST_REMEMBERED  # type: ignore[attr-defined]


def test_heads_that_nobody_asked_for_are_malformed() -> None:
    conversation, sink = begin(find("mt5"))
    conversation.receive(b'{"type":"head","heads":{"A":{"seq":1,"boot_id":"T"}}}', False, 1)
    assert sink.complaints == ["Heads out of turn"]


@pytest.mark.parametrize(
    ("given", "meant"),
    [(7, 7), ("7", 7), (True, None), (1.0, None), (2**63, None), ("\u00b2", None), ("\u0667", None), ("9" * 5000, None),
     ("", None), (None, None), (-5, -5)],
)  # fmt: skip
def test_an_integer_is_one_that_fits_or_none(given: Any, meant: int | None) -> None:
    assert integer(given) == meant


@pytest.mark.parametrize(
    ("given", "meant"),
    [(1, 1000), (1.5, 1500), ("2", 2000), ("2.5", 2500), (math.inf, None), (math.nan, None), ("nan", None),
     ("1e999", None), (1e300, None), (10**400, None), (True, None), ("x", None), ([], None)],
)  # fmt: skip
def test_a_time_is_one_that_a_clock_can_tell_or_none(given: Any, meant: int | None) -> None:
    assert nanoseconds(given, 1000) == meant


@pytest.mark.parametrize(
    ("given", "meant"),
    [("A", "A"), (7, "7"), (True, "True"), (1.5, "1.5"), ("x" * 256, "x" * 256), ("x" * 257, None), (None, None),
     ({}, None), ([], None), (10**400, None)],
)  # fmt: skip
def test_a_name_is_short_or_none(given: Any, meant: str | None) -> None:
    assert name(given) == meant
