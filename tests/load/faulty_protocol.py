"""A protocol whose conversation raises at the third request, for the worker to live through."""

from __future__ import annotations

from chaosrun.protocols._base import Conversation, Protocol


class FaultyConversation(Conversation):
    __slots__ = ("asked",)

    def start(self, now):
        self.asked = 0
        self.sink.opened()

    def receive(self, data, binary, now):
        raise RuntimeError("cannot read")

    def request(self, token, which, now):
        self.asked += 1
        if self.asked == 3:
            raise RuntimeError("cannot ask")
        return True


class Faulty(Protocol):
    def conversation(self, identity, sink, clocks, previous=None):
        return FaultyConversation(identity, sink, clocks)
