"""One connection through a proxy: two sockets, and a link for each direction between them.

    client ── Side ──► Link upstream ──► Side ── service
    client ◄── Side ◄── Link downstream ◄── Side ── service

The end of a stream passes on as it came: a half-close stays one. A socket that is gone ends what it sends, and what
was on its way to it is dropped; what it had sent before still arrives, and then the other socket is closed.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Callable, Iterable
from typing import cast

from chaosrun.proxy.alarm import Alarm
from chaosrun.proxy.pipeline import Pipeline
from chaosrun.proxy.stage import Chunk, How, Item
from chaosrun.proxy.toxic import Stream, Toxic

_WRITE_BUFFER = 256 << 10
"""Bytes that may wait for a socket before its source is asked to wait."""

_RESUME = 0.5
"""Share of its room to which a pipeline must empty before its source may go on."""

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, 0 s: closing the socket resets the connection."""


class Side(asyncio.Protocol):
    """One socket: what comes from it goes into `out`, and `into` writes to it."""

    out: Link | None = None
    into: Link | None = None

    def __init__(self, on_gone: Callable[[], None]) -> None:
        self.ended = False
        """Whether it has ended what it sends."""
        self.gone = False
        """Whether it is closed."""
        self._on_gone = on_gone
        self._early: list[bytes] = []

    def join(self, out: Link, into: Link) -> None:
        """Where its data goes and where it comes from. A service may have spoken, or have closed, before."""
        self.out, self.into = out, into
        for data in self._early:
            out.received(data)
        self._early.clear()
        if self.gone:
            out.source_gone()
        elif self.ended:
            out.source_ended()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=_WRITE_BUFFER)

    def data_received(self, data: bytes) -> None:
        if self.out is None:
            self._early.append(data)
            self.transport.pause_reading()
        else:
            self.out.received(data)

    def eof_received(self) -> bool:
        self.ended = True
        if self.out is not None:
            self.out.source_ended()
        return True  # the other direction stays open

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why does not matter
        self.ended = self.gone = True
        if self.out is not None and self.into is not None:
            self.out.source_gone()
            self.into.dest_gone()
        self._on_gone()

    def pause_writing(self) -> None:
        if self.into is not None:
            self.into.congested(True)

    def resume_writing(self) -> None:
        if self.into is not None:
            self.into.congested(False)

    def write(self, data: bytes | memoryview) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def end(self) -> None:
        """Nothing more will be written to it; it may go on sending."""
        if not self.transport.is_closing():
            self.transport.write_eof()

    def close(self) -> None:
        """Closes it when all is written."""
        self.transport.close()

    def reset(self) -> None:
        """Closes it with a reset, whatever waits to be written."""
        if not self.gone:
            sock: socket.socket = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()

    def wait(self, yes: bool) -> None:
        """Whether it is to be read from no further, for now."""
        if self.ended or self.transport.is_closing():
            return
        if yes:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()


class Link:
    """One direction: from the socket of one side through a pipeline to the socket of the other."""

    def __init__(self, pipeline: Pipeline, source: Side, dest: Side, alarm: Alarm) -> None:
        self._pipeline = pipeline
        self._source = source
        self._dest = dest
        self._alarm = alarm
        self._rings_at: int | None = None
        self._congested = False
        self._waits = True

    @property
    def done(self) -> bool:
        """Whether its end has been delivered."""
        return self._pipeline.done

    def received(self, data: bytes) -> None:
        if not self._dest.gone:
            self._deliver(self._pipeline.put(data, time.monotonic_ns()))

    def source_ended(self) -> None:
        """The source sends no more."""
        self._deliver(self._pipeline.end(time.monotonic_ns()))

    def source_gone(self) -> None:
        """The source's socket is closed; when all that it had sent has passed, so is the other."""
        if self.done:
            self._dest.close()
        else:
            self.source_ended()

    def dest_gone(self) -> None:
        """Nobody is there to deliver to: what comes is dropped, but read, so that the source's own end is noticed."""
        self._press()

    def congested(self, yes: bool) -> None:
        """Whether the destination's socket takes no more for now."""
        self._congested = yes
        self._press()

    def add(self, toxic: Toxic) -> None:
        self._pipeline.add(toxic, time.monotonic_ns())
        self._deliver(())

    def change(self, toxic: Toxic) -> None:
        self._deliver(self._pipeline.change(toxic, time.monotonic_ns()))

    def remove(self, name: str) -> None:
        self._deliver(self._pipeline.remove(name, time.monotonic_ns()))

    def start(self) -> None:
        """Lets the source begin, and the toxics that need no data."""
        self._deliver(())

    def _deliver(self, items: Iterable[Item]) -> None:
        for item in items:
            if isinstance(item, Chunk):
                self._dest.write(item.data)
            else:
                self._end(item.how)
        due = self._pipeline.due()
        if due is not None and (self._rings_at is None or due < self._rings_at):
            self._rings_at = due
            self._alarm.at(due, self._ring)
        self._press()

    def _end(self, how: How) -> None:
        if how is How.RESET:
            self._source.reset()
            self._dest.reset()
        elif how is How.CLOSED or self._source.gone:
            self._dest.close()
        else:
            self._dest.end()
            if self._dest.out is not None and self._dest.out.done:
                self._source.close()
                self._dest.close()

    def _ring(self, now: int) -> None:
        if self._rings_at is not None and self._rings_at <= now:
            self._rings_at = None
            self._deliver(self._pipeline.advance(now))

    def _press(self) -> None:
        """Asks the source to wait while the destination or a toxic has enough."""
        full = self._pipeline.full(_RESUME if self._waits else 1.0)
        waits = (self._congested or full) and not self._dest.gone and not self.done
        if waits != self._waits:
            self._waits = waits
            self._source.wait(waits)


class Connection:
    """One client's connection and the one to the service that belongs to it."""

    def __init__(self, client: Side, service: Side, pipeline: Callable[[Stream], Pipeline], alarm: Alarm) -> None:
        up = Link(pipeline("upstream"), client, service, alarm)
        down = Link(pipeline("downstream"), service, client, alarm)
        self.links: dict[Stream, Link] = {"upstream": up, "downstream": down}
        client.join(out=up, into=down)
        service.join(out=down, into=up)
        up.start()
        down.start()
