"""One proxy: where it listens, where it leads, the connections through it, and the toxics that lie on them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from functools import partial

from chaosrun.proxy.addresses import listening_socket, resolve, split
from chaosrun.proxy.alarm import Alarm
from chaosrun.proxy.link import Connection, Side
from chaosrun.proxy.lots import Lots
from chaosrun.proxy.pipeline import Pipeline
from chaosrun.proxy.problem import Problem
from chaosrun.proxy.toxic import STREAMS, Stream, Toxic

BACKLOG = 4096
"""Connections the kernel may hold for us; it caps this at net.core.somaxconn. 300 clients come back at once."""

_ACCEPTS = 256
"""Clients let in before others have their turn."""

_REST_S = 0.1
"""How long nobody is let in when there is no room."""


class Surroundings:
    """What all proxies of the process share."""

    def __init__(self, alarm: Alarm, seed: int, allow_remote: bool, room: int) -> None:
        """`room` is the number of clients that there may be at once."""
        self.alarm = alarm
        self.seed = seed
        self.allow_remote = allow_remote
        self.room = room


class Proxy:
    """A listener with connections, or, while it is disabled, neither; its toxics stay either way."""

    def __init__(self, name: str, listen: str, upstream: str, surroundings: Surroundings) -> None:
        self.name = name
        self.listen = listen
        self.upstream = upstream
        self._around = surroundings
        self._listener: socket.socket | None = None
        self._clients: dict[int, _Client] = {}
        self._count = 0
        self._nobody = asyncio.Event()
        self._nobody.set()
        self._said = False
        """Whether it has complained of having no room."""
        self._toxics: list[Toxic] = []

    @property
    def enabled(self) -> bool:
        return self._listener is not None

    @property
    def toxics(self) -> list[Toxic]:
        """In the order in which data passes them, those of the way up first."""
        return [toxic for stream in STREAMS for toxic in self._toxics if toxic.stream == stream]

    def toxic(self, name: str) -> Toxic:
        """Raises `Problem` 404."""
        for toxic in self._toxics:
            if toxic.name == name:
                return toxic
        raise Problem(404, "toxic not found")

    async def start(self) -> None:
        """Listens, if it does not yet; `listen` then has the address and the port. Raises `Problem`."""
        if self.enabled:
            return
        address = await resolve(self.listen)
        if not address.loopback and not self._around.allow_remote:
            raise Problem(
                403, f"listen tcp {address}: not a loopback address; start the proxy with --allow-remote to permit it"
            )
        self._listener = listening_socket(address, BACKLOG)
        host, port = self._listener.getsockname()[:2]
        self.listen = str(address._replace(host=host, port=port))
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    async def stop(self) -> None:
        """Closes the listener and all connections; returns when they are closed."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        for client in list(self._clients.values()):
            client.abort()
        await self._nobody.wait()

    async def update(self, listen: str, upstream: str, enabled: bool) -> None:
        """Other addresses end all connections. Raises `Problem`; a proxy that cannot listen is then disabled."""
        if await self.differs(listen, upstream):
            await self.stop()
            self.listen, self.upstream = listen, upstream
        if enabled:
            await self.start()
        else:
            await self.stop()

    async def differs(self, listen: str, upstream: str) -> bool:
        """Whether these are other addresses than its own, however they are written. Raises `Problem`."""
        return str(await resolve(listen)) != self.listen or upstream != self.upstream

    def add(self, toxic: Toxic) -> None:
        """Lays a toxic on all connections, present and to come. Raises `Problem` 409."""
        if any(other.name == toxic.name for other in self._toxics):
            raise Problem(409, "toxic already exists")
        self._toxics.append(toxic)
        for connection in self._connections():
            connection.links[toxic.stream].add(toxic)

    def change(self, toxic: Toxic) -> None:
        """Gives the toxic of that name what this one has."""
        self._toxics = [toxic if other.name == toxic.name else other for other in self._toxics]
        for connection in self._connections():
            connection.links[toxic.stream].change(toxic)

    def remove(self, name: str) -> None:
        """Takes a toxic away. Raises `Problem` 404."""
        toxic = self.toxic(name)
        self._toxics.remove(toxic)
        for connection in self._connections():
            connection.links[toxic.stream].remove(name)

    def _connections(self) -> list[Connection]:
        return [client.connection for client in self._clients.values() if client.connection is not None]

    def _accept(self) -> None:
        assert self._listener is not None
        for _ in range(_ACCEPTS):
            if self._around.room <= 0:
                self._rest("as many clients as its limit of open files permits; raise it with `ulimit -n`")
                return
            try:
                sock, _peer = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                self._rest(f"cannot accept: {error.strerror}")
                return
            self._around.room -= 1
            self._count += 1
            self._nobody.clear()
            self._clients[self._count] = _Client(self._count, sock, self)

    def _rest(self, why: str) -> None:
        """Lets nobody in for a moment: the kernel keeps them waiting, and the API stays within reach."""
        if not self._said:
            sys.stderr.write(f"proxy {self.name!r}: {why}\n")
            self._said = True
        assert self._listener is not None
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        loop.call_later(_REST_S, self._go_on, self._listener)

    def _go_on(self, listener: socket.socket) -> None:
        if listener is self._listener:
            asyncio.get_running_loop().add_reader(listener, self._accept)

    def forget(self, number: int) -> None:
        """The client of that number is gone, and the service's side of it."""
        if self._clients.pop(number, None) is not None:
            self._around.room += 1
        if not self._clients:
            self._nobody.set()

    def pipeline(self, number: int, stream: Stream) -> Pipeline:
        """For one direction of the connection of that number, with the toxics of now."""
        toxics = [toxic for toxic in self._toxics if toxic.stream == stream]
        return Pipeline(toxics, Lots(self._around.seed, self.name, number, stream), time.monotonic_ns())

    @property
    def alarm(self) -> Alarm:
        return self._around.alarm


class _Client:
    """A client that was let in: first waiting for the service, then connected to it."""

    def __init__(self, number: int, sock: socket.socket, proxy: Proxy) -> None:
        self.connection: Connection | None = None
        self._number = number
        self._sock = sock
        self._proxy = proxy
        self._sides: list[Side] = []
        self._task = asyncio.get_running_loop().create_task(self._connect())
        self._task.add_done_callback(self._connected)

    def abort(self) -> None:
        """Closes everything at once."""
        self._task.cancel()
        for side in self._sides:
            side.transport.abort()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        side = partial(Side, self._gone)
        host, port = split(self._proxy.upstream)
        _transport, service = await loop.create_connection(side, host, port)
        self._sides.append(service)
        _transport, client = await loop.connect_accepted_socket(side, self._sock)
        self._sides.append(client)
        self.connection = Connection(client, service, partial(self._proxy.pipeline, self._number), self._proxy.alarm)

    def _connected(self, task: asyncio.Task[None]) -> None:
        """As with a service that is not there: a client whose service cannot be reached is let in and closed."""
        with contextlib.suppress(OSError, ValueError, asyncio.CancelledError):
            task.result()
        if self.connection is None:
            self._sock.close()
            for side in self._sides:
                side.transport.abort()
            self._gone()

    def _gone(self) -> None:
        if self._task.done() and all(side.gone for side in self._sides):
            self._proxy.forget(self._number)
