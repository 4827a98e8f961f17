"""The Toxiproxy that a run goes through: a server that is there already, or one that the run starts, and its links."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import urlsplit

import psutil

from chaosrun import proxy
from chaosrun.errors import Unavailable, UsageError
from chaosrun.identity import Identity
from chaosrun.preflight import TOXIPROXY_URL, refuse_strangers
from chaosrun.processes import essentials
from chaosrun.reference import PORT_TAKEN
from chaosrun.spec.hosts import host_of_pair, is_allowed, is_loopback
from chaosrun.targets.command import CommandRole
from chaosrun.targets.output import Output
from chaosrun.targets.ports import free_port
from chaosrun.targets.readiness import Ready
from chaosrun.toxics import ROLE, Link, ProxyState, Server, to_its_end

Kind = Literal["server", "binary", "embedded"]

BINARY = "toxiproxy-server"

_HOST = "127.0.0.1"
_READY_WITHIN_S = 30.0
_TRIES = 5
_ANYWHERE = ("0.0.0.0", "[::]", "::")  # noqa: S104 - how a server tells that it listens on all of its addresses


@dataclass(frozen=True)
class Choice:
    """Which Toxiproxy it is to be."""

    kind: Kind
    where: str
    """The URL of a server that is there, or the program to start."""


def choose(wanted: str, environment: Mapping[str, str] = os.environ) -> Choice:
    """What `toxiproxy: WANTED` means here.

    Raises:
        Unavailable: `binary`, and there is none.
        UsageError: the environment names a user or a password, which would be written down for the undo.
    """
    configured = environment.get(TOXIPROXY_URL, "").rstrip("/")
    program = shutil.which(BINARY, path=environment.get("PATH"))
    if "://" in wanted:
        return Choice("server", wanted.rstrip("/"))
    if wanted == "auto" and configured:
        if "@" in configured:
            raise UsageError(
                f"{TOXIPROXY_URL} holds a user or a password, and the address is written down so that a fault can be "
                "undone after a crash; a Toxiproxy asks for none, so take them out"
            )
        return Choice("server", configured)
    if wanted in ("auto", "binary") and program is not None:
        return Choice("binary", program)
    if wanted == "binary":
        raise Unavailable(
            f"`toxiproxy: binary`: no {BINARY} is on PATH; install it, or write `toxiproxy: embedded` or a server's URL"
        )
    return Choice("embedded", sys.executable)


class Events(Protocol):
    """Who is told of the server's process, and of what is made at a server that is somebody else's."""

    def spawned(self, role: str, identity: Identity) -> None: ...

    def exited(self, role: str, identity: Identity, code: int | None, expected: bool) -> None: ...

    def led(self, link: Link) -> None:
        """A link is about to be made at a server that will outlive the run: it must be known on disk first."""

    def unled(self, link: Link, error: str) -> None:
        """It was taken away again; `error`: it was not, and why."""


class Proxying:
    """One run's Toxiproxy. To be used from one event loop."""

    def __init__(
        self,
        choice: Choice,
        *,
        run: str,
        directory: Path,
        events: Events,
        allow: tuple[str, ...] = (),
        hidden: Collection[str] = (),
    ) -> None:
        """
        Args:
            run: the run's folder, by which its processes are told apart.
            hidden: variables of the environment that a server of ours does not get.
        """
        self.choice = choice
        self.links: dict[str, Link] = {}
        self.version = ""
        self.role: CommandRole | None = None
        self._events = events
        self._allow = allow
        self._made = 0
        self._name = f"chaosrun-{Path(run).name}-{os.getpid()}"
        if choice.kind == "server":
            refuse_strangers(choice.where, allow)
            self._server = Server(choice.where)
        else:
            self._server = Server("")
            self.role = CommandRole(
                ROLE,
                (),
                run=run,
                output=Output(directory / f"{ROLE}.log"),
                # A line for every connection of a storm would be work for chaosrun.
                env={"LOG_LEVEL": "warn"},
                inherits=essentials(hidden),
                on_spawn=lambda identity: events.spawned(ROLE, identity),
                on_exit=lambda identity, code, expected: events.exited(ROLE, identity, code, expected),
            )

    @property
    def url(self) -> str:
        return self._server.url

    async def start(self) -> dict[str, int]:
        """Start the server if it is ours; ns until it was ready.

        Raises:
            Unavailable: it does not get ready, or nobody is there.
        """
        took_ns = {}
        if self.role is not None:
            took_ns[ROLE] = await self._start(self.role)
        try:
            self.version = await asyncio.to_thread(self._server.version)
        except Unavailable as error:
            if self.role is not None:
                raise
            remedy = "start a Toxiproxy there, or take chaosrun's own with `toxiproxy: embedded`"
            raise Unavailable(f"{error}; {remedy}") from error
        return took_ns

    async def lead(
        self, role: str, *, upstream: str, url: str = "", listen: str | None = None, avoid: frozenset[int] = frozenset()
    ) -> Link:
        """Make the link to a role; one that there was to it is gone.

        Args:
            upstream: HOST:PORT as the server sees it.
            url: what clients call; empty: they speak plain TCP.
            listen: HOST:PORT for the server to listen on; None: a free port of its host.
            avoid: ports that are not to be taken.

        Raises:
            Unavailable: the server cannot.
        """
        if role in self.links:
            await self._unlead(self.links.pop(role))
        self._made += 1
        name = f"{self._name}-{role}-{self._made}"
        bind = listen if listen is not None else self._free(avoid)
        link = Link(
            name=role,
            api=self.url,
            proxy=name,
            listen=bind,
            bind=bind,
            upstream=upstream,
            url=url,
            process=next(iter(self.role.pids()), None) if self.role is not None else None,
        )
        if self.role is None:
            self._events.led(link)
        self.links[role] = link
        made = await to_its_end(partial(self._server.create, name, listen=bind, upstream=upstream))
        self.links[role] = link._replace(listen=self._reached_at(made), bind=made.listen)
        self._refuse_elsewhere(self.links[role])
        return self.links[role]

    async def stop(self) -> None:
        """Take every link away again that would outlive the run, and end the server if it is ours."""
        if self.role is not None:
            await self.role.stop()
            return
        while self.links:
            await self._unlead(self.links.popitem()[1])

    # ---- inside

    async def _start(self, role: CommandRole) -> int:
        for attempt in range(1, _TRIES + 1):
            port = free_port(_HOST)
            self._server = Server(f"http://{_HOST}:{port}")
            role.argv = self._argv(port)
            role.ready = Ready("http", f"{self._server.url}/version", _READY_WITHIN_S)
            try:
                await role.start()
                took_ns = await role.wait_ready()
            except Unavailable:
                if attempt == _TRIES or role.exit_code != PORT_TAKEN:
                    raise
            else:
                # The real server stays when its port is taken, and then somebody else answers there.
                if _listens(role, port):
                    return took_ns
            await role.stop()
        raise Unavailable(f"role {ROLE}: other programs took each of {_TRIES} ports that were free; run it again")

    def _argv(self, port: int) -> tuple[str, ...]:
        if self.choice.kind == "binary":
            return (self.choice.where, "-host", _HOST, "-port", str(port))
        return tuple(proxy.argv(host=_HOST, port=port))

    def _free(self, avoid: frozenset[int]) -> str:
        """A port for a link. Where it can be chosen, one that no client's own connection can be given: a link that is
        off for a while must get its port back."""
        host = urlsplit(self.url).hostname or _HOST
        shown = f"[{host}]" if ":" in host else host
        return f"{shown}:{free_port(host, avoid) if is_loopback(host) and ':' not in host else 0}"

    def _reached_at(self, made: ProxyState) -> str:
        host, _, port = made.listen.rpartition(":")
        if host in _ANYWHERE or not host:
            host = urlsplit(self.url).hostname or _HOST
            host = f"[{host}]" if ":" in host else host
        return f"{host}:{port}"

    def _refuse_elsewhere(self, link: Link) -> None:
        """The load goes where the server says that it listens: not to a machine that nobody has named."""
        host = host_of_pair(link.listen)
        known = (*self._allow, urlsplit(self.url).hostname or "")
        if host is None or not (is_loopback(host) or is_allowed(host, known)):
            raise Unavailable(
                f"Toxiproxy at {self.url} says that its proxy for {link.name!r} listens on {link.listen}, which is "
                "neither loopback nor allowed; give the link a `listen`, or allow that host in the target"
            )

    async def _unlead(self, link: Link) -> None:
        error = await to_its_end(partial(self._remove, link))
        if self.role is None:
            self._events.unled(link, error)

    def _remove(self, link: Link) -> str:
        """Why it could not be removed; empty: it is gone."""
        try:
            self._server.remove(link.proxy)
            return "" if self._server.proxy(link.proxy) is None else "it is still there"
        except Unavailable as failure:
            return str(failure)


def _listens(role: CommandRole, port: int) -> bool:
    """Whether it is the role's own process that has the port."""
    try:
        return any(
            each.status == psutil.CONN_LISTEN and each.laddr.port == port
            for identity in role.pids()
            for each in psutil.Process(identity.pid).net_connections(kind="tcp")
        )
    except psutil.Error:
        return False
