"""Disturb a link of the target's proxy by a toxic, or switch it off.

The proxy is a Toxiproxy server: the real one or the embedded one, driven alike. What was asked for is read back from
it, and what it does is seen by a fresh client through the link.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final, Literal

import msgspec

from chaosrun.errors import Dirty, Unavailable
from chaosrun.faults._base import Confirmation, Fault, World
from chaosrun.faults._sight import Sight, see
from chaosrun.faults._toxic_effects import effect_of
from chaosrun.identity import Identity, boot_id, is_alive
from chaosrun.records import Undo
from chaosrun.scoring.words import show
from chaosrun.spec.steps import ToxiproxyStep
from chaosrun.toxics import Frozen, Link, ProxyState, Server, Toxic, Unreachable, to_its_end

NEEDED_BY_UNDO: Final = ("requests", "toxiproxy.exceptions", "toxiproxy.proxy", "toxiproxy.server", "urllib3")

DOWN: Final = "down"
_LOOKS_BEFORE: Final = 3
_EFFECT_WITHIN_S: Final = 10.0
_BETWEEN_LOOKS_S: Final = 0.02


class UndoArgs(msgspec.Struct, frozen=True, kw_only=True):
    """What `undo` needs: where the proxy is, and what of it is to go."""

    what: Literal["toxic", "down", "link"]
    """A toxic is to be taken off, the proxy switched on, or the proxy itself is to go."""
    api: str
    proxy: str
    toxic: str = ""
    bind: str
    upstream: str
    process: Identity | None
    """The server's, where it ends with the run: with it all that it did is gone."""

    @property
    def is_over(self) -> bool:
        return self.process is not None and not is_alive(self.process)


class Toxiproxy(Fault):
    kind = "toxiproxy"
    sign = "the server tells it back, and a fresh client through the link sees it"

    def __init__(self, name: str, *, link: str, toxic: Toxic) -> None:
        """`toxic` has no name yet; of type `DOWN` it stands for the link switched off."""
        super().__init__(name, sustained=True)
        self._link_name = link
        self._toxic = toxic
        self._effect = effect_of(toxic)
        self._before: Sight | None = None
        self._put_at: int | None = None

    def plan(self, world: World, identifier: str) -> Undo:
        link = self._link(world)
        name = f"{link.proxy}-{identifier}"
        self._toxic = msgspec.structs.replace(self._toxic, name=name)
        down = self._toxic.type == DOWN
        at = f"proxy {link.proxy!r} of the Toxiproxy at {link.api}"
        if down:
            return _record(identifier, f"switch {at} on again", _args_of("down", link))
        return _record(identifier, f"take toxic {name!r} off {at}", _args_of("toxic", link, name))

    async def check(self, world: World) -> None:
        link = self._link(world)
        state = await asyncio.to_thread(Server(link.api).proxy, link.proxy)
        if state is None or not state.enabled:
            told = "is switched off" if state is not None else "is not there"
            raise Unavailable(f"fault {self.name!r}: proxy {link.proxy!r} of the Toxiproxy at {link.api} {told}")

    async def prepare(self, world: World) -> None:
        link, look = self._link(world), self._effect.before
        looks = [await see(link, look)]
        while len(looks) < _LOOKS_BEFORE and looks[-1].answered is not None:
            looks.append(await see(link, look))
        self._before = min(looks, key=self._effect.rank)

    def aim(self, world: World) -> Sequence[str]:
        link, share = self._link(world), self._toxic.toxicity
        if self._toxic.type == DOWN:
            return [f"proxy {link.proxy!r} of the Toxiproxy at {link.api}: all connections to role {link.name!r}"]
        on = "every connection" if share == 1 else f"{show(share, 'ratio')} of the connections"
        return [f"proxy {link.proxy!r} of the Toxiproxy at {link.api}: {on} to role {link.name!r}"]

    async def inject(self, world: World) -> None:
        await to_its_end(partial(_put, self._link(world), self._toxic))
        self._put_at = world.now()

    async def confirm(self, world: World) -> Confirmation:
        """Fresh clients look until one sees the effect; with little toxicity that may take many."""
        before, link = self._before, self._link(world)
        assert before is not None
        if not self._effect.can_tell(before):
            return Confirmation(
                False, f"nothing can be told of the link: without the toxic a fresh client saw {before}"
            )
        end = time.monotonic() + _EFFECT_WITHIN_S
        while True:
            sight = await see(link, self._effect.look)
            told = f"a fresh client: {sight}; without the toxic: {before}"
            if self._effect.shows(before, sight):
                return Confirmation(True, told, at=self._put_at)
            if time.monotonic() >= end:
                return Confirmation(False, f"not {self._effect.expected}; {told}")
            await asyncio.sleep(_BETWEEN_LOOKS_S)

    async def remove(self, world: World) -> None:
        """Where the server freezes over it, what that costs the clients is said; the undo finds the work done."""
        link = self._link(world)
        if self._toxic.type == DOWN:
            return
        args = _args_of("toxic", link, self._toxic.name)
        try:
            made_anew = await to_its_end(partial(_take_off, Server(link.api), args))
        except Unavailable:
            return  # the undo tries again, and tells
        if made_anew:
            world.note(
                f"the Toxiproxy at {link.api} froze over taking {self._toxic.name!r} off; its proxy was made anew, "
                "which closed every connection through it"
            )

    def _link(self, world: World) -> Link:
        if self._link_name not in world.links:
            raise Unavailable(
                f"fault {self.name!r}: the run goes through no proxy to {self._link_name!r}; add to the target "
                f"`proxy: {{toxiproxy: auto, links: [{self._link_name}]}}`"
            )
        return world.links[self._link_name]


