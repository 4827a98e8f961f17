"""A protocol with a defect, whose error holds the password of an account."""

from __future__ import annotations

from chaosrun.protocols._base import Conversation, Protocol


class Silent(Conversation):
    def start(self, now):
        self.sink.opened()

    def receive(self, data, binary, now):
        pass

    def request(self, token, which, now):
        return True


class Leaky(Protocol):
    requests = ("request",)

    def __init__(self):
        self.accounts = []

    def pick(self, client, k):
        if not self.accounts:
            return 0
        raise RuntimeError(f"no idea what to ask as {self.accounts}")

    def conversation(self, identity, sink, clocks, previous=None):
        self.accounts.append(identity.account)
        return Silent(identity, sink, clocks)
