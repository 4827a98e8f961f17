"""A target of the user's own: a URL, with roles that are found or that chaosrun starts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping

from chaosrun.errors import Unavailable
from chaosrun.records import Published
from chaosrun.targets import readiness
from chaosrun.targets._base import Straight
from chaosrun.targets.command import CommandRole
from chaosrun.targets.container import ContainerRole
from chaosrun.targets.process import ProcessRole
from chaosrun.targets.readiness import Ready

OwnRole = CommandRole | ProcessRole | ContainerRole


class OwnTarget(Straight):
    """Starts what is to be started, in the order in which it was written, and ends that again."""

    def __init__(self, url: str, roles: Mapping[str, OwnRole], ready: Ready | None = None) -> None:
        self.url = url
        self.roles = dict(roles)
        self.prober_account: str | None = None
        self._ready = ready

    async def start(self) -> dict[str, int]:
        """Start and wait for every role, then for the target itself; ns until ready by role.

        Raises:
            Unavailable: a role is not there, or something does not get ready.
        """
        took_ns = {}
        for name, role in self.roles.items():
            if not isinstance(role, CommandRole):
                await asyncio.to_thread(role.resolve)
            await role.start()
            took_ns[name] = await role.wait_ready()
        if self._ready is not None:
            if self._ready.how == "log":
                raise Unavailable("the target's own `ready` needs http, tcp or websocket; `log` goes with a role")
            await readiness.wait_ready("target", self._ready, is_alive=lambda: True)
        return took_ns

    async def stop(self) -> None:
        """End what was started, the last first; one that cannot be ended keeps none of the others."""
        async with contextlib.AsyncExitStack() as stopping:
            for role in self.roles.values():
                stopping.push_async_callback(role.stop)

    def published(self, origin_ns: int) -> Iterator[Published]:  # noqa: ARG002 - as of any target
        """Nothing: of a target of your own, only what clients saw and the high-water marks are known."""
        return iter(())
