"""A sink that remembers what a conversation told it, and clients for it to speak for."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from chaosrun.protocols._base import ClientIdentity, Clocks, Conversation, Protocol

NO_CLOCKS = Clocks()


@dataclass
class Heard:
    """Everything in order, as (what, *arguments); what was sent also apart."""

    events: list[tuple[Any, ...]] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    connected: bool = True

    def send(self, data: bytes, binary: bool) -> bool:
        if self.connected:
            self.sent.append(data)
        return self.connected

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.events.append((name, *arguments))

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [arguments for what, *arguments in map(list, self.events) if what == name]

    @property
    def last_sent(self) -> Any:
        return json.loads(self.sent[-1])


@dataclass
class Talk:
    """A conversation with the server's part played by the test."""

    conversation: Conversation
    heard: Heard
    now: int = 0

    def hear(self, message: Any, after: int = 1) -> None:
        """The server says `message`: bytes as they are, anything else as JSON."""
        self.now += after
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.conversation.receive(memoryview(data), False, self.now)


@pytest.fixture
def talk():
    def begin(
        protocol: Protocol, *, previous: Conversation | None = None, clocks: Clocks = NO_CLOCKS, **identity: Any
    ) -> Talk:
        who = ClientIdentity(**{"name": "accounts-3", "index": 3, "group": "accounts"} | identity)
        heard = Heard()
        conversation = protocol.conversation(who, heard, clocks, previous)
        conversation.start(0)
        return Talk(conversation, heard)

    return begin
