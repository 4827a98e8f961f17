"""The observer that is no part of the load: a program of its own that says when the target answers, and when not.

`python -m chaosrun.load.prober` reads a `ProberConfig` as one JSON line on stdin, then orders: `flush` (answered by a
line on stdout when all rows are on disk) and `stop`. The end of stdin is `stop` too, so it outlives nobody. It asks
for an echo on a standing connection every `every_ns`, and makes a fresh connection with an echo every
`connect_every_ns`; while it has no standing connection it tries to get one all the time. Each probe is a row of
`ProbeRows`. It uses another transport than the load, so that a defect of one is not a defect of both.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import time
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from chaosrun.errors import ChaosrunError, Unwritable
from chaosrun.journal import Journal, ProbeRows
from chaosrun.load.cookies import Cookies, with_cookies
from chaosrun.load.dialling import address_of
from chaosrun.load.http_probe import HttpProbeLine
from chaosrun.load.probe_line import Broken, ProbeLine
from chaosrun.load.route import Refusal
from chaosrun.load.transport import Options
from chaosrun.load.ways import route_of
from chaosrun.protocols import find
from chaosrun.protocols._base import ClientIdentity, Clocks, Handshake
from chaosrun.protocols._polling import Polling
from chaosrun.records import Ended
from chaosrun.spec.tls import TlsFiles
from chaosrun.spec.userinfo import authorized

S: Final = 1_000_000_000
FLUSH_S: Final = 1.0
"""What a prober that is killed may lose."""
HANGING_ATTEMPTS: Final = 20
"""While attempts hang (a frozen server, a black hole), this many are in the server's backlog at most. An attempt that
is refused at once is repeated after `every_ns`; beside one that hangs, the next starts after `timeout_ns` / this."""

SOONEST_NS: Final = 10_000_000
"""From one attempt to the next that is made because a connection broke."""


class ProberConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What to probe. Passed over stdin only: it holds secrets."""

    run_dir: str
    origin_ns: int
    wall_offset_ns: int
    url: str
    """The target's base URL; the protocol's path replaces its path."""
    via: str | None = None
    """As in `GroupLoad`."""
    protocol: str = ""
    """As in `GroupLoad`."""
    http: str | None = None
    """In place of a protocol: the one request that is asked, as in `GroupLoad`."""
    account: dict[str, str] = {}
    """An account of the prober's own."""
    channels: tuple[str, ...] = ()
    headers: dict[str, str] = {}
    cookies: dict[str, str] | None = None
    """Those that it sends. It keeps none of the service's: it looks at all of it, not at the instance that it met."""
    tls: TlsFiles | None = None
    http_proxy: str | None = None
    """Both as in `GroupLoad`."""
    max_size: int = 1 << 20
    """As in `GroupLoad`."""
    every_ns: int = 10_000_000
    connect_every_ns: int = 250_000_000
    timeout_ns: int = S
    writer: str = "prober"


