"""What every connection has, whatever parses its frames: one end with one cause, heartbeats, silence, RST and FIN."""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from chaosrun.load.ending import cause_of, end_stream, reset, socket_of
from chaosrun.load.slow_reading import SlowReading
from chaosrun.load.transport import Handler, Options
from chaosrun.sockets import Name, Passed, name_of, passed

NO_CODE = 1005
"""RFC 6455 7.1.5: what a close frame without a code is said to have."""

_PING = struct.Struct("!I")
_BY_US = frozenset({"ours", "deadline", "injected"})
_ON_THE_WIRE = frozenset({"ours", "injected"})
"""Ends that chaosrun makes, though the connection be silent; any other is a client's giving up, which nobody hears."""
_IN_STREAM = frozenset({"close", "fin", "protocol"})
"""Ends that come after the messages before them, for whoever reads them one by one."""

MAX_UNSENT = 16 << 20
"""Bytes that may wait to be written. Open-loop load does not slow down for its server, but a server that makes a client
answer and never reads must not fill our memory."""

_LOOK_AGAIN_S = 0.001
"""uvloop runs timers before it reads: after a stall the pong may lie unread when the time is over."""

# <asm-generic/socket.h>; the socket module has neither.
_SO_ATTACH_FILTER = 26
_SO_DETACH_FILTER = 27
_DROP_ALL = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
"""One instruction of the kernel's packet filter (<linux/filter.h>): return 0, keep nothing of the segment."""
_FILTER = struct.pack("HL", 1, ctypes.addressof(_DROP_ALL))

Deliver = Callable[[memoryview | bytes, bool], None]


def _discard(data: memoryview | bytes, binary: bool) -> None:
    """Take a message that came after the end."""


