"""The agent platform: every message of it, and what it makes of wrong ones."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from mt5_programs import Launch
from talking import Served, client


@pytest.fixture
def served(launch: Launch, tmp_path: Path) -> Served:
    return Served(launch, "agents", tmp_path, "--rate", 50)


def test_an_agent_answers_who_asked_and_passes_time_and_data_through_as_they_came(served: Served) -> None:
    async def scenario() -> None:
        async with client(served.url()) as user:
            for timestamp, data in ((1763700000123, {"a": [1, None]}), ("2025-11-21T04:40:00Z", "x"), (1.5, None)):
                payload = {"action": "analyze", "timestamp": timestamp, "data": data}
                asked = {"type": "agent_message", "from": "user-1", "to": "planner", "payload": payload}
                assert await user.answer("agent_response", **asked) == {
                    "type": "agent_response",
                    "from": "planner",
                    "to": "user-1",
                    "payload": {"status": "processed", "action": "analyze", "data": data},
                    "timestamp": timestamp,
                }

    asyncio.run(scenario())


def test_answers_come_in_the_order_of_the_messages(served: Served) -> None:
    async def scenario() -> None:
        async with client(served.url()) as user:
            for number in range(20):
                payload = {"action": "a", "timestamp": number}
                await user.send(type="agent_message", **{"from": "me", "to": "worker"}, payload=payload)
                await user.send(type="ping")
            for number in range(20):
                assert (await user.hear("agent_response"))["timestamp"] == number
                assert await user.hear("pong") == {"type": "pong"}

    asyncio.run(scenario())


def test_only_who_has_subscribed_gets_events_until_it_unsubscribes(served: Served) -> None:
    async def scenario() -> None:
        async with client(served.url()) as user:
            for channel in ("agents", "metrics"):
                assert (await user.answer("subscribed", type="subscribe", channel=channel))["channel"] == channel
            while {each["channel"] for each in user.heard if each["type"] == "event"} != {"agents", "metrics"}:
                await user.hear("event")
            assert (await user.answer("unsubscribed", type="unsubscribe", channel="agents"))["channel"] == "agents"
            before = len(user.heard)
            for _ in range(3):
                await user.hear("event")
            assert {each["channel"] for each in user.heard[before:]} == {"metrics"}
            assert "not subscribed" in (await user.answer("error", type="unsubscribe", channel="agents"))["error"]
            assert await user.answer("disconnect_ack", type="disconnect") == {"type": "disconnect_ack"}

    asyncio.run(scenario())


BAD: list[dict[str, object]] = [
    {"type": "subscribe"},
    {"type": "subscribe", "channel": "news"},
    {"type": "agent_message", "from": "a", "to": "b"},
    {"type": "agent_message", "from": "a", "payload": {"action": "x", "timestamp": 1}},
    {"type": "agent_message", "from": "a", "to": "b", "payload": {"timestamp": 1}},
    {"type": "agent_response"},
    {},
]


def test_what_is_wrong_gets_an_error_and_the_next_message_an_answer(served: Served) -> None:
    async def scenario() -> None:
        async with client(served.url()) as user:
            for bad in BAD:
                assert (await user.answer("error", **bad))["error"]
                await user.answer("pong", type="ping")

    asyncio.run(scenario())
    assert served.count("agents_errors_total") == len(BAD)
