"""A stand-in for an MT5 terminal: numbers ticks per symbol and publishes them to every bridge that is connected.

`python -m chaosrun.reference.mt5_terminal --port 9100 --symbols EURUSD,XAUUSD --rate 5 --log terminal.log`

It differs from a real terminal in that prices are a seeded random walk, and numbers are part of the feed. It keeps
numbering while nobody is connected: a bridge that was away sees the gap in the numbers, as it would see it in prices.

The log holds one line for each tick (`_published.py`).
"""

from __future__ import annotations

import asyncio
import secrets
import time
from pathlib import Path

import msgspec

from chaosrun.reference import _program, _values
from chaosrun.reference._prices import Prices
from chaosrun.reference._published import PublishedLog
from chaosrun.reference._turns import Turns
from chaosrun.reference.mt5_wire import DEFAULT_SYMBOLS, Beat, Hello, Tick

_BEAT_S = 0.5
_BRIDGE_BUFFER = 16 << 20
"""Bytes a bridge may leave unread before it is cut off."""

_encode = msgspec.json.Encoder().encode


class Terminal:
    """Numbers ticks on a fixed schedule and hands them to the bridges."""

    def __init__(self, symbols: tuple[str, ...], rate: float, seed: int, log: PublishedLog | None) -> None:
        self.boot_id = f"T{secrets.token_hex(4)}"
        self.heads = dict.fromkeys(symbols, 0)
        self._prices = {symbol: Prices(symbol, seed) for symbol in symbols}
        self._period_ns = max(1, round(1e9 / rate))
        self._log = log
        self._bridges: set[asyncio.StreamWriter] = set()

    async def serve_bridge(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One bridge, from its hello to its end. Nothing that it sends is listened to."""
        # No await between the heads and the set: the next line on this connection is the number after the head.
        writer.write(_encode(Hello(self.boot_id, dict(self.heads))) + b"\n")
        self._bridges.add(writer)
        try:
            while await reader.read(4096):
                pass
        except ConnectionError:
            pass
        finally:
            self._bridges.discard(writer)
            writer.close()

    async def publish(self) -> None:
        """Publishes on schedule, for ever. Symbols take turns within a period rather than coming in one burst."""
        turns = Turns(tuple(self.heads), self._period_ns, time.monotonic_ns())
        while True:
            now = time.monotonic_ns()
            ticks = [self._next_tick(symbol) for symbol in turns.due(now)]
            if ticks:
                self._send_ticks(ticks, now)
            await asyncio.sleep(turns.wait_s(time.monotonic_ns()))

    async def beat(self) -> None:
        """Tells the bridges, for ever, that the terminal lives."""
        line = _encode(Beat()) + b"\n"
        while True:
            await asyncio.sleep(_BEAT_S)
            self._send(line)

    def _next_tick(self, symbol: str) -> Tick:
        self.heads[symbol] += 1
        bid, ask = self._prices[symbol].step()
        return Tick(symbol, self.heads[symbol], self.boot_id, bid, ask, time.time_ns() / 1e6)

    def _send_ticks(self, ticks: list[Tick], now_ns: int) -> None:
        if self._log is not None:
            self._log.write(((tick.symbol, tick.seq, tick.boot_id) for tick in ticks), now_ns)
        self._send(b"".join(_encode(tick) + b"\n" for tick in ticks))

    def _send(self, data: bytes) -> None:
        for writer in list(self._bridges):
            if writer.transport.is_closing():
                continue  # reset, which its task has yet to hear of; uvloop would raise, and end the terminal with it
            if writer.transport.get_write_buffer_size() > _BRIDGE_BUFFER:
                writer.transport.abort()
            else:
                writer.write(data)


async def main() -> None:
    """The program; options are documented by --help."""
    options = _program.parser("A stand-in for an MT5 terminal that numbers and publishes ticks")
    options.add_argument("--symbols", type=_values.symbols, default=DEFAULT_SYMBOLS, help="as in EURUSD,XAUUSD")
    options.add_argument("--rate", type=_values.rate, default=5.0, help="ticks per second and symbol")
    options.add_argument("--seed", type=_values.seed, default=1, help="of the prices")
    options.add_argument("--log", type=Path, help="file of everything published")
    given = options.parse_args()
    log = None if given.log is None else PublishedLog(given.log)
    terminal = Terminal(given.symbols, given.rate, given.seed, log)
    sock = _program.listening_socket(given.host, given.port)
    server = await asyncio.start_server(terminal.serve_bridge, sock=sock, backlog=_program.BACKLOG)
    _program.say_ready(sock.getsockname()[1])
    await _program.until_stopped(terminal.publish(), terminal.beat(), die_with_stdin=given.die_with_stdin)
    server.close()


if __name__ == "__main__":
    _program.run(main())
