"""A stand-in for an MT5 terminal: numbers ticks per symbol and publishes them to every bridge that is connected.

`python -m chaosrun.reference.mt5_terminal --port 9100 --symbols EURUSD,XAUUSD --rate 5 --log terminal.log`

It differs from a real terminal in that prices are a seeded random walk, and numbers are part of the feed. It keeps
numbering while nobody is connected: a bridge that was away sees the gap in the numbers, as it would see it in prices.

The log holds one line for each tick, `SYMBOL SEQ BOOT_ID NS`, NS being CLOCK_MONOTONIC. It is written through before
the ticks of the same instant are sent, so that after a SIGKILL no client can hold a number that the log lacks.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import time
from pathlib import Path

import msgspec

from chaosrun.reference import _program
from chaosrun.reference.mt5_wire import DEFAULT_SYMBOLS, Beat, Hello, Tick

_BEAT_S = 0.5
_FORGIVEN_LAG_NS = 1_000_000_000
"""A terminal that was stopped for longer than this does not publish the prices that it slept through."""

_BRIDGE_BUFFER = 16 << 20
"""Bytes a bridge may leave unread before it is cut off."""

_encode = msgspec.json.Encoder().encode


class Prices:
    """A random walk of bid and ask for one symbol; the same seed gives the same walk."""

    def __init__(self, symbol: str, seed: int) -> None:
        self._random = random.Random(f"{seed}/{symbol}")
        self._bid = self._random.uniform(0.5, 2.0)

    def step(self) -> tuple[float, float]:
        self._bid = max(0.1, self._bid + self._random.gauss(0, 1e-4))
        spread = self._random.uniform(5e-5, 2e-4)
        return round(self._bid, 5), round(self._bid + spread, 5)


class PublishedLog:
    """The file of everything that was published; appended to by one boot after the other."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._drop_torn_line(path)

    def write(self, ticks: list[Tick], now_ns: int) -> None:
        lines = "".join(f"{tick.symbol} {tick.seq} {tick.boot_id} {now_ns}\n" for tick in ticks)
        os.write(self._fd, lines.encode())

    def _drop_torn_line(self, path: Path) -> None:
        # An earlier boot may have been killed inside a write. What it tore was never sent.
        content = path.read_bytes()
        os.ftruncate(self._fd, content.rfind(b"\n") + 1)


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
        start = time.monotonic_ns()
        stride = self._period_ns // len(self.heads)
        due = {symbol: start + k * stride for k, symbol in enumerate(self.heads)}
        while True:
            now = time.monotonic_ns()
            if now - min(due.values()) > _FORGIVEN_LAG_NS:
                due = {symbol: now + k * stride for k, symbol in enumerate(self.heads)}
            ticks: list[Tick] = []
            while (symbol := min(due, key=due.__getitem__)) and due[symbol] <= now:
                ticks.append(self._next_tick(symbol))
                due[symbol] += self._period_ns
            if ticks:
                self._send_ticks(ticks, now)
            wait_s = (due[symbol] - time.monotonic_ns()) / 1e9
            await asyncio.sleep(max(0.0, wait_s))

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
            self._log.write(ticks, now_ns)
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
    options.add_argument("--symbols", type=_program.symbols, default=DEFAULT_SYMBOLS, help="as in EURUSD,XAUUSD")
    options.add_argument("--rate", type=float, default=5.0, help="ticks per second and symbol")
    options.add_argument("--seed", type=int, default=1, help="of the prices")
    options.add_argument("--log", type=Path, help="file of everything published")
    given = options.parse_args()
    if not 0 < given.rate <= 100_000:
        options.error(f"--rate {given.rate} is not between 0 and 100000 ticks per second")

    log = None if given.log is None else PublishedLog(given.log)
    terminal = Terminal(given.symbols, given.rate, given.seed, log)
    sock = _program.listening_socket(given.host, given.port)
    server = await asyncio.start_server(terminal.serve_bridge, sock=sock, backlog=_program.BACKLOG)
    _program.say_ready(sock.getsockname()[1])
    await _program.until_stopped(terminal.publish(), terminal.beat(), die_with_stdin=given.die_with_stdin)
    server.close()


if __name__ == "__main__":
    _program.run(main())
