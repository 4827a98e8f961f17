"""A WebSocket service that misbehaves by script and writes down what it really did: `truth_server.py ORDER.json`.

It answers requests (`ask` by `answer`), tells numbered messages (`truth_feed.py`), and begins the sections of its
script when their names come in on its control socket. Its sockets are bare, on an event loop: so it decides about every
accept, reset and byte itself, and knows when each was done. What is received is timed by the kernel on arrival, so that
a busy server does not make its own truth late.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec
import uvloop
from truth_feed import Pushing
from truth_log import End, What, Writer, next_log
from truth_script import (
    PROBER,
    Act,
    AnyAct,
    Delay,
    Errors,
    HalfOpen,
    Order,
    Outage,
    Pace,
    Renumber,
    SlowShake,
    Stall,
    read_order,
)
from truth_wire import CLOSE, PING, PONG, REFUSAL, TEXT, Handshake, close_frame, frame, frames

SO_TIMESTAMPNS = 35  # <asm-generic/socket.h>; the socket module does not name it
_TIMESPEC = struct.Struct("@ll")
_ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: close() resets
ALIVE_EVERY_S = 0.001
T = TypeVar("T", bound=Act)


class Peer:
    """One connection of one client."""

    def __init__(self, server: Server, sock: socket.socket, conn: int) -> None:
        self.server = server
        self.sock = sock
        self.conn = conn
        self.client = PROBER - 1
        """PROBER - 1: it has not said who it is."""
        self.shaken = False
        self.is_open = True
        self.buffer = bytearray()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        server.loop.add_reader(sock, self.read)

    def read(self) -> None:
        try:
            data, extra, _, _ = self.sock.recvmsg(65536, 64)
        except BlockingIOError:
            return
        except OSError:
            self.end(End.PEER)
            return
        if not data:
            self.end(End.PEER)
            return
        self.buffer += data
        if not self.shaken:
            self._greet()
            return
        arrived = _arrival(extra)
        for opcode, payload in frames(self.buffer):
            if opcode == TEXT:
                self.server.hear(self, msgspec.json.decode(payload), arrived)
            elif opcode == PING and self.server.acting(HalfOpen, self.client) is None:
                self.write(frame(PONG, payload))
            elif opcode == CLOSE:
                self.write(frame(CLOSE, payload[:2]))
                self.end(End.PEER)
            if not self.is_open:
                return

    def _greet(self) -> None:
        head, found, _ = bytes(self.buffer).partition(b"\r\n\r\n")
        if found and self.client == PROBER - 1:
            handshake = Handshake(head)
            self.client = _number(handshake.who)
            self.server.greet(self, handshake)

    def shake(self, handshake: Handshake) -> None:
        if self.is_open:
            self.buffer.clear()
            self.shaken = True
            self.write(handshake.answer())
            self.server.log.note(What.SHAKEN, conn=self.conn, client=self.client)

    def write(self, data: bytes) -> bool:
        """All of it, now; False: the connection is over."""
        if not self.is_open:
            return False
        try:
            if self.sock.send(data) == len(data):
                return True
        except BlockingIOError:
            pass
        except OSError:
            self.end(End.PEER)
            return False
        self.end(End.OVERFLOW)
        return False

    def end(self, how: End, code: int = 1012) -> None:
        if not self.is_open:
            return
        self.is_open = False
        self.server.loop.remove_reader(self.sock)
        if how is End.CLOSE:
            with contextlib.suppress(OSError):
                self.sock.send(close_frame(code))
        if how is End.RST or how is End.OVERFLOW:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        elif how is not End.PEER:
            # What the client has sent meanwhile must not turn the FIN into a reset: read on until it leaves, too.
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)
            self.server.loop.add_reader(self.sock, self._linger)
        if how in (End.RST, End.OVERFLOW, End.PEER):
            self.sock.close()
        what = What.ENDED if self.shaken else What.REFUSED
        self.server.log.note(what, a=how, conn=self.conn, client=self.client)
        self.server.gone(self)

    def _linger(self) -> None:
        with contextlib.suppress(BlockingIOError):
            try:
                if self.sock.recv(65536):
                    return
            except ConnectionError:
                pass
            self.server.loop.remove_reader(self.sock)
            self.sock.close()


class Server:
    def __init__(self, order: Order) -> None:
        self.order = order
        self.script = order.script
        folder = Path(order.folder)
        self.starts = len(list(folder.glob("truth-*.log")))
        self.log = Writer(next_log(folder), order.script.entries)
        self.loop = asyncio.get_running_loop()
        self.peers: dict[int, Peer] = {}
        self.pushing = Pushing(self) if order.script.feed is not None else None
        self._random = random.Random(order.script.seed)
        self._acts: list[AnyAct] = []
        """Those in effect."""
        self._listener: socket.socket | None = None
        self._reads = False
        """Somebody may come in."""
        self._next_accept = 0.0
        self._conns = 0
        self._held: list[tuple[Peer, int]] = []
        """Requests whose replies are held back by a stall."""
        self._hanging: list[Peer] = []
        """Handshakes that nobody answers."""

    def start(self) -> None:
        self.log.note(What.STARTED, a=os.getpid())
        control = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        control.bind(self.order.control)
        control.setblocking(False)
        self.loop.add_reader(control, lambda: self.begin(control.recv(256).decode()))
        self._alive()
        self._mind_the_doors()
        for name in ("always", "restarted") if self.starts else ("always",):
            if name in self.script.sections:
                self.begin(name)
        if self.pushing is not None:
            self.pushing.start()

    def _alive(self) -> None:
        self.log.alive()
        self.loop.call_later(ALIVE_EVERY_S, self._alive)

    # ---- the script

    def begin(self, name: str) -> None:
        section = list(self.script.sections).index(name)
        self.log.note(What.SECTION, a=section)
        for number, act in enumerate(self.script.sections[name]):
            self._later(act.at, lambda act=act, number=number: self._begin(act, section, number))

    def _begin(self, act: AnyAct, section: int, number: int) -> None:
        self._acts.append(act)
        if isinstance(act, Outage):
            self._mind_the_doors()
            self._break(act)
        elif isinstance(act, Pace):
            self._mind_the_doors()
        elif isinstance(act, Renumber) and self.pushing is not None:
            self.pushing.renumber(act)
        self.log.note(What.BEGUN, a=section, b=number)
        if act.lasts is not None:
            self.loop.call_later(act.lasts, self._over, act, section, number)

    def _over(self, act: AnyAct, section: int, number: int) -> None:
        self._acts.remove(act)
        if isinstance(act, Outage | Pace):
            self._mind_the_doors()
        if isinstance(act, Outage | HalfOpen):
            hanging, self._hanging = self._hanging, []
            for peer in hanging:
                peer.end(End.RST)
        elif isinstance(act, Stall):
            self._release(act)
        self.log.note(What.OVER, a=section, b=number)

    def acting(self, kind: type[T], client: int) -> T | None:
        """The act of this kind that is in effect for a client, the one begun last."""
        for act in reversed(self._acts):
            if isinstance(act, kind) and act.concerns(client):
                return act
        return None

    def _break(self, act: Outage) -> None:
        how = {"rst": End.RST, "fin": End.FIN, "close": End.CLOSE}.get(act.how)
        if how is not None:
            for peer in [peer for peer in self.peers.values() if act.concerns(peer.client)]:
                peer.end(how, act.code)

    def _release(self, act: Stall) -> None:
        held, self._held = self._held, []
        for peer, request in held:
            if self.is_held(peer.client):
                self._held.append((peer, request))
            elif act.then == "answer":
                self._answer(peer, request)
            else:
                self.log.note(What.SWALLOWED, a=request, conn=peer.conn, client=peer.client)
        if self.pushing is not None:
            self.pushing.release(act)

    def is_held(self, client: int, of: str = "replies") -> bool:
        return any(isinstance(act, Stall) and act.of in (of, "both") and act.concerns(client) for act in self._acts)

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        if seconds <= 0:
            call()
        else:
            self.loop.call_later(seconds, call)

    # ---- the doors

    def _mind_the_doors(self) -> None:
        """Listen, let in, or not, by the acts in effect."""
        outages = [act for act in self._acts if isinstance(act, Outage) and act.clients is None]
        shut = any(act.doors == "shut" for act in outages)
        hole = any(act.doors == "hole" for act in outages)
        if shut and self._listener is not None:
            self._stop_accepting()
            self._listener.close()
            self._listener = None
            self.log.note(What.DEAF)
        elif not shut and self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.order.port), backlog=self.script.backlog)
            self._listener.setblocking(False)
            self.log.note(What.LISTENS)
        if self._listener is not None:
            if hole:
                self._stop_accepting()
            elif not self._reads:
                self._reads = True
                self.loop.add_reader(self._listener, self._accept)

    def _stop_accepting(self) -> None:
        if self._reads and self._listener is not None:
            self._reads = False
            self.loop.remove_reader(self._listener)

    def _accept(self) -> None:
        pace = self.acting(Pace, PROBER - 1)
        if pace is not None:
            now = self.loop.time()
            if now < self._next_accept:
                self._stop_accepting()
                self.loop.call_at(self._next_accept, self._mind_the_doors)
                return
            self._next_accept = max(now, self._next_accept + 1 / pace.per_s)
        assert self._listener is not None
        try:
            sock, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        self._conns += 1
        peer = self.peers[self._conns] = Peer(self, sock, self._conns)
        self.log.note(What.ACCEPTED, conn=peer.conn)
        if any(isinstance(act, Outage) and act.clients is None and act.doors == "reset" for act in self._acts):
            peer.end(End.RST)

    def greet(self, peer: Peer, handshake: Handshake) -> None:
        """A client has said who it is, and wants to come in."""
        outage = self.acting(Outage, peer.client)
        if self.acting(HalfOpen, peer.client) or (outage is not None and outage.doors == "hole"):
            self._hanging.append(peer)
        elif outage is not None and outage.doors == "503":
            peer.write(REFUSAL)
            peer.end(End.FIN)
        elif outage is not None:
            peer.end(End.RST)
        else:
            slow = self.acting(SlowShake, peer.client)
            self._later(slow.by if slow is not None else 0, lambda: peer.shake(handshake))

    def gone(self, peer: Peer) -> None:
        del self.peers[peer.conn]
        if self.pushing is not None:
            self.pushing.gone(peer)

    # ---- requests

    def hear(self, peer: Peer, message: dict[str, object], arrived: int) -> None:
        match message["op"]:
            case "ask":
                self._ask(peer, int(str(message["id"])), arrived)
            case _ if self.acting(HalfOpen, peer.client) is None and self.pushing is not None:
                self.pushing.hear(peer, message)

    def _ask(self, peer: Peer, request: int, arrived: int) -> None:
        who = {"conn": peer.conn, "client": peer.client}
        self.log.note(What.ASKED, t=arrived, a=request, b=time.monotonic_ns(), **who)
        if self.acting(HalfOpen, peer.client) is not None:
            self.log.note(What.SWALLOWED, a=request, **who)
        elif self.is_held(peer.client):
            self._held.append((peer, request))
        elif (delay := self.acting(Delay, peer.client)) is not None:
            self.loop.call_later(self._draw(delay), self._answer, peer, request)
        else:
            self._answer(peer, request)

    def _draw(self, delay: Delay) -> float:
        if delay.sigma is None:
            return self._random.uniform(delay.low, delay.high)
        return min(delay.high, self._random.lognormvariate(0, delay.sigma) * delay.low)

    def _answer(self, peer: Peer, request: int) -> None:
        errors = self.acting(Errors, peer.client)
        ok = errors is None or self._random.random() >= errors.share
        reply = b'{"op":"%s","id":%d}' % (b"answer" if ok else b"error", request)
        if peer.write(frame(TEXT, reply)):
            self.log.note(What.ANSWERED, a=request, b=int(ok), conn=peer.conn, client=peer.client)


def _number(who: str) -> int:
    """The client's number, by the name that chaosrun gives it: GROUP-NUMBER, or `prober`."""
    return PROBER if who == "prober" else int(who.rpartition("-")[2])


def _arrival(extra: list[tuple[int, int, bytes]]) -> int:
    """When the kernel took in what was read, on CLOCK_MONOTONIC."""
    for level, kind, data in extra:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, ns = _TIMESPEC.unpack(data[: _TIMESPEC.size])
            return seconds * 1_000_000_000 + ns - time.time_ns() + time.monotonic_ns()
    return time.monotonic_ns()


def _die(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """A defect of the truth server is no misbehaviour that anybody asked for: it ends at once, with its reason."""
    loop.default_exception_handler(context)
    sys.stderr.flush()
    os._exit(70)


async def serve(order: Order) -> None:
    server = Server(order)
    server.loop.set_exception_handler(_die)
    server.start()
    print("listening", flush=True)
    ended = asyncio.Event()
    server.loop.add_reader(sys.stdin.fileno(), lambda: os.read(0, 64) or ended.set())
    await ended.wait()


if __name__ == "__main__":
    uvloop.run(serve(read_order(Path(sys.argv[1]))))
