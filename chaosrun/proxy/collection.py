"""All proxies of the process, by name."""

from __future__ import annotations

import msgspec

from chaosrun.proxy.problem import Problem, converted, decoded, parsed
from chaosrun.proxy.proxy import Proxy, Surroundings


class _New(msgspec.Struct):
    name: str = ""
    listen: str = ""
    upstream: str = ""
    enabled: bool = True


class _Change(msgspec.Struct):
    listen: str
    upstream: str
    enabled: bool


class Collection:
    """Proxies by name; its methods are not to be called while another is at work."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._around = surroundings
        self._proxies: dict[str, Proxy] = {}

    @property
    def proxies(self) -> list[Proxy]:
        return [self._proxies[name] for name in sorted(self._proxies)]

    def get(self, name: str) -> Proxy:
        """Raises `Problem` 404."""
        if name not in self._proxies:
            raise Problem(404, "proxy not found")
        return self._proxies[name]

    async def create(self, body: bytes) -> Proxy:
        """The proxy that the body of a request asks for. Raises `Problem`."""
        new = _checked(decoded(body, _New))
        if new.name in self._proxies:
            raise Problem(409, "proxy already exists")
        return await self._put(new)

    async def change(self, name: str, body: bytes) -> Proxy:
        """Other addresses, or on and off. Raises `Problem`."""
        proxy = self.get(name)
        given = decoded(body, _Change, listen=proxy.listen, upstream=proxy.upstream, enabled=proxy.enabled)
        await proxy.update(given.listen, given.upstream, given.enabled)
        return proxy

    async def delete(self, name: str) -> None:
        """Raises `Problem` 404."""
        await self.get(name).stop()
        del self._proxies[name]

    async def populate(self, body: bytes, done: list[Proxy]) -> None:
        """Creates what is missing, replaces what has other addresses, and leaves the rest as it is, toxics and all.

        `done` gets the proxies in order, up to where it raises `Problem`.
        """
        given = parsed(body)
        if not isinstance(given, list):
            raise Problem(400, "bad request body: expected a list of proxies")
        wanted = [_checked(converted(each, _New), f" at proxy {n}") for n, each in enumerate(given, 1)]
        for new in wanted:
            existing = self._proxies.get(new.name)
            if existing is None:
                done.append(await self._put(new))
            elif await existing.differs(new.listen, new.upstream):
                await existing.stop()
                done.append(await self._put(new))
            else:
                done.append(existing)

    async def reset(self) -> None:
        """Every proxy enabled, and no toxics. Raises `Problem`."""
        for proxy in self.proxies:
            await proxy.start()
            for toxic in proxy.toxics:
                proxy.remove(toxic.name)

    async def close(self) -> None:
        """Ends everything."""
        for proxy in self.proxies:
            await proxy.stop()

    async def _put(self, new: _New) -> Proxy:
        proxy = Proxy(new.name, new.listen, new.upstream, self._around)
        if new.enabled:
            await proxy.start()
        self._proxies[new.name] = proxy
        return proxy


def _checked(new: _New, where: str = "") -> _New:
    for field in ("name", "upstream"):
        if not getattr(new, field):
            raise Problem(400, f"missing required field: {field}{where}")
    return new
