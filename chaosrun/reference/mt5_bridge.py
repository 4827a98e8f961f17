"""A stand-in for an MT5 integration service: passes the terminal's ticks on to clients over WebSocket.

`python -m chaosrun.reference.mt5_bridge --port 9101 --terminal 127.0.0.1:9100`

WebSocket at /ws, GET /healthz and GET /metrics on the same port; the messages are in `mt5_wire.py`. It invents nothing:
a tick reaches a client only if it came from the terminal just before, and then as the terminal's own bytes. While the
terminal is away the bridge stays up, says so, and looks for the terminal until it is back.

With `--admin-port` there are switches that make it misbehave while it runs: at /switches of that port, on loopback.

If the environment variable CHAOSRUN_TOKEN is set, every account must give it; as an option it could be read by every
user of the machine. `--events FILE` is the server's own log, to hold a run's numbers against.
"""

from __future__ import annotations

import asyncio
import hmac
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
from websockets.http11 import Request

from chaosrun.reference import _program, _site, _values, mt5_wire
from chaosrun.reference._connection import Connection
from chaosrun.reference._counts import Family, counter, counters, gauge
from chaosrun.reference._misbehaviour import Misbehaviour
from chaosrun.reference.mt5_wire import DEFAULT_SYMBOLS

AUTH_REFUSED = 4401
"""Close code of a connection whose account was refused."""

_TERMINAL_SILENCE_S = 2.0
"""A connected terminal that says nothing for so long, not even that it lives, is taken for stale."""

_RETRY_S = 0.1

_FromTerminal = mt5_wire.Hello | mt5_wire.Beat | mt5_wire.Tick
_FromClient = mt5_wire.Auth | mt5_wire.Subscribe | mt5_wire.Ping | mt5_wire.HeadQuery
_decode_terminal = msgspec.json.Decoder(_FromTerminal).decode
_decode_client = msgspec.json.Decoder(_FromClient).decode


@dataclass
class Client:
    account: str | None = None
    channels: set[str] = field(default_factory=set)


