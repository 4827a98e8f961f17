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
import logging
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from chaosrun.reference import _program, mt5_wire
from chaosrun.reference._admin import Admin
from chaosrun.reference.mt5_metrics import Counters
from chaosrun.reference.mt5_misbehaviour import Misbehaviour, Sending, Switches
from chaosrun.reference.mt5_wire import DEFAULT_SYMBOLS

AUTH_REFUSED = 4401
"""Close code of a connection whose account was refused."""

TRY_AGAIN_LATER = 1013
"""Close code of a connection that a switch refuses; in the registry of RFC 6455's codes."""

_CLIENT_BUFFER = 1 << 20
"""Bytes a client may leave unread; it is cut off then, for ticks that nobody reads must not fill the memory."""

_TERMINAL_SILENCE_S = 2.0
"""A connected terminal that says nothing for so long, not even that it lives, is taken for stale."""

_RETRY_S = 0.1

_FromTerminal = mt5_wire.Hello | mt5_wire.Beat | mt5_wire.Tick
_FromClient = mt5_wire.Auth | mt5_wire.Subscribe | mt5_wire.Ping | mt5_wire.HeadQuery
_decode_terminal = msgspec.json.Decoder(_FromTerminal).decode
_decode_client = msgspec.json.Decoder(_FromClient).decode


def _text(message: msgspec.Struct) -> str:
    return msgspec.json.encode(message).decode()


@dataclass(eq=False)
class Client:
    """One WebSocket connection. All that it is sent goes through `Sending`, which writes at once and in order."""

    id: int
    socket: ServerConnection
    account: str | None = None
    channels: set[str] = field(default_factory=set)

    def is_slow(self) -> bool:
        return self.socket.transport.get_write_buffer_size() > _CLIENT_BUFFER


class Bridge:
    """The clients, who of them wants which symbol, and the newest number of each symbol."""

    def __init__(
        self, symbols: tuple[str, ...], token: str, events: _program.EventLog, misbehaviour: Misbehaviour
    ) -> None:
        self.boot_id = f"B{secrets.token_hex(4)}"
        self.heads: mt5_wire.Heads = {}
        """Empty while the terminal is away."""
        self.feed = "stale"
        self.counters = Counters()
        self._token = token
        self._events = events
        self.switches = Switches(refuse=503 if misbehaviour.refuse else None)
        self._sending = Sending(misbehaviour, self.switches, broadcast)
        self._clients: set[Client] = set()
        self._subscribers: dict[str, set[ServerConnection]] = {symbol: set() for symbol in symbols}

    # ---- clients -----------------------------------------------------------------------------------------------------

    async def serve_client(self, socket: ServerConnection) -> None:
        """One client, from its handshake to its end."""
        if self.switches.drop:
            socket.transport.abort()
            return
        if self.switches.refuse == TRY_AGAIN_LATER:
            await socket.close(TRY_AGAIN_LATER, "try again later")
            return
        client = Client(self.counters.accepted, socket)
        self.counters.accepted += 1
        self._clients.add(client)
        self._events.write("accept", conn=client.id)
        try:
            async for text in socket:
                await self._answer(client, text)
        except ConnectionClosed:
            pass
        finally:
            self._clients.discard(client)
            for channel in client.channels:
                self._subscribers[channel].discard(socket)
            self._events.write("closed", conn=client.id, account=client.account, code=socket.close_code)

    async def _answer(self, client: Client, text: str | bytes) -> None:
        self.counters.received += 1
        try:
            message = _decode_client(text)
        except msgspec.MsgspecError as error:
            self._send(client, mt5_wire.Error(f"not understood: {error}"))
            return
        if isinstance(message, mt5_wire.Auth):
            await self._authenticate(client, message)
        elif client.account is None:
            self._send(client, mt5_wire.Error("authenticate first", getattr(message, "id", None)))
        elif isinstance(message, mt5_wire.Ping):
            self.counters.pings += 1
            self._send(client, mt5_wire.Pong(message.id, message.sent))
        elif isinstance(message, mt5_wire.Subscribe):
            self._subscribe(client, message.channels)
        else:
            self._send(client, mt5_wire.HeadReply(self.heads))

    async def _authenticate(self, client: Client, message: mt5_wire.Auth) -> None:
        given, wanted = message.token.encode(), self._token.encode()
        if not message.account or (wanted and not hmac.compare_digest(given, wanted)):
            self.counters.refused += 1
            self._send(client, mt5_wire.Error("auth refused"))
            await client.socket.close(AUTH_REFUSED, "auth refused")
            return
        client.account = message.account
        self._events.write("auth", conn=client.id, account=client.account)
        self._send(client, mt5_wire.AuthOk(message.account))

    def _subscribe(self, client: Client, channels: tuple[str, ...]) -> None:
        unknown = sorted(set(channels) - self._subscribers.keys())
        if unknown or not channels:
            known = ", ".join(sorted(self._subscribers))
            self._send(client, mt5_wire.Error(f"no channel {', '.join(unknown) or 'named'}; known: {known}"))
            return
        # The reply goes out and the client is entered without an await in between: the next tick that it gets is the
        # one after the head that it was told.
        heads = {channel: self.heads[channel] for channel in channels if channel in self.heads}
        self._events.write("subscribed", conn=client.id, account=client.account)
        self._send(client, mt5_wire.Subscribed(channels, heads))
        client.channels.update(channels)
        for channel in channels:
            self._subscribers[channel].add(client.socket)

    def _send(self, client: Client, message: msgspec.Struct) -> None:
        if isinstance(message, mt5_wire.Error):
            self.counters.errors += 1
        if client.is_slow():
            self._cut_off(client)
            return
        self.counters.sent += 1
        self._sending.send([client.socket], _text(message))

    def turn(self, body: bytes) -> None:
        """Turn switches. Raises `msgspec.MsgspecError` for those that there are not."""
        self.switches.turn(body)
        self._events.write("switched", **msgspec.to_builtins(self.switches))
        if self.switches.drop:
            for client in self._clients:
                client.socket.transport.abort()

    def _cut_off(self, client: Client) -> None:
        self.counters.cut_off += 1
        self._events.write("cut_off", conn=client.id, account=client.account)
        client.socket.transport.abort()

    async def watch_slow_clients(self) -> None:
        """Cuts off, for ever, the clients that do not read."""
        while True:
            await asyncio.sleep(0.5)
            for client in [each for each in self._clients if each.is_slow()]:
                self._cut_off(client)

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
        subscribers = self._subscribers[tick.symbol]
        for _ in range(self._sending.copies(tick.seq)):
            self._sending.send(subscribers, line[:-1].decode())
            self.counters.sent += len(subscribers)
        self.counters.ticks[tick.symbol] = self.counters.ticks.get(tick.symbol, 0) + 1

    def _set_feed(self, feed: str, cause: _FromTerminal | None = None) -> None:
        if feed == self.feed:
            return
        self.feed = feed
        boot_id = cause.boot_id if isinstance(cause, mt5_wire.Hello | mt5_wire.Tick) else None
        self._events.write("terminal_up" if feed == "live" else "terminal_down", boot_id=boot_id)
        told = [client.socket for client in self._clients if client.account is not None]
        self._sending.send(told, _text(mt5_wire.FeedStatus(feed)))
        self.counters.sent += len(told)

    # ---- HTTP on the same port ---------------------------------------------------------------------------------------

    def serve_http(self, _socket: ServerConnection, request: Request) -> Response | None:
        """The answer to a plain request, or None for a WebSocket handshake at /ws."""
        path = request.path.partition("?")[0]
        if path == "/ws" and self.switches.refuse == 503:
            return _response(503, "Service Unavailable", "text/plain; charset=utf-8", b"refusing, as told\n")
        if path == "/ws":
            return None
        if path == "/healthz":
            health = {"status": "ok", "feed": self.feed, "boot_id": self.boot_id}
            return _response(200, "OK", "application/json", msgspec.json.encode(health))
        if path == "/metrics":
            text = self.counters.exposition(connections=len(self._clients), feed_up=self.feed == "live")
            return _response(200, "OK", "text/plain; version=0.0.4; charset=utf-8", text.encode())
        return _response(404, "Not Found", "text/plain; charset=utf-8", b"try /ws, /healthz or /metrics\n")


