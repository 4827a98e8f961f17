"""A Toxiproxy server, spoken to safely, and the links that lead through it.

Here rather than with the faults, because the target brings links about, faults disturb them, and an undo must take a
toxic off when nothing else of the run is alive.

`toxiproxy-python` does the speaking. As it comes it keeps one server's address in a class, waits without an end, obeys
HTTP_PROXY even for loopback, reads answers of any length and takes a 500 for success. So its API consumer is replaced
by one that asks the `Server` of the context it is called in. Every change is read back by whoever made it; `/reset` is
never called, for it touches the proxies of others.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from chaosrun import asking
from chaosrun.errors import Unavailable
from chaosrun.foreign import brief
from chaosrun.identity import Identity

ROLE = "toxiproxy"
"""The role name of a proxy server that chaosrun starts: part of the instrument, not of what is under test."""

_TIMEOUT_S = (1.0, 5.0)
"""To connect, and for the whole answer. The real server itself gives up on a request after 25 s."""

_LONGEST = 1 << 20
"""Bytes of an answer; the longest is a list of proxies."""

T = TypeVar("T")

_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises of what no Toxiproxy says."""

_SHOWN = 100
"""Characters of a server's own words that an error repeats."""


class Refused(Unavailable):
    """The server answered with an error; `status` is its HTTP status."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class Unreachable(Unavailable):
    """Nobody listens at the server's address."""


class Frozen(Unavailable):
    """The server does not answer, or broke off: what was asked for may have happened, or may happen yet."""


class Toxic(msgspec.Struct, frozen=True, kw_only=True):
    """What disturbs a link, as the server's API has it."""

    name: str
    type: str
    stream: str = "downstream"
    toxicity: float = 1.0
    attributes: dict[str, int] = {}


class ProxyState(msgspec.Struct, frozen=True, kw_only=True):
    """A proxy as its server tells it."""

    name: str
    listen: str
    upstream: str
    enabled: bool
    toxics: list[Toxic] = []

    def toxic(self, name: str) -> Toxic | None:
        return next((toxic for toxic in self.toxics if toxic.name == name), None)


class Link(NamedTuple):
    """One way into a role that leads through a proxy."""

    name: str
    """The role that it leads to."""
    api: str
    """URL of the proxy server's API."""
    proxy: str
    """Its name at the server."""
    listen: str
    """HOST:PORT where clients find it."""
    bind: str
    """HOST:PORT that the server was told to listen on."""
    upstream: str
    """HOST:PORT that it leads to, as seen from the proxy server."""
    url: str
    """What clients call, a WebSocket URL; empty: plain TCP, where the service speaks first."""
    process: Identity | None
    """The server's, which this run started and ends; None: the server is somebody else's."""


