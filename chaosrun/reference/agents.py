"""A stand-in for a platform on which users talk to agents: messages that are answered, and channels with events.

`python -m chaosrun.reference.agents --port 9300`

WebSocket at /ws, GET /healthz and GET /metrics on the same port; the messages are in `agents_wire.py`. An agent does
nothing but say that it is done. What is not understood is answered with an error, and the connection stays open.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from chaosrun.reference import _program, _site, _values, agents_wire
from chaosrun.reference._connection import Connection
from chaosrun.reference._counts import Family, counter
from chaosrun.reference._misbehaviour import Misbehaviour
from chaosrun.reference._published import PublishedLog
from chaosrun.reference._publisher import Channel, Publication, Publisher
from chaosrun.reference._turns import Turns
from chaosrun.reference._wire import Error, HeadQuery, HeadReply, Mark, Subscribe, Subscribed

CHANNELS: Final = ("agents", "metrics")
AGENTS: Final = ("planner", "worker", "reviewer")

_Said = (
    agents_wire.Ping
    | Subscribe
    | agents_wire.Unsubscribe
    | agents_wire.AgentMessage
    | agents_wire.Disconnect
    | HeadQuery
)
_decode = msgspec.json.Decoder(_Said).decode


class Platform(Publisher):
    name = "agents"
    paths = ("/ws",)

    def __init__(
        self, rate: float, events: _program.EventLog, misbehaviour: Misbehaviour, log: PublishedLog | None
    ) -> None:
        super().__init__(CHANNELS, events, misbehaviour, log)
        self._rate = rate
        self.pings = 0
        self.processed = 0

    def hear(self, connection: Connection, data: bytes) -> None:
        try:
            message = _decode(data)
        except msgspec.MsgspecError as error:
            self.reply(connection, Error(f"not understood: {error}"), error=True)
            return
        match message:
            case agents_wire.AgentMessage(sender, to, payload):
                self.processed += 1
                done = agents_wire.Processed(payload.action, payload.data)
                self.reply(connection, agents_wire.AgentResponse(to, sender, done, payload.timestamp))
            case agents_wire.Ping():
                self.pings += 1
                self.reply(connection, agents_wire.Pong())
            case agents_wire.Disconnect():
                self.reply(connection, agents_wire.DisconnectAck())
            case _:
                self._about_channel(connection, message)

    def _about_channel(self, connection: Connection, message: Subscribe | agents_wire.Unsubscribe | HeadQuery) -> None:
        channel = self.channels.get(message.channel)
        if channel is None:
            why = f"no channel {message.channel!r}; known: {', '.join(CHANNELS)}"
            self.reply(connection, Error(why), error=True)
        elif isinstance(message, Subscribe):
            self.subscribe(connection, channel, Subscribed(channel.name, channel.head))
        elif isinstance(message, HeadQuery):
            self.reply(connection, HeadReply(channel.name, channel.seq, channel.epoch))
        elif connection not in channel.subscribers:
            self.reply(connection, Error(f"not subscribed to {channel.name}"), error=True)
        else:
            channel.subscribers.discard(connection)
            self.reply(connection, agents_wire.Unsubscribed(channel.name))

    async def tell(self) -> None:
        """Publishes events on every channel, for ever."""
        turns = Turns(tuple(self.channels.values()), round(1e9 / self._rate), time.monotonic_ns())
        while True:
            now = time.monotonic_ns()
            for channel in turns.due(now):
                mark = channel.next()
                self.publish([Publication(channel, mark, self._event(channel, mark))], now)
            await asyncio.sleep(turns.wait_s(time.monotonic_ns()))

    def _event(self, channel: Channel, mark: Mark) -> agents_wire.Event:
        data: dict[str, str | int]
        if channel.name == "agents":
            data = {"agent": AGENTS[mark.seq % len(AGENTS)], "state": "idle"}
        else:
            data = {"connections": len(self.clients), "processed": self.processed}
        return agents_wire.Event(channel.name, mark.seq, mark.boot_id, time.time_ns() / 1e6, data)

    def families(self) -> Iterable[Family]:
        return (
            *super().families(),
            counter("pings_total", "Pings answered.", self.pings),
            counter("processed_total", "Agent messages answered.", self.processed),
        )


async def main() -> None:
    """The program; options are documented by --help."""
    options = _site.options("A stand-in for an agent platform: requests that are answered, and channels with events")
    options.add_argument("--rate", type=_values.rate, default=0.2, help="events per second and channel")
    options.add_argument("--log", type=Path, help="file of everything published")
    given = options.parse_args()
    log = None if given.log is None else PublishedLog(given.log)
    platform = Platform(given.rate, _program.EventLog(given.events), Misbehaviour.given(given), log)
    await _site.serve(platform, given, platform.tell())


if __name__ == "__main__":
    _program.run(main())