class Bridge(_site.Site):
    """The clients, who of them wants which symbol, and the newest number of each symbol."""

    name = "mt5_bridge"
    paths = ("/ws",)

    def __init__(
        self, symbols: tuple[str, ...], token: str, events: _program.EventLog, misbehaviour: Misbehaviour
    ) -> None:
        super().__init__(events, misbehaviour)
        self.heads: mt5_wire.Heads = {}
        """Empty while the terminal is away."""
        self.feed = "stale"
        self.pings = 0
        self.refused = 0
        self.ticks: dict[str, int] = {}
        """Received from the terminal, by symbol."""
        self._token = token
        self._known: dict[Connection, Client] = {}
        self._subscribers: dict[str, set[Connection]] = {symbol: set() for symbol in symbols}

    # ---- clients -----------------------------------------------------------------------------------------------------

    def welcome(self, connection: Connection, request: Request) -> None:  # noqa: ARG002 - who they are they say later
        self._known[connection] = Client()

    def about(self, connection: Connection) -> Mapping[str, str | None]:
        return {"account": self._known[connection].account}

    def farewell(self, connection: Connection) -> None:
        for channel in self._known.pop(connection).channels:
            self._subscribers[channel].discard(connection)

    def hear(self, connection: Connection, data: bytes) -> None:
        client = self._known[connection]
        try:
            message = _decode_client(data)
        except msgspec.MsgspecError as error:
            self._refuse(connection, f"not understood: {error}")
            return
        if isinstance(message, mt5_wire.Auth):
            self._authenticate(connection, client, message)
        elif client.account is None:
            self._refuse(connection, "authenticate first", getattr(message, "id", None))
        elif isinstance(message, mt5_wire.Ping):
            self.pings += 1
            self.reply(connection, mt5_wire.Pong(message.id, message.sent))
        elif isinstance(message, mt5_wire.Subscribe):
            self._subscribe(connection, client, message.channels)
        else:
            self.reply(connection, mt5_wire.HeadReply(self.heads))

    def _authenticate(self, connection: Connection, client: Client, message: mt5_wire.Auth) -> None:
        given, wanted = message.token.encode(), self._token.encode()
        if not message.account or (wanted and not hmac.compare_digest(given, wanted)):
            self.refused += 1
            self._refuse(connection, "auth refused")
            connection.close(AUTH_REFUSED, "auth refused")
            return
        client.account = message.account
        self.events.write("auth", conn=connection.number, account=client.account)
        self.reply(connection, mt5_wire.AuthOk(message.account))

    def _subscribe(self, connection: Connection, client: Client, channels: tuple[str, ...]) -> None:
        unknown = sorted(set(channels) - self._subscribers.keys())
        if unknown or not channels:
            known = ", ".join(sorted(self._subscribers))
            self._refuse(connection, f"no channel {', '.join(unknown) or 'named'}; known: {known}")
            return
        # The reply goes out and the client is entered without a pause in between: the next tick that it gets is the
        # one after the head that it was told.
        heads = {channel: self.heads[channel] for channel in channels if channel in self.heads}
        self.events.write("subscribed", conn=connection.number, account=client.account)
        self.reply(connection, mt5_wire.Subscribed(channels, heads))
        client.channels.update(channels)
        for channel in channels:
            self._subscribers[channel].add(connection)

    def _refuse(self, connection: Connection, why: str, id: int | str | None = None) -> None:
        self.reply(connection, mt5_wire.Error(why, id), error=True)

    # ---- the terminal ------------------------------------------------------------------------------------------------

    async def follow_terminal(self, host: str, port: int) -> None:
        """Connects to the terminal, and again whenever it went away, for ever."""
        while True:
            try:
                reader, writer = await asyncio.open_connection(host, port)
            except OSError:
                await asyncio.sleep(_RETRY_S)
                continue
            try:
                await self._read_terminal(reader)
            except (OSError, ValueError, msgspec.MsgspecError):
                # A terminal that was killed, or something on its port that is no terminal: away either way.
                pass
            finally:
                writer.close()
            self.heads = {}
            self._set_feed("stale")
            await asyncio.sleep(_RETRY_S)

    async def _read_terminal(self, reader: asyncio.StreamReader) -> None:
        loop = asyncio.get_running_loop()
        while True:
            silence = loop.call_later(_TERMINAL_SILENCE_S, self._set_feed, "stale")
            try:
                line = await reader.readline()
            finally:
                silence.cancel()
            if not line.endswith(b"\n"):
                return
            message = _decode_terminal(line)
            if isinstance(message, mt5_wire.Tick):
                self._pass_on(message, line)
            elif isinstance(message, mt5_wire.Hello):
                self._greet(message)
            self._set_feed("live", message)

    def _greet(self, hello: mt5_wire.Hello) -> None:
        self.heads = {symbol: mt5_wire.Mark(seq, hello.boot_id) for symbol, seq in hello.heads.items()}
        for symbol in hello.heads:
            self._subscribers.setdefault(symbol, set())

    def _pass_on(self, tick: mt5_wire.Tick, line: bytes) -> None:
        self.heads[tick.symbol] = mt5_wire.Mark(tick.seq, tick.boot_id)
        self.push(self._subscribers[tick.symbol], line[:-1], tick.seq)
        self.ticks[tick.symbol] = self.ticks.get(tick.symbol, 0) + 1

    def _set_feed(self, feed: str, cause: _FromTerminal | None = None) -> None:
        if feed == self.feed:
            return
        self.feed = feed
        boot_id = cause.boot_id if isinstance(cause, mt5_wire.Hello | mt5_wire.Tick) else None
        self.events.write("terminal_up" if feed == "live" else "terminal_down", boot_id=boot_id)
        told = [connection for connection, client in self._known.items() if client.account is not None]
        self.push(told, msgspec.json.encode(mt5_wire.FeedStatus(feed)))

    # ---- what it tells of itself -------------------------------------------------------------------------------------

    def health(self) -> Mapping[str, object]:
        return {"feed": self.feed}

    def families(self) -> Iterable[Family]:
        return (
            gauge("feed_up", "1 while the terminal is connected and speaking.", int(self.feed == "live")),
            counter("pings_total", "Pings answered.", self.pings),
            counter("auth_refused_total", "Accounts refused.", self.refused),
            counters("ticks_total", "Ticks received from the terminal.", "symbol", self.ticks),
        )


async def main() -> None:
    """The program; options are documented by --help."""
    options = _site.options("A stand-in for an MT5 integration service: ticks and pings over WebSocket")
    options.add_argument("--terminal", type=_values.address, required=True, help="HOST:PORT of the terminal")
    options.add_argument("--symbols", type=_values.symbols, default=DEFAULT_SYMBOLS, help="as in EURUSD,XAUUSD")
    given = options.parse_args()
    events = _program.EventLog(given.events)
    bridge = Bridge(given.symbols, os.environ.get("CHAOSRUN_TOKEN", ""), events, Misbehaviour.given(given))
    await _site.serve(bridge, given, bridge.follow_terminal(*given.terminal))


if __name__ == "__main__":
    _program.run(main())