Line = ProbeLine | HttpProbeLine


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The one line on stdout that answers the configuration, and each `flush`."""

    done: bool = False
    failed: str = ""
    unwritable: str = ""


class Prober:
    """Probes until it is stopped."""

    def __init__(self, config: ProberConfig) -> None:
        """Raises ChaosrunError: the protocol cannot be found, or the rows cannot be written."""
        self._config = config
        self._clocks = Clocks(config.origin_ns, config.wall_offset_ns)
        self._identity = ClientIdentity("prober", 0, "prober", config.account, config.channels)
        self._polling = Polling.from_wire(config.http) if config.http is not None else None
        self._protocol = find(config.protocol) if config.http is None else None
        shake = self._protocol.handshake(self._identity) if self._protocol is not None else Handshake()
        self._url, headers = authorized(shake.url(config.url), (*config.headers.items(), *shake.headers.items()))
        cookies = Cookies(config.cookies).header(0, address_of(self._url))
        self._options = Options(
            route=route_of(config.tls, config.via, config.http_proxy),
            headers=with_cookies(headers, cookies),
            subprotocols=shake.subprotocols,
            open_timeout_s=config.timeout_ns / S,
            close_timeout_s=0.1,
            max_size=config.max_size,
        )
        self._journal = Journal(Path(config.run_dir), config.writer)
        self._rows = ProbeRows(Path(config.run_dir), config.writer)
        self._standing: Line | None = None
        self._suspect = False
        """An echo on the standing connection timed out, and none was answered since."""
        self._attempts: set[asyncio.Task[None]] = set()
        self._attempted = -config.connect_every_ns

    async def run(self) -> None:
        """Probe until cancelled."""
        loop = asyncio.get_running_loop()
        every = self._config.every_ns / S
        due = loop.time()
        while True:
            self._tick()
            due = max(due + every, loop.time())
            await asyncio.sleep(due - loop.time())

    def flush(self) -> None:
        """Bring all rows so far to the disk.

        Raises:
            Unwritable: the disk is full; nothing is lost of what is in memory.
        """
        self._rows.flush()
        self._journal.flush()

    def end(self) -> None:
        """Write the last line. Probes that are under way have no outcome and leave no row."""
        for attempt in self._attempts:
            attempt.cancel()
        if self._standing is not None:
            self._standing.close()
        self._journal.append(Ended(t=self._now(), probes=self._rows.count))
        self.flush()

    # ---- when to probe

    def _tick(self) -> None:
        now = self._now()
        since = now - self._attempted
        if self._standing is None:
            if not self._attempts or since >= self._config.timeout_ns // HANGING_ATTEMPTS:
                self._attempt()
            return
        self._expire(self._standing, now)
        if self._standing.asks:
            self._standing.echo()
        if since >= self._config.connect_every_ns:
            self._attempt()

    def _attempt_if_none(self) -> None:
        if self._standing is None and not self._attempts:
            self._attempt()

    def _attempt(self) -> None:
        self._attempted = self._now()
        attempt = asyncio.ensure_future(self._connect(self._attempted))
        self._attempts.add(attempt)
        attempt.add_done_callback(self._attempts.discard)

    # ---- one probe

    def _line(self) -> Line:
        if self._polling is not None:
            return HttpProbeLine(self._polling, self._identity, self._clocks, self._echoed, self._broke)
        assert self._protocol is not None
        return ProbeLine(self._protocol, self._identity, self._clocks, self._echoed, self._broke)

    async def _connect(self, sent: int) -> None:
        line = self._line()
        try:
            async with asyncio.timeout(self._config.timeout_ns / S):
                got = await line.open(self._url, self._options)
        except (Refusal, Broken, TimeoutError):
            line.close()
            self._row(sent, None, self._now(), connect=True)
        except BaseException:
            line.close()
            raise
        else:
            self._row(sent, got, got, connect=True)
            self._keep(line)

    def _keep(self, line: Line) -> None:
        """Make it the standing connection, if that is missing or no longer answers; else it has done its work."""
        if self._standing is not None and not self._suspect:
            line.close()
            return
        if self._standing is not None:
            self._fail_outstanding(self._standing, self._now())
            self._standing.close()
        self._suspect = False
        if line.is_open:  # attempts that still hang go on: their answers, late as they are, belong into the record
            self._standing = line

    def _echoed(self, sent: int, ok: bool, at: int) -> None:
        self._suspect = self._suspect and not ok
        self._row(sent, at if ok else None, at, connect=False)

    def _broke(self, line: Line) -> None:
        if line is self._standing:
            now = self._now()
            if not line.outstanding:
                # That it broke shows at once, though no echo was under way: the one that is due now has failed.
                self._row(now, None, now, connect=False)
            self._fail_outstanding(line, now)
            self._standing = None
            self._suspect = False
            # At once, but not without a pause: a server may take every connection, answer once and end it.
            wait_ns = max(0, self._attempted + SOONEST_NS - now)
            asyncio.get_running_loop().call_later(wait_ns / S, self._attempt_if_none)

    def _expire(self, line: Line, now: int) -> None:
        for token, sent in list(line.outstanding.items()):
            if sent + self._config.timeout_ns > now:
                break
            del line.outstanding[token]
            self._suspect = True
            self._row(sent, None, sent + self._config.timeout_ns, connect=False)

    def _fail_outstanding(self, line: Line, now: int) -> None:
        for sent in line.outstanding.values():
            self._row(sent, None, now, connect=False)
        line.outstanding.clear()

    def _row(self, sent: int, got: int | None, until: int, *, connect: bool) -> None:
        with contextlib.suppress(Unwritable):  # kept in memory; the next flush tells
            self._rows.add(sent, got, until, connect)

    def _now(self) -> int:
        return time.monotonic_ns() - self._config.origin_ns


async def serve(orders: BinaryIO, answers: BinaryIO) -> None:
    """Be the prober that the first line of `orders` describes, until told to stop or until nobody is there."""

    def say(said: Said) -> None:
        with contextlib.suppress(OSError):
            answers.write(msgspec.json.encode(said) + b"\n")
            answers.flush()

    reader = asyncio.StreamReader(limit=16 * 1024 * 1024)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), orders)
    try:
        prober = Prober(msgspec.json.decode(await reader.readline(), type=ProberConfig))
    except (ChaosrunError, msgspec.DecodeError, OSError) as error:
        say(Said(failed=str(error)))
        return
    gc.collect()
    gc.freeze()
    say(Said(done=True))
    try:
        async with asyncio.TaskGroup() as tasks:
            background = [tasks.create_task(prober.run()), tasks.create_task(_flush_often(prober))]
            while (order := (await reader.readline()).strip()) and order != b"stop":
                say(_flush(prober))
            for task in background:
                task.cancel()
    finally:
        prober.end()


def _flush(prober: Prober) -> Said:
    try:
        prober.flush()
    except Unwritable as error:
        return Said(unwritable=str(error))
    return Said(done=True)


async def _flush_often(prober: Prober) -> None:
    while True:
        await asyncio.sleep(FLUSH_S)
        _flush(prober)  # a full disk is told when the engine next asks; until then the rows are kept


def main() -> None:
    asyncio.run(serve(sys.stdin.buffer, sys.stdout.buffer))


if __name__ == "__main__":
    main()
