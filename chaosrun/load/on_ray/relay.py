"""One worker's conversation, passed on between the engine's socket and the actor that plays it."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import time
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import ray
from ray.exceptions import ActorUnavailableError, RayActorError, RayError

import chaosrun
from chaosrun.errors import Unavailable, Unwritable
from chaosrun.load.config import GroupLoad
from chaosrun.load.on_ray.clock import Exchange, Reading, read_clock
from chaosrun.load.on_ray.shipping import Kept
from chaosrun.load.on_ray.whereabouts import network_here
from chaosrun.load.on_ray.wire import Delta, Seen
from chaosrun.load.wire import MAX_LINE, ClockRead, Failed, Fatal, Finish, Message, Placed, Setup, decode_order, line

EXCHANGES: Final = 60
PLACED_WITHIN_S: Final = 20.0
READ_WITHIN_S: Final = 5.0
PREPARED_WITHIN_S: Final = 8.0
"""Once it is placed. With that, less than the engine waits: it is to hear why."""
LOOK_S: Final = 0.1
RENEW_S: Final = 0.2
RENEWALS_A_READING: Final = 150
"""30 s."""
ENDED_WITHIN_S: Final = 3.0
"""From its line's end to the last of its records."""
KILLED_WITHIN_S: Final = 7.0
"""Ray kills an actor that does not go by itself five seconds after it was asked to."""

_decode_delta = msgspec.msgpack.Decoder(Delta).decode
_decode_seen = msgspec.json.Decoder(Seen).decode


