"""A service that publishes by itself: its channels, who has subscribed to them, and its log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from chaosrun.reference import _program
from chaosrun.reference._connection import Connection
from chaosrun.reference._counts import Family, counters
from chaosrun.reference._misbehaviour import Misbehaviour
from chaosrun.reference._published import PublishedLog
from chaosrun.reference._site import Site
from chaosrun.reference._wire import Mark


@dataclass(eq=False)
class Channel:
    """What is published under one name, numbered from 1 in each epoch."""

    name: str
    epoch: str
    seq: int = 0
    published: int = 0
    """In all epochs."""
    subscribers: set[Connection] = field(default_factory=set)

    @property
    def head(self) -> Mark:
        return Mark(self.seq, self.epoch)

    def next(self) -> Mark:
        """The next publication's number."""
        self.seq += 1
        self.published += 1
        return self.head


class Publication(NamedTuple):
    channel: Channel
    mark: Mark
    """Its own, which is not the channel's newest where several are published at once."""
    message: msgspec.Struct


class Publisher(Site):
    def __init__(
        self,
        channels: Iterable[str],
        events: _program.EventLog,
        misbehaviour: Misbehaviour,
        log: PublishedLog | None,
    ) -> None:
        super().__init__(events, misbehaviour)
        self.channels = {name: Channel(name, self.boot_id) for name in channels}
        self._log = log

    def publish(self, publications: list[Publication], now_ns: int) -> None:
        """Sends messages that have just been numbered, in order, each to all that have subscribed to its channel."""
        if self._log is not None:
            self._log.write(((channel.name, mark.seq, mark.boot_id) for channel, mark, _ in publications), now_ns)
        for channel, mark, message in publications:
            self.push(channel.subscribers, msgspec.json.encode(message), mark.seq)

    def subscribe(self, connection: Connection, channel: Channel, told: msgspec.Struct) -> None:
        """Enters a client, and tells it so: what it gets next is the publication after the head of this moment."""
        # Both without a pause in between.
        self.reply(connection, told)
        channel.subscribers.add(connection)

    def farewell(self, connection: Connection) -> None:
        for channel in self.channels.values():
            channel.subscribers.discard(connection)

    def families(self) -> Iterable[Family]:
        published = {name: channel.published for name, channel in self.channels.items()}
        return (counters("published_total", "Messages published.", "channel", published),)
