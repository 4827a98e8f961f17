"""A captured session becomes a script that says the same at the same pace."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from chaosrun.errors import UsageError
from chaosrun.protocols import find
from chaosrun.spec.protocol import Protocol
from chaosrun.spec.replay import played

LOGIN = '{"type": "login", "token": "abc{1}", "inner": {"deep": "abc{1}"}}'


def archive(folder: Path, *sessions: tuple[str, list[tuple[str, float, int, str]]]) -> Path:
    entries: list[dict[str, Any]] = [{"request": {"url": "https://shop.example/app.js"}, "time": 1}]
    for url, messages in sessions:
        told = [{"type": kind, "time": t, "opcode": opcode, "data": data} for kind, t, opcode, data in messages]
        entries.append(
            {"request": {"url": url, "method": "GET"}, "_webSocketMessages": told, "_resourceType": "websocket"}
        )
    path = folder / "session.har"
    path.write_text(json.dumps({"log": {"version": "1.2", "entries": entries}}))
    return path


def replay(har: Path, **keys: Any) -> Protocol:
    return Protocol.model_validate({"replay": {"har": str(har)} | keys.pop("replay", {})} | keys)


MARKET = (
    "wss://shop.example/ws/market%20a?token=mine",
    [
        ("receive", 100.0, 1, '{"type":"hello"}'),
        ("send", 100.25, 1, LOGIN),
        ("receive", 100.3, 1, '{"type":"tick"}'),
        ("send", 102.0, 1, "{ not  json}"),
    ],
)


def test_what_was_sent_is_sent_again_byte_for_byte_and_as_long_after_the_one_before(tmp_path: Path) -> None:
    made = played(replay(archive(tmp_path, MARKET)))
    assert made.session is not None
    assert [turn.think for turn in made.session.steps] == [250_000_000, 1_750_000_000]
    assert [bytes.fromhex(turn.send["hex"]).decode() for turn in made.session.steps] == [LOGIN, "{ not  json}"]
    assert (made.path, made.frame) == ("/ws/market a", "text")
    assert made.query == {}, "what it was asked with may be somebody's secret"


def test_a_text_that_is_replaced_is_a_placeholder_and_all_else_is_literal(tmp_path: Path) -> None:
    made = played(replay(archive(tmp_path, MARKET), replay={"replace": {"abc{1}": "{account.token}"}}))
    assert made.session is not None
    token = "{account.token}"
    assert made.session.steps[0].send == {"type": "login", "token": token, "inner": {"deep": token}}
    assert set(made.session.steps[1].send) == {"hex"}, "what holds none of it stays as it was"
    as_text = replay(archive(tmp_path, MARKET), replay={"replace": {"abc{1}": "{account.token}"}}, encoding="text")
    sent = (played(as_text).session or pytest.fail()).steps[0].send
    assert sent == LOGIN.replace("{", "{{").replace("}", "}}").replace("abc{{1}}", token)


def test_binary_messages_are_binary_again(tmp_path: Path) -> None:
    data = base64.b64encode(b"\x00\xff").decode()
    made = played(replay(archive(tmp_path, ("ws://a/b", [("send", 1.0, 2, data)])), encoding="binary"))
    assert made.session is not None
    assert made.session.steps[0].send == {"hex": "00ff"}
    assert made.frame == "binary"


def test_what_comes_is_counted_unless_the_protocol_says_what_it_is(tmp_path: Path) -> None:
    har = archive(tmp_path, MARKET)
    assert find(played(replay(har)).wire()).streams[0].order == "none"
    own = replay(har, stream={"match": {"type": "tick"}, "seq": "n"})
    assert [stream.order for stream in find(played(own).wire()).streams] == ["contiguous"]


def test_one_of_several_connections_is_named_by_a_part_of_its_address(tmp_path: Path) -> None:
    har = archive(tmp_path, MARKET, ("wss://shop.example/ws/alerts", [("send", 1.0, 1, "x")]), ("ws://a/quiet", []))
    with pytest.raises(UsageError, match=r"2 WebSocket connections; name one by `url`.*: /ws/alerts, /ws/market%20a"):
        played(replay(har))
    assert played(replay(har, replay={"url": "/ws/alerts"})).path == "/ws/alerts"
    with pytest.raises(UsageError, match="no WebSocket connection to an address with 'nowhere' sent anything"):
        played(replay(har, replay={"url": "nowhere"}))


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([("send", 1.0, 1, "a"), ("send", 1.0, 2, "AA==")], "mixed"),
        ([("send", 1.0, 2, "not base64!")], "base64"),
        ([], "no WebSocket connection sent anything"),
    ],
)
def test_what_cannot_be_sent_again_is_told(tmp_path: Path, messages: list[Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        played(replay(archive(tmp_path, ("ws://a/b", messages))))


@pytest.mark.parametrize(("text", "why"), [("[]", "no HTTP Archive"), ("{", "no HTTP Archive"), (None, "no such file")])
def test_a_file_that_is_no_archive_is_told(tmp_path: Path, text: str | None, why: str) -> None:
    path = tmp_path / "session.har"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=why):
        played(replay(path))


def test_an_archive_is_found_beside_the_file_that_names_it(tmp_path: Path, load) -> None:
    (tmp_path / "parts").mkdir()
    archive(tmp_path / "parts", MARKET)
    (tmp_path / "parts" / "market.yaml").write_text("replay: session.har\n")
    loaded = load(
        "title: t\nsteady_state: {load: {users: {protocol: parts/market.yaml, clients: 10}}}\n"
        "target: {url: 'ws://localhost:1'}\n",
        base="",
    )
    protocol = loaded.experiment.steady_state.load["users"].protocol
    assert isinstance(protocol, Protocol)
    assert played(protocol).path == "/ws/market a"