def make(step: ToxiproxyStep) -> Fault:
    """The fault that a step of the method describes."""
    toxic = Toxic(name="", type=step.toxic, stream=step.stream, toxicity=step.toxicity, attributes=dict(step.told()))
    return Toxiproxy(step.name or step.fault, link=step.proxy, toxic=toxic)


def link_record(link: Link) -> Undo:
    """How a link is taken away again that was made at somebody else's server."""
    text = f"remove proxy {link.proxy!r} from the Toxiproxy at {link.api}"
    return _record(link.proxy, text, _args_of("link", link))


def undo(record: Undo) -> None:
    """Take the toxic off, switch the proxy on, or remove it, from the record alone.

    Raises:
        Dirty: the server does not answer.
        Unavailable: it does not do it.
    """
    args = _args(record)
    with _asking(args) as server:
        if server is None:
            return
        if args.what == "toxic":
            _take_off(server, args)
        elif args.what == "link":
            server.remove(args.proxy)
        elif (state := server.proxy(args.proxy)) is not None and not state.enabled:
            server.switch(args.proxy, on=True)


def verify(record: Undo) -> bool:
    """The toxic is off, the proxy on, or the link gone; or the server that had them has ended with the run.

    Raises:
        Dirty: the server is somebody else's and does not answer.
    """
    args = _args(record)
    state = None
    with _asking(args) as server:
        if server is not None:
            state = server.proxy(args.proxy)
    if args.what == "link" or state is None:
        return state is None
    return state.toxic(args.toxic) is None if args.what == "toxic" else state.enabled


@contextlib.contextmanager
def _asking(args: UndoArgs) -> Iterator[Server | None]:
    """The server; None where it has ended with the run, as it may while it is asked: what it did is gone then."""
    if args.is_over:
        yield None
        return
    try:
        yield Server(args.api)
    except (Unreachable, Frozen) as error:
        if not args.is_over:
            raise Dirty(f"{error}; when it answers again: {_by_hand(args)}") from error


def _put(link: Link, toxic: Toxic) -> None:
    """Ask for it, and read it back.

    Raises:
        Unavailable: the server has no such proxy, will not, or says afterwards that it has not.
    """
    server = Server(link.api)
    if toxic.type == DOWN:
        server.switch(link.proxy, on=False)
    else:
        server.add(link.proxy, toxic)
    state = server.proxy(link.proxy)
    if state is None or not _is_so(state, toxic):
        raise Unavailable(
            f"Toxiproxy at {link.api} agreed to {toxic.type} on {link.proxy!r} and did not do it: {state}"
        )


def _is_so(state: ProxyState, toxic: Toxic) -> bool:
    if toxic.type == DOWN:
        return not state.enabled
    there = state.toxic(toxic.name)
    return (
        there is not None
        and (there.type, there.stream) == (toxic.type, toxic.stream)
        and abs(there.toxicity - toxic.toxicity) < 1e-6  # the real server counts in 32 bits
        and toxic.attributes.items() <= there.attributes.items()
    )


def _take_off(server: Server, args: UndoArgs) -> bool:
    """Whether the proxy had to be made anew for it, which ends its connections and takes off all of its toxics."""
    try:
        server.take_off(args.proxy, args.toxic)
    except Frozen:
        # The real server can wait for ever for a peer that does not read, and let nobody else look at the toxics of
        # this proxy meanwhile (its issues 210, 412, 558). To end the proxy still works, and frees its port.
        server.remove(args.proxy)
        server.create(args.proxy, listen=args.bind, upstream=args.upstream)
        return True
    return False


def _args_of(what: Literal["toxic", "down", "link"], link: Link, toxic: str = "") -> UndoArgs:
    return UndoArgs(
        what=what,
        api=link.api,
        proxy=link.proxy,
        toxic=toxic,
        bind=link.bind,
        upstream=link.upstream,
        process=link.process,
    )


def _record(identifier: str, text: str, args: UndoArgs) -> Undo:
    return Undo(
        id=identifier,
        kind=Toxiproxy.kind,
        what=text,
        identity={"api": args.api, "proxy": args.proxy, "toxic": args.toxic},
        args=msgspec.Raw(msgspec.json.encode(args)),
        # Somebody else's server, and what was done to it, may outlive a reboot of this machine.
        boot_id=boot_id() if args.process is not None else "",
    )


def _args(record: Undo) -> UndoArgs:
    return msgspec.json.decode(record.args, type=UndoArgs)


def _by_hand(args: UndoArgs) -> str:
    url = f"{args.api}/proxies/{args.proxy}"
    if args.what == "toxic":
        return f"curl -X DELETE {url}/toxics/{args.toxic}"
    if args.what == "link":
        return f"curl -X DELETE {url}"
    return f"""curl -X POST -d '{{"enabled": true}}' {url}"""
