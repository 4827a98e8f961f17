"""What the reference services have in common as servers: who is connected, how it is sent to, switches, and the end.

A service is a `Site`: it says what its paths are and what it answers there. GET /healthz and GET /metrics are on the
same port as its WebSockets.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import msgspec
from websockets.http11 import Request

from chaosrun.reference import _program
from chaosrun.reference._admin import Admin
from chaosrun.reference._connection import Connection, Page, json_page, text_frame
from chaosrun.reference._counts import Counts, Family, common, exposition
from chaosrun.reference._misbehaviour import Misbehaviour, Sending

TRY_AGAIN_LATER: Final = 1013
"""Close code of a connection that a switch refuses; in the registry of RFC 6455's codes."""

GOING_AWAY: Final = 1001
KEEPALIVE_LOST: Final = 1011

_CLIENT_BUFFER: Final = 1 << 20
"""Bytes a client may leave unread; it is cut off then, for what nobody reads must not fill the memory."""

_LOOK_EVERY_S: Final = 0.5
_LOOKS_PER_PING: Final = 40
"""A client is pinged every 20 s; one that was not heard of since the last ping is gone."""

_REFUSING: Final = Page(HTTPStatus.SERVICE_UNAVAILABLE, b"refusing, as told\n")


class Site(ABC):
    """A service: its clients, and what it sends them."""

    name: str
    """Prefix of its metrics."""
    paths: tuple[str, ...]
    """Of its WebSockets."""

    def __init__(self, events: _program.EventLog, misbehaviour: Misbehaviour) -> None:
        self.boot_id = f"{self.name[0].upper()}{secrets.token_hex(4)}"
        self.clients: set[Connection] = set()
        self.counts = Counts()
        self.events = events
        self.misbehaviour = misbehaviour
        self.switches = misbehaviour.switches()
        self._sending = Sending(self.switches, self.deliver, stall_after_s=misbehaviour.stall_after_s)
        self._all: set[Connection] = set()
        """Those of plain requests, too."""
        self._nobody = asyncio.Event()

    # ---- what each service says for itself

    @abstractmethod
    def hear(self, connection: Connection, data: bytes) -> None:
        """A client's message."""

    def admit(self, request: Request, connection: Connection) -> Page | None:  # noqa: ARG002 - for those who care
        """The answer to a handshake that is not let in; None lets it in."""
        return None

    def welcome(self, connection: Connection, request: Request) -> None:  # noqa: B027 - not every service does something
        """A client is there."""

    def farewell(self, connection: Connection) -> None:  # noqa: B027 - as above
        """A client is gone."""

    def about(self, connection: Connection) -> Mapping[str, str | int | None]:  # noqa: ARG002 - as above
        """What the events of a client tell of it."""
        return {}

    def page_at(self, path: str, request: Request) -> Page | None:  # noqa: ARG002 - as above
        """The answer to a plain request; None: there is no such path."""
        return None

    def health(self) -> Mapping[str, object]:
        """What /healthz tells beyond `status` and `boot_id`."""
        return {}

    def families(self) -> Iterable[Family]:
        """What /metrics tells beyond what every service does."""
        return ()

    def deliver(self, connections: Iterable[Connection], frame: bytes) -> None:
        """Writes a frame to each of them."""
        for connection in connections:
            connection.send(frame)

    # ---- sending

    def reply(self, connection: Connection, message: msgspec.Struct, *, error: bool = False) -> None:
        """A message to one client."""
        self.counts.errors += error
        if connection.unread > _CLIENT_BUFFER:
            self._cut_off(connection)
            return
        self.counts.sent += 1
        self._sending.send((connection,), text_frame(msgspec.json.encode(message)))

    def push(self, connections: Iterable[Connection], payload: bytes, seq: int | None = None) -> None:
        """A message to many; `seq` where it is a publication, which may be told to be dropped or doubled."""
        frame = text_frame(payload)
        told = connections if isinstance(connections, set) else list(connections)
        for _ in range(1 if seq is None else self._sending.copies(seq)):
            self._sending.send(told, frame)
            self.counts.sent += len(told)

    def turn(self, body: bytes) -> None:
        """Turn switches. Raises `msgspec.MsgspecError` for those that there are not."""
        self.switches.turn(body)
        self.events.write("switched", **msgspec.to_builtins(self.switches))
        if self.switches.drop:
            for connection in self._all:
                connection.abort()

    def exposition(self) -> str:
        """What /metrics tells."""
        return exposition(self.name, (*common(self.counts, len(self.clients)), *self.families()))

    # ---- as the host of its connections

    def connect(self) -> Connection:
        return Connection(self)

    def made(self, connection: Connection) -> None:
        self._all.add(connection)

    def gone(self, connection: Connection) -> None:
        self._all.discard(connection)
        if not self._all:
            self._nobody.set()

    def page(self, request: Request) -> Page | None:
        path = request.path.partition("?")[0]
        if request.method != "GET":
            return Page(HTTPStatus.METHOD_NOT_ALLOWED, b"only GET is answered here\n")
        if path == "/healthz":
            return json_page({"status": "ok", "boot_id": self.boot_id, **self.health()})
        if path == "/metrics":
            return Page(HTTPStatus.OK, self.exposition().encode(), "text/plain; version=0.0.4; charset=utf-8")
        if self.switches.stall:
            return None
        if self.switches.refuse == 503:
            return _REFUSING
        return self.page_at(path, request) or self._nowhere()

    def refusal(self, request: Request, connection: Connection) -> Page | None:
        if request.path.partition("?")[0] not in self.paths:
            return self._nowhere()
        if self.switches.refuse == 503:
            return _REFUSING
        return self.admit(request, connection)

    def opened(self, connection: Connection, request: Request) -> None:
        if self.switches.drop:
            connection.abort()
            return
        if self.switches.refuse == TRY_AGAIN_LATER:
            connection.close(TRY_AGAIN_LATER, "try again later")
            return
        connection.number = self.counts.accepted
        self.counts.accepted += 1
        self.clients.add(connection)
        self.events.write("accept", conn=connection.number)
        self.welcome(connection, request)

    def received(self, connection: Connection, data: bytes) -> None:
        if connection in self.clients:
            self.counts.received += 1
            self.hear(connection, data)

    def drained(self, connection: Connection) -> None:  # noqa: B027 - as above
        """What was written has left."""

    def closed(self, connection: Connection) -> None:
        if connection in self.clients:
            self.clients.discard(connection)
            code = connection.close_code
            self.events.write("closed", conn=connection.number, **self.about(connection), code=code)
            self.farewell(connection)

    # ---- its life

    async def watch(self) -> None:
        """Cuts off, for ever, the clients that do not read, and those that are not there any more."""
        look = 0
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            look += 1
            for connection in list(self.clients):
                if connection.unread > _CLIENT_BUFFER:
                    self._cut_off(connection)
                elif (connection.number + look) % _LOOKS_PER_PING == 0:  # a few at a time
                    self._ping(connection)

    async def close(self) -> None:
        """Closes every connection with 1001, and cuts off those that do not answer."""
        for connection in list(self._all):
            connection.close(GOING_AWAY)
        if self._all:
            self._nobody.clear()
            await self._nobody.wait()

    def _ping(self, connection: Connection) -> None:
        if connection.heard:
            connection.heard = False
            connection.ping()
        else:
            connection.close(KEEPALIVE_LOST, "no answer to a ping")

    def _cut_off(self, connection: Connection) -> None:
        self.counts.cut_off += 1
        self.events.write("cut_off", conn=connection.number, **self.about(connection))
        connection.abort()

    def _nowhere(self) -> Page:
        return Page(HTTPStatus.NOT_FOUND, f"try {', '.join(self.paths)}, /healthz or /metrics\n".encode())