class Relay:
    def __init__(self, begin: Callable[[], Any], sock: socket.socket, run_dir: Path, origin_ns: int) -> None:
        """
        Args:
            begin: asks Ray for the actor.
        """
        self._begin = begin
        self._host: Any = None
        self._sock = sock
        self._run_dir = run_dir
        self._origin_ns = origin_ns
        self._before: Reading | None = None
        self._kept: Kept | None = None
        self._told_unwritable = False

    async def run(self) -> None:
        """Until the engine lets go of the worker, or the worker is lost. Then nothing of the worker is left."""
        reader, writer = await asyncio.open_connection(sock=self._sock, limit=MAX_LINE)
        try:
            setup = decode_order(await reader.readline())
            assert isinstance(setup, Setup)
            try:
                if not await self._prepared(setup, reader, writer):
                    return
            except Unavailable as error:
                _tell(writer, Failed(why=str(error), unavailable=True))
                return
            await self._pass_on(reader, writer)
        finally:
            if self._host is not None:
                with contextlib.suppress(RayError):
                    ray.kill(self._host)
            writer.close()
            if self._kept is not None:
                self._kept.close()

    async def _prepared(self, setup: Setup, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """False: the engine did not wait for it.

        Raises:
            Unavailable: it cannot be played there.
        """
        preparing = asyncio.create_task(self._prepare(setup, writer))
        while not preparing.done() and not reader.at_eof():
            await asyncio.wait((preparing,), timeout=LOOK_S)
        if preparing.done():
            preparing.result()
            return True
        preparing.cancel()
        await asyncio.gather(preparing, return_exceptions=True)
        return False

    async def _prepare(self, setup: Setup, writer: asyncio.StreamWriter) -> None:
        """
        Raises:
            Unavailable: it cannot be played there.
        """
        name = f"worker {setup.shard}"
        try:
            self._host = self._begin()
        except (RayError, ValueError, TypeError) as error:
            raise Unavailable(
                f"Ray takes no load {name}: {told(error)}; `resources` of `fleet.ray` says what is asked for"
            ) from error
        try:
            async with asyncio.timeout(PLACED_WITHIN_S):
                seen = _decode_seen(await self._host.hello.remote())
        except TimeoutError:
            raise Unavailable(
                f"Ray found no room for load {name} within {PLACED_WITHIN_S:g} s; `ray status` tells what is reserved: "
                "free some, or lower `workers` or `resources` of `fleet.ray`"
            ) from None
        except (RayError, ImportError) as error:
            raise Unavailable(f"Ray could not start load {name}: {told(error)}") from error
        except msgspec.MsgspecError as error:
            raise Unavailable(
                f"load {name} is of another chaosrun than {chaosrun.__version__}; install the same on every node"
            ) from error
        node = seen.node
        if seen.version != chaosrun.__version__:
            raise Unavailable(
                f"node {node} has chaosrun {seen.version}, and this is {chaosrun.__version__}; "
                "install the same on every node"
            )
        if seen.network != network_here() and (lost := out_of_reach(setup.groups)) is not None:
            raise Unavailable(
                f"node {node} cannot reach {lost}, which is this machine's own; name the target, and its proxy, by an "
                "address that every node reaches"
            )
        _tell(writer, Placed(node=node, pid=seen.pid))
        try:
            async with asyncio.timeout(PREPARED_WITHIN_S):
                self._before = await self._read_clock()
                _tell(writer, self._clock_read(self._before))
                self._kept = Kept(self._run_dir, setup.writer)
                theirs = msgspec.structs.replace(setup, ahead_ns=self._before.offset_ns)
                await self._host.prepare.remote(line(theirs))
        except TimeoutError:
            raise Unavailable(f"load {name} on node {node} does not answer") from None
        except RayError as error:
            raise Unavailable(f"load {name} cannot begin on node {node}: {told(error)}") from error

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hearing = asyncio.create_task(self._hear(writer))
        renewing = asyncio.create_task(self._renew(writer))
        try:
            asking = asyncio.create_task(self._ask(reader, writer))
            await asyncio.wait((hearing, asking), return_when=asyncio.FIRST_COMPLETED)
            asking.cancel()
            if not hearing.done():
                self._host.close.remote()
                await asyncio.wait((hearing,), timeout=ENDED_WITHIN_S)
        finally:
            renewing.cancel()
            if not hearing.done():
                ray.kill(self._host)
                await asyncio.wait((hearing,), timeout=KILLED_WITHIN_S)
            hearing.cancel()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = 0
        with contextlib.suppress(ConnectionError):
            while raw := await reader.readline():
                if isinstance(decode_order(raw), Finish):
                    # The load is over and the clients are gone: whatever the clock did meanwhile is in this.
                    with contextlib.suppress(RayError, TimeoutError):
                        _tell(writer, self._clock_read(await self._read_clock()))
                self._host.order.remote(number, raw)
                number += 1

    async def _hear(self, writer: asyncio.StreamWriter) -> None:
        try:
            async for delta in self._deltas():
                self._keep(delta, writer)
                for each in delta.lines:
                    writer.write(each)
        except RayActorError as error:
            _tell(writer, Fatal(kind="defect", why=told(error)))
        except (RayError, ValueError, msgspec.MsgspecError, zlib.error) as error:
            _tell(writer, Fatal(kind="defect", why=f"{type(error).__name__}: {error}"))
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    async def _deltas(self) -> AsyncIterator[Delta]:
        """
        Raises:
            ValueError: one is missing.
        """
        number = 0
        async for reference in self._host.deltas.options(num_returns="streaming").remote():
            delta = _decode_delta(zlib.decompress(await reference))
            if delta.number != number:
                raise ValueError(f"delta {number} is missing: {delta.number} came")
            yield delta
            number += 1

    def _keep(self, delta: Delta, writer: asyncio.StreamWriter) -> None:
        assert self._kept is not None
        try:
            self._kept.keep(delta.pieces)
        except Unwritable as error:
            if not self._told_unwritable:
                self._told_unwritable = True
                _tell(writer, Fatal(kind="unwritable", why=str(error)))

    async def _renew(self, writer: asyncio.StreamWriter) -> None:
        """Each renewal is an exchange of the time too: in a run of hours a clock may drift far."""
        while True:
            made: list[Exchange] = []
            for _ in range(RENEWALS_A_READING):
                with contextlib.suppress(RayError):  # out of reach for a moment; `_hear` tells of one that is lost
                    made.append(await _exchange(self._host.renew))
                await asyncio.sleep(RENEW_S)
            if made:
                _tell(writer, self._clock_read(read_clock(made)))

    async def _read_clock(self) -> Reading:
        async with asyncio.timeout(READ_WITHIN_S):
            return read_clock([await _exchange(self._host.probe_clock) for _ in range(EXCHANGES)])

    def _clock_read(self, reading: Reading) -> ClockRead:
        assert self._before is not None
        return ClockRead(
            t=reading.at - self._origin_ns,
            offset_ns=reading.offset_ns - self._before.offset_ns,
            bound_ns=reading.bound_ns,
            exchanges=reading.exchanges,
        )


async def _exchange(method: Any) -> Exchange:
    asked = time.monotonic_ns()
    theirs = await method.remote()
    return Exchange(asked, theirs, time.monotonic_ns())


def told(error: BaseException) -> str:
    """What Ray says at length about an actor, in a line."""
    if isinstance(error, ActorUnavailableError):
        return "its node, or the network to it, is gone"
    last = str(error).strip().rpartition("\n")[2].strip() or type(error).__name__
    sentences = last.split(". ")
    return ". ".join(sentences[:2])[:300].rstrip(".")


def out_of_reach(groups: tuple[GroupLoad, ...]) -> str | None:
    """What these groups connect to that only the coordinator's own machine reaches; None: nothing."""
    for group in groups:
        for address in (group.http_proxy, group.via, group.url):
            host = None if address is None else urlsplit(address if "://" in address else f"//{address}").hostname
            if host is not None and _is_loopback(host):
                return host
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _tell(writer: asyncio.StreamWriter, message: Message) -> None:
    if not writer.is_closing():
        writer.write(line(message))
