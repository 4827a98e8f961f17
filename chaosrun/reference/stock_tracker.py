"""A stand-in for a stock tracker: quotes over WebSocket and REST, from one process.

`python -m chaosrun.reference.stock_tracker --port 9200`

WebSockets at /ws/market, /ws/foreign and /ws/alerts; REST below /api, GET /healthz and GET /metrics on the same port;
the messages are in `stock_wire.py`. Each channel is pushed once in half a second at most, and then as it is at the end
of that time: what happened in between is in no message. A client that does not read has a queue of its own; when it is
full, the oldest message is dropped, which the client sees as a gap in the numbers.

If the environment variable CHAOSRUN_TOKEN is set, every WebSocket must give it as `?token=`.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

import msgspec
from websockets.http11 import Request

from chaosrun.reference import _program, _site, _values
from chaosrun.reference._connection import Connection, Page, json_page
from chaosrun.reference._counts import Family, counter, counters
from chaosrun.reference._misbehaviour import Misbehaviour
from chaosrun.reference._published import PublishedLog
from chaosrun.reference._publisher import Channel, Publication, Publisher
from chaosrun.reference._turns import Turns
from chaosrun.reference._wire import Error, HeadReply, Mark, Ping, Pong
from chaosrun.reference.stock_market import CHANNELS, SYMBOLS, Market
from chaosrun.reference.stock_wire import AlertsPush, ForeignPush, HeadQuery, MarketPush, Pushed, Status

LIMIT_VARIABLE: Final = "WS_MAX_CONNECTIONS_PER_IP"
"""Environment variable with the limit of connections of one address, where the option is not given."""

QUEUE: Final = 50
"""Messages that wait for a client that does not read."""

_PATHS: Final = {f"/ws/{channel}": channel for channel in CHANNELS}
_ALERTS_TOLD: Final = 50
_STATUS_EVERY_S: Final = 10.0

_decode = msgspec.json.Decoder(Ping | HeadQuery).decode


class StockTracker(Publisher):
    """The market, and who looks at what of it."""

    name = "stock_tracker"
    paths = tuple(_PATHS)

    def __init__(
        self,
        given: argparse.Namespace,
        token: str,
        events: _program.EventLog,
        log: PublishedLog | None,
    ) -> None:
        super().__init__(CHANNELS, events, Misbehaviour.given(given), log)
        self._market = Market(given.seed)
        self._rate = given.rate
        self._throttle_s = given.throttle_ms / 1000
        self._limit = given.max_connections_per_ip
        self._send_buffer = given.send_buffer
        self._token = token
        self._channel_of: dict[Connection, Channel] = {}
        self._waiting: dict[Connection, deque[bytes]] = {}
        """Messages of the clients that do not read, oldest first."""
        self._lost: Counter[Connection] = Counter()
        self._by_address: Counter[str] = Counter()
        self._due: set[str] = set()
        """Channels whose next push is on its way."""
        self._alerts_told = 0
        self.dropped = 0
        self.refused: dict[str, int] = {"limit": 0, "token": 0}
        self.requests: Counter[str] = Counter()
        self._pushed: dict[str, Callable[[Mark], Pushed]] = {
            "market": self._market_now,
            "foreign": self._foreign_now,
            "alerts": self._news,
        }
        self._pages: dict[str, Callable[[Request], object]] = {
            "/api/market/snapshot": lambda _: self._market_now(self.channels["market"].head),
            "/api/market/foreign-detail": lambda _: self._foreign_now(self.channels["foreign"].head),
            "/api/vn30-components": lambda _: {"components": SYMBOLS, "count": len(SYMBOLS)},
            "/api/market/alerts": self._newest_alerts,
        }

    # ---- clients

    def admit(self, request: Request, connection: Connection) -> Page | None:
        given = parse_qs(urlsplit(request.path).query).get("token", [""])[0]
        if self._token and not hmac.compare_digest(given.encode(), self._token.encode()):
            self.refused["token"] += 1
            return Page(HTTPStatus.UNAUTHORIZED, b"wrong token\n")
        if self._limit and self._by_address[connection.address] >= self._limit:
            self.refused["limit"] += 1
            self.events.write("limited", address=connection.address)
            return Page(HTTPStatus.TOO_MANY_REQUESTS, f"at most {self._limit} connections of one address\n".encode())
        return None

    def welcome(self, connection: Connection, request: Request) -> None:
        channel = self.channels[_PATHS[request.path.partition("?")[0]]]
        self._by_address[connection.address] += 1
        self._channel_of[connection] = channel
        self._waiting[connection] = deque()
        connection.hold_little(self._send_buffer)
        self.subscribe(connection, channel, Status("connected", channel.name, channel.head))

    def about(self, connection: Connection) -> Mapping[str, str | int | None]:
        return {"channel": self._channel_of[connection].name, "lost": self._lost[connection]}

    def farewell(self, connection: Connection) -> None:
        self._channel_of.pop(connection).subscribers.discard(connection)
        self._by_address[connection.address] -= 1
        del self._waiting[connection], self._lost[connection]

    def hear(self, connection: Connection, data: bytes) -> None:
        channel = self._channel_of[connection]
        try:
            message = _decode(data)
        except msgspec.MsgspecError as error:
            self.reply(connection, Error(f"not understood: {error}"), error=True)
            return
        if isinstance(message, Ping):
            self.reply(connection, Pong(message.id, message.sent))
        else:
            self.reply(connection, HeadReply(channel.name, channel.seq, channel.epoch))

    def deliver(self, connections: Iterable[Connection], frame: bytes) -> None:
        for connection in connections:
            waiting = self._waiting.get(connection)
            if connection.writable and not waiting:
                connection.send(frame)
            elif waiting is not None:
                waiting.append(frame)
                if len(waiting) > QUEUE:
                    waiting.popleft()
                    self._count_drop(connection)

    def drained(self, connection: Connection) -> None:
        waiting = self._waiting.get(connection)
        while waiting and connection.writable:
            connection.send(waiting.popleft())

    def _count_drop(self, connection: Connection) -> None:
        self.dropped += 1
        self._lost[connection] += 1
        if self._lost[connection] == 1:
            self.events.write("dropping", conn=connection.number, channel=self._channel_of[connection].name)

    # ---- the market

    async def trade(self) -> None:
        """Trades, for ever; what has news is pushed when its time is over."""
        loop = asyncio.get_running_loop()
        turns = Turns((self._market,), round(1e9 / self._rate), time.monotonic_ns())
        while True:
            for market in turns.due(time.monotonic_ns()):
                for name in market.trade():
                    if name not in self._due:
                        self._due.add(name)
                        loop.call_later(self._throttle_s, self._publish, name)
            await asyncio.sleep(turns.wait_s(time.monotonic_ns()))

    async def tell_status(self) -> None:
        """Tells every client, for ever, that the market is open."""
        while True:
            await asyncio.sleep(_STATUS_EVERY_S)
            for channel in self.channels.values():
                self.push(channel.subscribers, msgspec.json.encode(Status("open", channel.name)))

    def _publish(self, name: str) -> None:
        self._due.discard(name)
        channel = self.channels[name]
        mark = channel.next()
        self.publish([Publication(channel, mark, self._pushed[name](mark))], time.monotonic_ns())

    def _market_now(self, mark: Mark) -> MarketPush:
        return MarketPush(
            channel="market",
            seq=mark.seq,
            boot_id=mark.boot_id,
            ts=_now(),
            quotes=self._market.quotes,
            indices=self._market.indices(),
            foreign=self._market.foreign,
            derivatives=self._market.derivatives(),
            prices=self._market.prices(),
        )

    def _foreign_now(self, mark: Mark) -> ForeignPush:
        stocks = list(self._market.stocks.values())
        return ForeignPush(
            channel="foreign",
            seq=mark.seq,
            boot_id=mark.boot_id,
            ts=_now(),
            summary=self._market.foreign,
            stocks=stocks,
        )

    def _news(self, mark: Mark) -> AlertsPush:
        news = [alert for alert in self._market.alerts if alert.number > self._alerts_told]
        self._alerts_told = news[-1].number if news else self._alerts_told
        return AlertsPush(channel="alerts", seq=mark.seq, boot_id=mark.boot_id, ts=_now(), alerts=news)

    # ---- REST

    def page_at(self, path: str, request: Request) -> Page | None:
        make = self._pages.get(path)
        if make is None:
            return None
        self.requests[path] += 1
        try:
            return json_page(make(request))
        except ValueError as error:
            return json_page({"error": str(error)}, HTTPStatus.UNPROCESSABLE_ENTITY)

    def _newest_alerts(self, request: Request) -> object:
        text = parse_qs(urlsplit(request.path).query).get("limit", [str(_ALERTS_TOLD)])[0]
        if not (text.isascii() and text.isdigit() and 0 < int(text) <= 200):
            raise ValueError("limit is a number from 1 to 200")
        newest = list(self._market.alerts)[: -int(text) - 1 : -1]
        return {"alerts": newest, "count": len(newest)}

    # ---- what it tells of itself

    def families(self) -> Iterable[Family]:
        return (
            *super().families(),
            counter("dropped_total", "Messages dropped from full queues.", self.dropped),
            counters("refused_total", "Handshakes refused.", "why", self.refused),
            counters("requests_total", "REST requests answered.", "path", dict(self.requests)),
        )


def _now() -> float:
    """Unix time in ms."""
    return time.time_ns() / 1e6


async def main() -> None:
    """The program; options are documented by --help."""
    options = _site.options("A stand-in for a stock tracker: throttled quotes over WebSocket, and REST")
    options.add_argument("--rate", type=_values.rate, default=20.0, help="trades per second")
    options.add_argument("--throttle-ms", type=_values.at_least(1), default=500, help="between pushes of a channel")
    options.add_argument(
        "--max-connections-per-ip",
        type=_values.at_least(0),
        default=os.environ.get(LIMIT_VARIABLE, "5"),
        help=f"WebSockets of one address; 0: no limit; the variable {LIMIT_VARIABLE} is the default",
    )
    options.add_argument("--send-buffer", type=_values.at_least(1), default=1 << 16, help="bytes held for a client")
    options.add_argument("--seed", type=_values.seed, default=1, help="of the prices")
    options.add_argument("--log", type=Path, help="file of everything published")
    given = options.parse_args()
    log = None if given.log is None else PublishedLog(given.log)
    tracker = StockTracker(given, os.environ.get("CHAOSRUN_TOKEN", ""), _program.EventLog(given.events), log)
    await _site.serve(tracker, given, tracker.trade(), tracker.tell_status())


if __name__ == "__main__":
    _program.run(main())
