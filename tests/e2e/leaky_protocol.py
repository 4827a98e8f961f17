"""A protocol with a defect, whose error holds the password of an account."""

from __future__ import annotations

from chaosrun.protocols._base import Conversation, Protocol


class Lost(Conversation):
    def start(self, now):
        self.sink.opened()

    def receive(self, data, binary, now):
        raise RuntimeError(f"no idea what {self.identity.account} means")

    def request(self, token, which, now):
        raise RuntimeError(f"no idea what to ask as {self.identity.account}")


class Leaky(Protocol):
    requests = ("request",)

    def conversation(self, identity, sink, clocks, previous=None):
        return Lost(identity, sink, clocks)