def options(description: str) -> argparse.ArgumentParser:
    """Those of every service."""
    parser = _program.parser(description)
    parser.add_argument("--events", type=Path, help="the server's own log")
    parser.add_argument("--admin-port", type=int, help="loopback port of the switches; without it there are none")
    Misbehaviour.add_options(parser)
    return parser


async def serve(site: Site, given: argparse.Namespace, *work: Coroutine[Any, Any, None]) -> None:
    """Serves until the program is to end; `work` is what else it does meanwhile."""
    try:
        await asyncio.sleep(site.misbehaviour.start_delay_s)
        if given.admin_port is not None:
            switches = Admin(lambda: site.switches, site.turn)
            await switches.serve(_program.listening_socket("127.0.0.1", given.admin_port))
        sock = _program.listening_socket(given.host, given.port)
        server = await asyncio.get_running_loop().create_server(site.connect, sock=sock, backlog=_program.BACKLOG)
    except BaseException:  # a busy port; Python would complain of work that was never begun
        for each in work:
            each.close()
        raise
    port = sock.getsockname()[1]
    site.events.write("listening", boot_id=site.boot_id, port=port)
    _program.say_ready(port)
    await _program.until_stopped(site.watch(), *work, die_with_stdin=given.die_with_stdin)
    site.events.write("stopping")
    server.close()
    await site.close()