class Link(ABC):
    """A connection between `connect` and its end. The first cause of an end that is seen is the one that is told.

    A link begins held: what arrives before `connect` has returned is kept, and delivered right after it.
    """

    __slots__ = ("_cause", "_clogged", "_code", "_deaf", "_handler", "_held", "_loop", "_options", "_pinged", "_pings",
                 "_slow", "_timer", "_told", "_unsent", "deliver")  # fmt: skip

    deliver: Deliver
    """Where a whole message goes."""

    def __init__(self, handler: Handler, options: Options, loop: asyncio.AbstractEventLoop) -> None:
        self._handler = handler
        self._options = options
        self._loop = loop
        self._cause: str | None = None
        self._code: int | None = None
        self._told = False
        self._clogged = False
        """More waits to be written than the transport's high-water mark: the peer reads slowly, or not at all."""
        self._unsent: list[tuple[bytes, bool]] | None = None
        """What was sent since the connection fell silent; None: it is not silent."""
        self._deaf = False
        """The kernel takes nothing for it either."""
        self._timer: asyncio.TimerHandle | None = None
        """The next heartbeat, its deadline, or the end of the closing handshake: never two at once."""
        self._pings = 0
        self._pinged = 0.0
        self._held: list[tuple[bytes, bool]] | None = []
        self._slow: SlowReading | None = None
        """None: it is read as fast as messages come."""
        self.deliver = self._hold

    # ---- what a parser of frames supplies

    @property
    @abstractmethod
    def _tcp(self) -> asyncio.Transport: ...

    @abstractmethod
    def _write_ping(self, payload: bytes) -> None: ...

    @abstractmethod
    def _write_pong(self, payload: bytes) -> None: ...

    @abstractmethod
    def _write_close(self, code: int, reason: str) -> None: ...

    # ---- the public half

    @property
    def is_open(self) -> bool:
        return self._cause is None

    @property
    def name(self) -> Name:
        return name_of(self._socket)

    @property
    def passed(self) -> Passed | None:
        return None if self._tcp.is_closing() else passed(self._socket)

    def close(self, code: int = 1000, reason: str = "", *, cause: str = "ours") -> None:
        if self._end(cause, None):
            if self._unsent is None:
                self._write_close(code, reason)
                self._linger()
            else:
                self._loop.call_soon(self._tell)
        elif self._told:
            self.read_freely()  # a slow reader that has yet to come to the end does so now

    def reset(self) -> None:
        if self._end("injected", None):
            reset(self._tcp)

    def fin(self) -> None:
        if self._end("injected", None):
            end_stream(self._tcp)
            self._linger()
            self._loop.call_soon(self._tell)

    def silence(self, *, vanished: bool = False) -> None:
        if self._cause is None and self._unsent is None:
            self._unsent = []
            self._tcp.pause_reading()
            if self._slow is not None:
                self._slow.pause()
            if vanished:
                self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, _FILTER)
                self._deaf = True

    def unsilence(self) -> None:
        if self._unsent is None:
            return
        unsent, self._unsent = self._unsent, None
        if self._tcp.is_closing():
            return
        if self._deaf:
            self._deaf = False
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
        if self._cause is not None and self._cause not in _ON_THE_WIRE:
            reset(self._tcp)  # as the machine does that is there again and knows nothing of the connection any more
            return
        if self._pinged and self._cause is None:
            self._write_ping(_PING.pack(self._pings))
        for data, binary in unsent:
            self.send(data, binary)
        if self._slow is None:
            self._tcp.resume_reading()
        else:
            self._slow.go_on()

    def read_slowly(self, every_s: float) -> None:
        if self._cause is None:
            self._slow = SlowReading(self._loop, every_s, self._hand_over, self._read_on)
            if self._held is None:
                self.deliver = self._slow.hear

    def read_freely(self) -> None:
        slow = self._slow
        if slow is None or self._unsent is not None:
            return
        if self._cause is None:
            self._slow = None
            if self._held is None:
                self.deliver = self._handler.on_message
        slow.take_all()
        self._read_on(True)

    @abstractmethod
    def send(self, data: bytes, binary: bool = False, /) -> bool: ...

    # ---- from connect

    def open(self) -> None:
        """Let go what was held, once the caller of `connect` has had its turn, and start the heartbeat."""
        self._loop.call_soon(self._release)
        if self._options.heartbeat_every_s is not None and self._cause is None:
            self._timer = self._loop.call_later(self._options.heartbeat_every_s, self._beat)

    def _hold(self, data: memoryview | bytes, binary: bool) -> None:
        assert self._held is not None
        self._held.append((bytes(data), binary))

    def _release(self) -> None:
        held, self._held = self._held, None
        if self._cause is None:
            self.deliver = self._handler.on_message if self._slow is None else self._slow.hear
        for data, binary in held or ():
            if self._cause in _BY_US:
                break
            take = self._handler.on_message if self._slow is None else self._slow.hear
            try:
                take(data, binary)
            except Exception as error:
                self.handler_failed(error)
                return
        if self._told:
            self._tell_in_turn()

    # ---- the end

    def _end(self, cause: str, code: int | None) -> bool:
        """Note the cause, unless there is one; True: this is it."""
        if self._cause is not None:
            return False
        self._cause, self._code = cause, code
        self.deafen()
        self._cancel_timer()
        was_slow = self._slow is not None
        if self._slow is not None and cause not in _IN_STREAM:
            self._slow.drop()
            self._slow = None
        if cause in _ON_THE_WIRE:
            self.unsilence()
        if was_slow and self._unsent is None and not self._tcp.is_closing():
            self._tcp.resume_reading()  # to see what the peer does about the end
        return True

    def deafen(self) -> None:
        """Take no more messages, and hold on to nobody who would."""
        self.deliver = _discard

    # ---- slow reading

    def _hand_over(self, data: memoryview | bytes, binary: bool) -> None:
        try:
            self._handler.on_message(data, binary)
        except Exception as error:
            self.handler_failed(error)

    def _read_on(self, on: bool) -> None:
        """Read the kernel, or not: what a slow reader wants. It has taken all that it held when it wants to."""
        if on and self._told and self._slow is not None:
            self._tell_in_turn()
        elif self._cause is None and self._unsent is None and not self._tcp.is_closing():
            if on:
                self._tcp.resume_reading()
            else:
                self._tcp.pause_reading()

    @property
    def _socket(self) -> Any:
        return socket_of(self._tcp)

    def _tell(self) -> None:
        """Tell the handler, once, and not before `connect` has returned."""
        if not self._told:
            self._told = True
            if self._held is None:
                self._tell_in_turn()

    def _tell_in_turn(self) -> None:
        """Not before a slow reader has taken what came before."""
        if self._slow is not None:
            if self._slow.holds:
                return
            self._slow.drop()
            self._slow = None
        self._handler.on_closed(self._cause or "other", self._code)

    def _linger(self) -> None:
        """Leave the peer time to do its part of the end; then abort."""
        self._cancel_timer()
        self._timer = self._loop.call_later(self._options.close_timeout_s, self._tcp.abort)

    def peer_closed(self, code: int) -> None:
        """A close frame came: the session is over now; answer it, and let the server close TCP (RFC 6455 7.1.1)."""
        if self._end("close", code):
            self._write_close(code, "")
            self._linger()
            self._tell()

    def broke_protocol(self, code: int, reason: str) -> None:
        """The peer sent what RFC 6455 or our limits do not allow."""
        if self._end("protocol", code):
            self._write_close(code, reason)
            self._linger()
            self._tell()

    def handler_failed(self, error: Exception) -> None:
        """Our own code raised on a message: loud, and the end of this connection."""
        context = {"message": "a handler of messages failed", "exception": error}
        self._loop.call_exception_handler(context)
        if self._end("other", 1011):
            self._write_close(1011, "")
            self._linger()
            self._tell()

    def eof(self) -> None:
        """The peer's stream ended; without a close frame that is a FIN."""
        if self._end("fin", None):
            self._tell()

    def lost(self, error: Exception | None) -> None:
        """TCP is over; `error` is the operating system's reason."""
        self._end(cause_of(error), None)
        self._cancel_timer()
        self._tell()

    # ---- a peer that does not read

    def pause_writing(self) -> None:
        """Learn that unsent data waits in memory."""
        self._clogged = True

    def resume_writing(self) -> None:
        """Learn that most of it has gone."""
        self._clogged = False

    def _is_stuck(self) -> bool:
        """Of a connection that is clogged: whether too much waits, which is its end."""
        if self._tcp.get_write_buffer_size() <= MAX_UNSENT:
            return False
        if self._end("unread", None):
            self._tcp.abort()
            self._loop.call_soon(self._tell)
        return True

    def pinged(self, payload: bytes) -> None:
        """A ping came; where the peer reads nothing, answers would only heap up."""
        if self._cause is None and self._unsent is None and not self._clogged:
            self._write_pong(payload)

    # ---- heartbeat

    def _beat(self) -> None:
        self._pings += 1
        self._pinged = self._loop.time()
        self._timer = self._loop.call_later(self._options.heartbeat_timeout_s, self._overdue)
        if self._unsent is None:
            self._write_ping(_PING.pack(self._pings))

    def ponged(self, payload: bytes) -> None:
        """A pong came. Only the answer to the newest ping counts (RFC 6455 5.5.3 lets a peer answer only that)."""
        every = self._options.heartbeat_every_s
        if every is None or self._cause is not None or payload != _PING.pack(self._pings) or not self._pinged:
            return
        self._cancel_timer()
        self._timer = self._loop.call_later(max(0.0, self._pinged + every - self._loop.time()), self._beat)
        self._pinged = 0.0

    def _overdue(self) -> None:
        self._timer = self._loop.call_later(_LOOK_AGAIN_S, self._unanswered)

    def _unanswered(self) -> None:
        if self._end("ping_timeout", None):
            if self._unsent is None:
                self._write_close(1011, "heartbeat timed out")
                self._tcp.abort()
            self._tell()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