@dataclass(frozen=True)
class Server:
    """A Toxiproxy server at `url`. All calls block, each bounded by `_TIMEOUT_S`.

    Raises, in all methods:
        Unreachable: nobody is there.
        Frozen: it does not answer in time.
        Refused: it says no.
    """

    url: str

    def version(self) -> str:
        """What it calls its version; older servers say it without JSON."""
        text = self.ask("GET", "/version").text.strip()
        try:
            told = msgspec.json.decode(text.encode(), type=dict[str, str])
            return brief(told["version"], _SHOWN)
        except (*_UNREADABLE, KeyError):
            return brief(text, _SHOWN)

    def proxy(self, name: str) -> ProxyState | None:
        """One proxy; None: there is none of that name. Others, which may be frozen, are not asked for."""
        try:
            answer = self.ask("GET", f"/proxies/{quote(name, safe='')}")
        except Refused as error:
            if error.status == 404:
                return None
            raise
        try:
            return msgspec.json.decode(answer.content, type=ProxyState)
        except _UNREADABLE as error:
            raise self._stranger(error, answer.status) from error

    def create(self, name: str, *, listen: str, upstream: str) -> ProxyState:
        """A new proxy, enabled. Raises `Refused` when the name or the port is taken."""
        with self._speaking() as library:
            library.server.Toxiproxy().create(upstream=upstream, name=name, listen=listen, enabled=True)
        made = self.proxy(name)
        if made is None or not made.enabled:
            raise Refused(f"{self.url} took the proxy {name!r} and has none", 500)
        return made

    def remove(self, name: str) -> None:
        """Ends a proxy and its connections; nothing where there is none."""
        with self._gone_is_fine(), self._speaking() as library:
            _named(library, name).destroy()

    def switch(self, name: str, *, on: bool) -> None:
        """Off: nobody listens any more and its connections are closed; its toxics stay."""
        with self._speaking() as library:
            proxy = _named(library, name)
            (proxy.enable if on else proxy.disable)()

    def add(self, proxy: str, toxic: Toxic) -> None:
        """Puts a toxic on a proxy: on the connections that it has, and on those to come."""
        with self._speaking() as library:
            _named(library, proxy).add_toxic(
                name=toxic.name,
                type=toxic.type,
                stream=toxic.stream,
                toxicity=toxic.toxicity,
                attributes=dict(toxic.attributes),
            )

    def take_off(self, proxy: str, toxic: str) -> None:
        """Takes a toxic off; nothing where there is none.

        The real server can freeze over this, and all of its API with it, when a connection's peer no longer reads.
        """
        with self._gone_is_fine(), self._speaking() as library:
            _named(library, proxy).destroy_toxic(toxic)

    @contextmanager
    def _speaking(self) -> Iterator[Any]:
        """Lets the library speak to this server, in this context and no other."""
        library = _library()
        token = _spoken_to.set(self)
        try:
            yield library
        except library.exceptions.ProxyExists as error:
            raise Refused(f"Toxiproxy at {self.url} has a proxy of that name", 409) from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise self._stranger(error, 200) from error
        finally:
            _spoken_to.reset(token)

    def _stranger(self, error: Exception, status: int) -> Refused:
        return Refused(f"what answers at {self.url} is no Toxiproxy: {brief(str(error), _SHOWN)}", status)

    @contextmanager
    def _gone_is_fine(self) -> Iterator[None]:
        try:
            yield
        except Refused as error:
            if error.status != 404:
                raise

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        """The answer to one request, which is no error; `body` is sent as JSON."""
        connect_s, answer_s = _TIMEOUT_S
        try:
            answer = asking.ask(
                method,
                self.url + path,
                connect_within_s=connect_s,
                within_s=answer_s,
                headers={} if body is None else {"Content-Type": "application/json"},
                body=None if body is None else msgspec.json.encode(body),
                longest=_LONGEST,
            )
        except asking.NobodyThere as error:
            raise Unreachable(f"no Toxiproxy listens at {self.url}") from error
        except asking.NoAnswer as error:
            raise Frozen(f"Toxiproxy at {self.url} does not answer {method} {path}: {error}") from error
        except ValueError as error:
            raise Refused(f"Toxiproxy at {self.url} cannot be asked {method} {path!r}", 400) from error
        told = Answer(answer.status, answer.body)
        if told.status >= 300:
            said = brief(" ".join(told.text.split()), _SHOWN)
            raise Refused(f"Toxiproxy at {self.url} answered {method} {path} with {told.status}: {said}", told.status)
        return told


class Answer(NamedTuple):
    """What a server said, as the library wants to have it."""

    status: int
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode(errors="replace")

    def json(self) -> Any:
        """Raises ValueError where it is none."""
        try:
            return msgspec.json.decode(self.content)
        except _UNREADABLE as error:
            raise ValueError(str(error)) from error


async def to_its_end(call: Callable[[], T]) -> T:
    """Run `call` in a thread. Who is cancelled still waits for it: else it could do its harm after it was undone."""
    task = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        task.exception()  # whoever is cancelled does not ask, and is not to be told at the end of the loop either
        raise


_spoken_to: ContextVar[Server] = ContextVar("the Toxiproxy server spoken to")


class _Consumer:
    """In place of the library's `APIConsumer`: speaks to the `Server` of its context."""

    @staticmethod
    def get(path: str, params: Mapping[str, str] | None = None) -> Answer:
        return _spoken_to.get().ask("GET", f"{path}?{urlencode(params)}" if params else path)

    @staticmethod
    def post(path: str, json: object = None) -> Answer:
        return _spoken_to.get().ask("POST", path, json)

    @staticmethod
    def delete(path: str) -> Answer:
        return _spoken_to.get().ask("DELETE", path)


def _named(library: Any, name: str) -> Any:
    """The library's handle on a proxy; of what it knows of one it uses the name alone."""
    return library.proxy.Proxy(name=quote(name, safe=""), upstream="", listen="", enabled=True)


@functools.cache
def _library() -> Any:
    """The library, made to speak through `_Consumer`."""
    import toxiproxy.exceptions  # noqa: PLC0415 - takes a quarter of a second, and most runs have no proxy
    import toxiproxy.proxy  # noqa: PLC0415 - as above
    import toxiproxy.server  # noqa: PLC0415 - as above

    toxiproxy.server.APIConsumer = _Consumer
    toxiproxy.proxy.APIConsumer = _Consumer
    return toxiproxy
