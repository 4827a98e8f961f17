"""The HTTP API of Toxiproxy 2: requests in, answers out, without a socket of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec

from chaosrun import __version__
from chaosrun.proxy.collection import Collection
from chaosrun.proxy.problem import Problem
from chaosrun.proxy.proxy import Proxy
from chaosrun.proxy.toxic import changed_toxic, new_toxic

VERSION = f"2.12.0+chaosrun-{__version__}"
"""The version of Toxiproxy whose API this is, and who speaks it."""

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"


class Answer(NamedTuple):
    """What goes back to whoever asked."""

    status: int
    body: bytes = b""
    content_type: str = JSON


Handler = Callable[[list[str], bytes], Awaitable[Answer]]


class Api:
    """Answers requests, one after the other."""

    def __init__(self, collection: Collection) -> None:
        self._all = collection
        self._one_at_a_time = asyncio.Lock()
        self._routes: dict[str, dict[str, Handler]] = {
            "/version": {"GET": self._version},
            "/reset": {"POST": self._reset},
            "/populate": {"POST": self._populate},
            "/proxies": {"GET": self._list, "POST": self._create},
            "/proxies/*": {"GET": self._show, "POST": self._update, "PATCH": self._update, "DELETE": self._delete},
            "/proxies/*/toxics": {"GET": self._toxics, "POST": self._add},
            "/proxies/*/toxics/*": {
                "GET": self._toxic,
                "POST": self._change,
                "PATCH": self._change,
                "DELETE": self._remove,
            },
        }

    async def answer(self, method: str, path: str, body: bytes, user_agent: str = "") -> Answer:
        """What a request gets; it never raises for what a request may contain."""
        if user_agent.startswith("Mozilla/"):
            # A page of some other site must not reach a proxy that listens on loopback.
            return Answer(403, b"User agent not allowed\n", TEXT)
        parts = [unquote(part) for part in path.split("?", maxsplit=1)[0].split("/")[1:]]
        # A proxy may have any name: what stands at an odd place is one.
        shape = "".join(f"/{'*' if index % 2 else part}" for index, part in enumerate(parts))
        methods = self._routes.get(shape)
        if methods is None:
            return Answer(404, b"404 page not found\n", TEXT)
        if method not in methods:
            return Answer(405)
        async with self._one_at_a_time:
            try:
                return await methods[method](parts[1::2], body)
            except Problem as problem:
                return Answer(problem.status, _json(_error(problem)) + b"\n", TEXT)

    async def _version(self, _names: list[str], _body: bytes) -> Answer:
        return Answer(200, _json({"version": VERSION}) + b"\n", f"{JSON};charset=utf-8")

    async def _reset(self, _names: list[str], _body: bytes) -> Answer:
        await self._all.reset()
        return Answer(204)

    async def _populate(self, _names: list[str], body: bytes) -> Answer:
        done: list[Proxy] = []
        try:
            await self._all.populate(body, done)
        except Problem as problem:
            return Answer(problem.status, _json({**_error(problem), "proxies": _proxies(done)}))
        return Answer(201, _json({"proxies": _proxies(done)}))

    async def _list(self, _names: list[str], _body: bytes) -> Answer:
        return Answer(200, _json({proxy.name: _proxy(proxy) for proxy in self._all.proxies}))

    async def _create(self, _names: list[str], body: bytes) -> Answer:
        return Answer(201, _json(_proxy(await self._all.create(body))))

    async def _show(self, names: list[str], _body: bytes) -> Answer:
        return Answer(200, _json(_proxy(self._all.get(names[0]))))

    async def _update(self, names: list[str], body: bytes) -> Answer:
        return Answer(200, _json(_proxy(await self._all.change(names[0], body))))

    async def _delete(self, names: list[str], _body: bytes) -> Answer:
        await self._all.delete(names[0])
        return Answer(204)

    async def _toxics(self, names: list[str], _body: bytes) -> Answer:
        return Answer(200, _json(self._all.get(names[0]).toxics))

    async def _add(self, names: list[str], body: bytes) -> Answer:
        proxy, toxic = self._all.get(names[0]), new_toxic(body)
        proxy.add(toxic)
        return Answer(200, _json(toxic))

    async def _toxic(self, names: list[str], _body: bytes) -> Answer:
        return Answer(200, _json(self._all.get(names[0]).toxic(names[1])))

    async def _change(self, names: list[str], body: bytes) -> Answer:
        proxy = self._all.get(names[0])
        toxic = changed_toxic(proxy.toxic(names[1]), body)
        proxy.change(toxic)
        return Answer(200, _json(toxic))

    async def _remove(self, names: list[str], _body: bytes) -> Answer:
        self._all.get(names[0]).remove(names[1])
        return Answer(204)


def _proxy(proxy: Proxy) -> dict[str, Any]:
    return {
        "name": proxy.name,
        "listen": proxy.listen,
        "upstream": proxy.upstream,
        "enabled": proxy.enabled,
        "toxics": proxy.toxics,
    }


def _proxies(proxies: list[Proxy]) -> list[dict[str, Any]] | None:
    return [_proxy(proxy) for proxy in proxies] or None


def _error(problem: Problem) -> dict[str, Any]:
    return {"error": problem.reason, "status": problem.status}


_json = msgspec.json.encode
