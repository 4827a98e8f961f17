"""Roles that are containers, or processes inside one: `container: NAME`, `compose: {service: X}`, with `process: NAME`.

They are somebody else's, as processes that were found are: chaosrun never ends one except by a fault. What asks the
engine blocks, so whoever has an event loop calls it in a thread.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

from chaosrun.containers import Container, Docker, Engine, Gone, Sought, first_process, holds_us, main_process
from chaosrun.errors import Unavailable
from chaosrun.identity import Identity, is_alive
from chaosrun.inspected import Inspected
from chaosrun.processes import Selector, find
from chaosrun.targets import readiness
from chaosrun.targets._base import Restart
from chaosrun.targets.process import as_expected
from chaosrun.targets.readiness import Ready

_FOUND_WITHIN_S = 30.0


class ContainerRole:
    """Implements `Role`; its process is the first one of the container, seen from the host."""

    def __init__(self, name: str, sought: Sought, *, ready: Ready | None = None) -> None:
        self.name = name
        self.ready = ready
        self._sought = sought
        self._engine = Engine.here()
        self._docker: Docker | None = None
        self._asking = threading.Lock()
        self._container: Container | None = None
        self._main: Identity | None = None

    @property
    def selector(self) -> Selector | None:
        return None

    @property
    def container(self) -> Container:
        """Which container it is; known once `resolve` has found it.

        Raises:
            Unavailable: it was not looked for yet.
        """
        if self._container is None:
            raise Unavailable(f"role {self.name}: {self._sought} was not found yet")
        return self._container

    def look(self) -> Inspected:
        """How the container is now; one that was made anew under its name is the role now. Blocks.

        Raises:
            Unavailable: there is no engine, no such container, or more than one.
        """
        with self._asking:
            if self._docker is None:
                self._docker = Docker(self._engine)
            if self._container is not None:
                try:
                    return self._docker.inspect(self._container.id)
                except Gone:
                    pass
            self._container = self._docker.find(self._sought)
            return self._docker.inspect(self._container.id)

    def pids(self) -> list[Identity]:
        """By the kernel alone, since an engine at work may keep whoever measures waiting; empty before `look` has found
        the container, and where its processes are another machine's."""
        if self._container is not None and (self._main is None or not is_alive(self._main)):
            self._main = first_process(self._container.id)
        return [self._main] if self._main is not None else []

    def resolve(self) -> list[Identity]:
        seen = self.look()
        if not seen.runs:
            raise Unavailable(
                f"role {self.name}: {self._sought} does not run ({seen.state.status}); start it before the experiment"
            )
        if holds_us(seen.id):
            raise Unavailable(
                f"role {self.name}: {self._sought} is the one that chaosrun runs in, which no fault may hit; run "
                "chaosrun elsewhere, or name another container"
            )
        if seen.is_paused:
            raise Unavailable(
                f"role {self.name}: {self._sought} is paused; unpause it first: docker unpause {seen.plain_name}"
            )
        return self.pids()

    def is_alive(self) -> bool:
        return bool(self.pids()) or self.look().runs

    def expect_exit(self) -> None:
        """Nothing: its end is the engine's to notice."""

    async def start(self) -> None:
        await asyncio.to_thread(self._start)

    async def stop(self) -> None:
        """Nothing: it was there before chaosrun came."""

    async def wait_ready(self) -> int:
        """Until `ready` holds; without one, until the container runs and is healthy if it has a health check."""
        if self.ready is not None:
            return await readiness.wait_ready(self.name, self.ready, is_alive=lambda: True)
        within_s = _FOUND_WITHIN_S + (await asyncio.to_thread(self.look)).health_takes_s
        return await readiness.wait_until(self.name, f"{self._sought} being well", self._well, within_s=within_s)

    def tail(self) -> str:
        return ""

    def restart(self) -> Restart | None:
        """None: it is started through the engine, not by a command."""
        return None

    def _start(self) -> None:
        self.look()
        with Docker(self._engine) as docker:
            docker.start(self.container)

    async def _well(self) -> None:
        seen = await asyncio.to_thread(self.look)
        if not seen.is_well:
            raise readiness.NotYet(
                seen.state.status if seen.health == "none" else f"its health check says {seen.health}"
            )


class InsideRole(ContainerRole):
    """Processes inside a container, whoever starts them there: found among those of the host."""

    def __init__(self, name: str, sought: Sought, wanted: Selector, *, ready: Ready | None = None) -> None:
        super().__init__(name, sought, ready=ready)
        self._wanted = wanted

    @property
    def selector(self) -> Selector | None:
        return replace(self._wanted, container=self._container.id) if self._container is not None else None

    def pids(self) -> list[Identity]:
        return find(self.selector) if self.selector is not None else []

    def resolve(self) -> list[Identity]:
        super().resolve()
        found = self.pids()
        if main_process(self.look()) is None:
            raise Unavailable(
                f"role {self.name}: the processes of {self._sought} are not those of this machine; run chaosrun where "
                f"the engine runs ({self._engine.host}), and in a container with its host's pids"
            )
        assert self.selector is not None
        return as_expected(self.name, self.selector, found)

    def is_alive(self) -> bool:
        return bool(self.pids())

    async def wait_ready(self) -> int:
        if self.ready is not None:
            return await super().wait_ready()
        return await readiness.wait_until(
            self.name, f"a process ({self._wanted})", self._found, within_s=_FOUND_WITHIN_S
        )

    async def _found(self) -> None:
        found = await asyncio.to_thread(self.pids)
        if len(found) < self._wanted.expect:
            raise readiness.NotYet(f"{len(found)} of {self._wanted.expect} there")
