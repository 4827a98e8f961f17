"""A stand-in for a strategy lab: ticks at a high rate, the progress of backtests, system metrics, parameters.

`python -m chaosrun.reference.strategy_stream --port 9400 --rate 200`

WebSocket at /ws, GET /healthz and GET /metrics on the same port; the messages are in `strategy_wire.py`. A client
subscribes to channels: a symbol, a backtest, or `system`. A tick is encoded once, whoever gets it: a rate of 200 per
symbol is 10,000 messages per second to 50 clients of a symbol each.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from chaosrun.reference import _program, _site, _values
from chaosrun.reference._connection import Connection
from chaosrun.reference._counts import Family, counter
from chaosrun.reference._misbehaviour import Misbehaviour
from chaosrun.reference._prices import Prices
from chaosrun.reference._published import PublishedLog
from chaosrun.reference._publisher import Channel, Publication, Publisher
from chaosrun.reference._turns import Turns
from chaosrun.reference._wire import Error, HeadQuery, HeadReply, Mark, Ping, Pong, Subscribe, Subscribed
from chaosrun.reference.strategy_feeds import Backtest, Usage
from chaosrun.reference.strategy_wire import Parameters, ParametersReply, SetParameters, Tick

SYSTEM: Final = "system"
_METRICS_EVERY_S: Final = 1.0

_decode = msgspec.json.Decoder(Ping | Subscribe | HeadQuery | SetParameters).decode


@dataclass(frozen=True)
class Feeds:
    """What is published, and how fast."""

    symbols: tuple[str, ...]
    rate: float
    """Ticks per second and symbol."""
    backtests: tuple[str, ...]
    steps: int
    """Of a run of a backtest."""
    step_rate: float
    """Steps per second and backtest."""
    seed: int


class Lab(Publisher):
    name = "strategy_stream"
    paths = ("/ws",)

    def __init__(
        self, feeds: Feeds, events: _program.EventLog, misbehaviour: Misbehaviour, log: PublishedLog | None
    ) -> None:
        super().__init__((*feeds.symbols, *feeds.backtests, SYSTEM), events, misbehaviour, log)
        self._feeds = feeds
        self._prices = {symbol: Prices(symbol, feeds.seed) for symbol in feeds.symbols}
        self._backtests = tuple(Backtest(self.channels[name], feeds.steps, self.boot_id) for name in feeds.backtests)
        self.parameters = Parameters()
        self.version = 0

    # ---- clients

    def hear(self, connection: Connection, data: bytes) -> None:
        try:
            message = _decode(data)
        except msgspec.MsgspecError as error:
            self.reply(connection, Error(f"not understood: {error}"), error=True)
            return
        if isinstance(message, Ping):
            self.reply(connection, Pong(message.id, message.sent))
        elif isinstance(message, SetParameters):
            self._set(connection, message)
        elif message.channel not in self.channels:
            why = f"no channel {message.channel!r}; known: {', '.join(self.channels)}"
            self.reply(connection, Error(why), error=True)
        else:
            channel = self.channels[message.channel]
            if isinstance(message, Subscribe):
                self.subscribe(connection, channel, Subscribed(channel.name, channel.head))
            else:
                self.reply(connection, HeadReply(channel.name, channel.seq, channel.epoch))

    def _set(self, connection: Connection, asked: SetParameters) -> None:
        """All that are named, or none of them."""
        try:
            now = msgspec.convert({**msgspec.to_builtins(self.parameters), **asked.parameters}, Parameters)
        except msgspec.ValidationError as error:
            self.reply(connection, Error(str(error), asked.id), error=True)
            return
        self.parameters = now
        self.version += 1
        self.reply(connection, ParametersReply(asked.id, self.version, now))

    # ---- feeds, each for ever

    async def tick(self) -> None:
        feeds = self._feeds
        turns = Turns([self.channels[name] for name in feeds.symbols], round(1e9 / feeds.rate), time.monotonic_ns())
        while True:
            now = time.monotonic_ns()
            unix_ms = time.time_ns() / 1e6
            ticks = [self._tick(channel, unix_ms) for channel in turns.due(now)]
            if ticks:
                self.publish(ticks, now)
            await asyncio.sleep(turns.wait_s(time.monotonic_ns()))

    async def progress(self) -> None:
        turns = Turns(self._backtests, round(1e9 / self._feeds.step_rate), time.monotonic_ns())
        while True:
            now = time.monotonic_ns()
            unix_ms = time.time_ns() / 1e6
            for backtest in turns.due(now):
                told = backtest.step(now, unix_ms)
                self.publish([Publication(backtest.channel, Mark(told.step, told.boot_id), told)], now)
            await asyncio.sleep(turns.wait_s(time.monotonic_ns()))

    async def measure(self) -> None:
        channel = self.channels[SYSTEM]
        usage = Usage(time.monotonic_ns())
        while True:
            await asyncio.sleep(_METRICS_EVERY_S)
            now = time.monotonic_ns()
            told = usage.now(channel, now, time.time_ns() / 1e6)
            self.publish([Publication(channel, Mark(told.seq, told.boot_id), told)], now)

    def _tick(self, channel: Channel, unix_ms: float) -> Publication:
        mark = channel.next()
        bid, ask = self._prices[channel.name].step()
        return Publication(channel, mark, Tick(channel.name, mark.seq, mark.boot_id, bid, ask, unix_ms))

    def families(self) -> Iterable[Family]:
        return (*super().families(), counter("parameters_changed_total", "Changes of parameters.", self.version))


async def main() -> None:
    """The program; options are documented by --help."""
    options = _site.options("A stand-in for a strategy lab: ticks, progress of backtests, metrics, parameters")
    options.add_argument("--symbols", type=_values.symbols, default=("ES", "NQ"), help="as in ES,NQ")
    options.add_argument("--rate", type=_values.rate, default=200.0, help="ticks per second and symbol")
    options.add_argument("--backtests", type=_values.symbols, default=("bt-1",), help="as in bt-1,bt-2")
    options.add_argument("--steps", type=_values.at_least(1), default=1000, help="of a run of a backtest")
    options.add_argument("--step-rate", type=_values.rate, default=100.0, help="steps per second and backtest")
    options.add_argument("--seed", type=_values.seed, default=1, help="of the prices")
    options.add_argument("--log", type=Path, help="file of everything published")
    given = options.parse_args()
    names = (*given.symbols, *given.backtests, SYSTEM)
    if len(set(names)) != len(names):
        options.error(f"symbols and backtests are channels beside {SYSTEM!r}; give each a name of its own")
    feeds = Feeds(given.symbols, given.rate, given.backtests, given.steps, given.step_rate, given.seed)
    log = None if given.log is None else PublishedLog(given.log)
    lab = Lab(feeds, _program.EventLog(given.events), Misbehaviour.given(given), log)
    await _site.serve(lab, given, lab.tick(), lab.progress(), lab.measure())


if __name__ == "__main__":
    _program.run(main())
