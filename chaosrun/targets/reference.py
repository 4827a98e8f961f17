"""The embedded target: `reference: mt5-bridge`. Starts the parts of a reference service on free ports, as roles."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Protocol

from chaosrun import reference
from chaosrun.errors import Unavailable
from chaosrun.identity import Identity
from chaosrun.records import Published
from chaosrun.reference import PORT_TAKEN, admin_port
from chaosrun.targets._base import Straight
from chaosrun.targets.command import CommandRole
from chaosrun.targets.output import Output
from chaosrun.targets.ports import free_port, why_not_listen
from chaosrun.targets.readiness import Ready

_HOST = "127.0.0.1"
_TRIES = 5


class Observer(Protocol):
    """Who is told of processes, by role; the run's journal."""

    def spawned(self, role: str, identity: Identity) -> None: ...

    def exited(self, role: str, identity: Identity, code: int | None, expected: bool) -> None: ...


Reroute = Callable[[Mapping[str, int]], Awaitable[Mapping[str, int]]]
"""Told the port of every part, says where the others are to find some of them."""


class ReferenceTarget(Straight):
    """The roles exist from the beginning and keep their ports over kills and restarts.

    `port` is the one that clients connect to, where it is not to be a free one of our choice.
    """

    def __init__(
        self,
        name: str,
        *,
        run: str,
        directory: Path,
        observer: Observer,
        options: Mapping[str, object] | None = None,
        env: Mapping[str, str] | None = None,
        ready_within_s: float = 60.0,
        port: int | None = None,
    ) -> None:
        self.service = reference.service(name)
        self.prober_account: str | None = self.service.prober_account
        self._options = self.service.options(options or {})
        self._directory = directory
        self._port = port
        self._ports: dict[str, int] = {}
        self.reroute: Reroute | None = None
        """Set before the start; None: every part is found where it is."""
        self.roles = {
            name: CommandRole(
                name,
                (),
                run=run,
                output=Output(directory / f"{name}.log"),
                env=env,
                on_spawn=partial(observer.spawned, name),
                ready=Ready("log", reference.READY, ready_within_s),
                on_exit=partial(observer.exited, name),
            )
            for name in self.service.roles
        }
        self._choose_ports()

    @property
    def base_url(self) -> str:
        """As `url` of a target that is not embedded: scheme, host and port."""
        return f"ws://{_HOST}:{self._ports[self.service.entry]}"

    @property
    def url(self) -> str:
        """Of the service's WebSocket."""
        return self.base_url + self.service.path

    @property
    def ports(self) -> Mapping[str, int]:
        return dict(self._ports)

    async def start(self) -> dict[str, int]:
        """Starts every part, each when the one before is ready; ns until ready by role. Raises `Unavailable`.

        A port that we chose, and somebody took before its use, is chosen again; the URLs hold once this has returned.
        """
        for attempt in range(1, _TRIES + 1):
            self._refuse_taken()
            try:
                return await self._start_parts()
            except Unavailable:
                taken = any(role.exit_code == PORT_TAKEN for role in self.roles.values())
                await self.stop()
                if not taken or attempt == _TRIES:
                    raise
                self._choose_ports()
        raise AssertionError("unreachable")

    async def stop(self) -> None:
        """Ends every part, the last started first."""
        for role in reversed(self.roles.values()):
            await role.stop()

    def published(self, origin_ns: int) -> Iterator[Published]:
        """What the service's own log says it published, in run time."""
        return self.service.read_published(self._directory, origin_ns)

    def _refuse_taken(self) -> None:
        if self._port is not None and (why := why_not_listen(_HOST, self._port)) is not None:
            raise Unavailable(
                f"cannot listen on {_HOST}:{self._port}: {why}; name another port, or none for one that is free"
            )

    async def _start_parts(self) -> dict[str, int]:
        took_ns = {}
        if self.reroute is not None:
            self._tell_ports(await self.reroute(self.ports))
        for name, role in self.roles.items():
            await role.start()
            took_ns[name] = await role.wait_ready()
        return took_ns

    def _choose_ports(self) -> None:
        self._ports = {} if self._port is None else {self.service.entry: self._port}
        for name in (*self.service.roles, *map(admin_port, self.service.switched)):
            if name not in self._ports:
                self._ports[name] = free_port(_HOST, frozenset(self._ports.values()))
        self._tell_ports({})

    def _tell_ports(self, rerouted: Mapping[str, int]) -> None:
        for name, role in self.roles.items():
            found_at = {**self._ports, **rerouted, name: self._ports[name]}
            role.argv = tuple(self.service.argv(name, found_at, self._directory, self._options))
            if name in self.service.switched:
                role.admin = f"http://{_HOST}:{self._ports[admin_port(name)]}"