def _response(status: int, reason: str, content_type: str, body: bytes) -> Response:
    headers = Headers({"Content-Type": content_type, "Content-Length": str(len(body)), "Connection": "close"})
    return Response(status, reason, headers, body)


async def main() -> None:
    """The program; options are documented by --help."""
    options = _program.parser("A stand-in for an MT5 integration service: ticks and pings over WebSocket")
    options.add_argument("--terminal", type=_program.address, required=True, help="HOST:PORT of the terminal")
    options.add_argument("--symbols", type=_program.symbols, default=DEFAULT_SYMBOLS, help="as in EURUSD,XAUUSD")
    options.add_argument("--events", type=Path, help="the server's own log")
    options.add_argument("--admin-port", type=int, help="loopback port of the switches; without it there are none")
    Misbehaviour.add_options(options)
    given = options.parse_args()
    misbehaviour = Misbehaviour.given(given)

    # A port probe is no handshake; it is not worth a traceback.
    logging.getLogger("websockets.server").addFilter(lambda record: record.msg != "opening handshake failed")
    events = _program.EventLog(given.events)
    bridge = Bridge(given.symbols, os.environ.get("CHAOSRUN_TOKEN", ""), events, misbehaviour)
    await asyncio.sleep(misbehaviour.start_delay_s)
    if given.admin_port is not None:
        await Admin(lambda: bridge.switches, bridge.turn).serve(
            _program.listening_socket("127.0.0.1", given.admin_port)
        )
    sock = _program.listening_socket(given.host, given.port)
    async with serve(
        bridge.serve_client,
        sock=sock,
        process_request=bridge.serve_http,
        compression=None,
        max_size=1 << 16,
        close_timeout=2,
        server_header=None,
        backlog=_program.BACKLOG,
    ):
        port = sock.getsockname()[1]
        events.write("listening", boot_id=bridge.boot_id, port=port)
        _program.say_ready(port)
        await _program.until_stopped(
            bridge.follow_terminal(*given.terminal),
            bridge.watch_slow_clients(),
            die_with_stdin=given.die_with_stdin,
        )
        events.write("stopping")
    # Leaving `serve` closes every connection with 1001.


if __name__ == "__main__":
    _program.run(main())
