"""A target whose ways in lead through a Toxiproxy, from the first connection of the run to the last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from chaosrun.records import Proxied, Published
from chaosrun.spec.proxy import ENTRY
from chaosrun.targets.command import CommandRole
from chaosrun.targets.own import OwnRole, OwnTarget
from chaosrun.targets.proxying import Proxying
from chaosrun.targets.reference import ReferenceTarget
from chaosrun.toxics import ROLE, Link


class Wanted(NamedTuple):
    """A link as the experiment asks for it."""

    role: str
    listen: str | None = None
    upstream: str | None = None
    """None: where clients would go without the proxy."""


class ProxiedTarget:
    """What is under test is `target`; where it is, is not touched, only the way there."""

    def __init__(self, target: ReferenceTarget | OwnTarget, proxying: Proxying, wanted: Sequence[Wanted]) -> None:
        self._target = target
        self._proxying = proxying
        self._wanted = wanted
        self._entry = target.service.entry if isinstance(target, ReferenceTarget) else ENTRY
        """The role that clients connect to."""
        self.prober_account = target.prober_account
        ours: dict[str, CommandRole] = {} if proxying.role is None else {ROLE: proxying.role}
        self.roles: dict[str, OwnRole] = {**ours, **target.roles}
        if isinstance(target, ReferenceTarget):
            target.reroute = self._reroute

    @property
    def url(self) -> str:
        return self._target.url

    @property
    def via(self) -> str | None:
        """HOST:PORT of the clients' link; None: only other parts of the target are led through the proxy."""
        link = self.links.get(self._entry)
        return None if link is None else link.listen

    @property
    def links(self) -> Mapping[str, Link]:
        return self._proxying.links

    def proxied(self) -> Proxied | None:
        """What the run goes through, for its journal."""
        return Proxied(
            t=0,
            kind=self._proxying.choice.kind,
            version=self._proxying.version,
            api=self._proxying.url,
            links={name: f"{link.listen} -> {link.upstream}" for name, link in self.links.items()},
        )

    async def start(self) -> dict[str, int]:
        """Start the proxy and its links, then the target; ns until ready by role.

        Raises:
            Unavailable: one of them does not get ready; `stop` ends what was started.
        """
        took_ns = await self._proxying.start()
        if isinstance(self._target, OwnTarget):
            for wanted in self._wanted:
                await self._lead(wanted, address_of(self._target.url), self._target.url, frozenset())
        return took_ns | await self._target.start()

    async def stop(self) -> None:
        """End both, the target first."""
        try:
            await self._target.stop()
        finally:
            await self._proxying.stop()

    def published(self, origin_ns: int) -> Iterator[Published]:
        return self._target.published(origin_ns)

    async def _reroute(self, ports: Mapping[str, int]) -> dict[str, int]:
        """Where the parts of a reference service find those that are behind a link."""
        seen = {}
        for wanted in self._wanted:
            url = self._target.url if wanted.role == self._entry else ""
            link = await self._lead(wanted, f"127.0.0.1:{ports[wanted.role]}", url, frozenset(ports.values()))
            seen[wanted.role] = int(link.listen.rpartition(":")[2])
        return seen

    async def _lead(self, wanted: Wanted, where: str, url: str, avoid: frozenset[int]) -> Link:
        upstream = wanted.upstream or where
        return await self._proxying.lead(wanted.role, upstream=upstream, url=url, listen=wanted.listen, avoid=avoid)


def address_of(url: str) -> str:
    """HOST:PORT of a WebSocket URL."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
