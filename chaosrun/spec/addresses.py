"""Every address that an experiment names, and whether its run may reach it: loopback, and what `allow` names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from chaosrun.spec.doubt import Finding
from chaosrun.spec.hosts import host_of, host_of_pair, is_host, why_not
from chaosrun.spec.method import walk
from chaosrun.spec.model import Experiment
from chaosrun.spec.nodes import Path
from chaosrun.spec.proxy import Proxy
from chaosrun.spec.ready import Sign
from chaosrun.spec.steps import FaultStep, HttpStep
from chaosrun.spec.target import Target

_LOAD: Final = "you may put it under load, say so"
_SWITCH: Final = "you may turn its switches, say so in the target"
_PROXY: Final = "load and faults may reach it, say so"
_LOOK: Final = "it may be asked how it is, say so in the target"

_WEBSOCKET: Final = "ws://HOST:PORT/PATH"
_HTTP: Final = "http://HOST:PORT"
_PAIR: Final = "HOST:PORT"
_ANYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - what a proxy may listen on


class Address(NamedTuple):
    """One address, and what it is reached for."""

    place: Path
    written: str
    host: str | None
    """None: it names none."""
    form: str
    """How such an address is written."""
    if_so: str
    """What must be true for a host beyond this machine to be allowed."""

    @property
    def is_hit(self) -> bool:
        """Load or a fault reaches it; otherwise it is only asked how it is."""
        return self.if_so != _LOOK


def addresses_of(experiment: Experiment) -> Iterator[Address]:
    """Every address in the experiment, in the order of the target's keys, the load, the method, the rollbacks and the
    guards.

    What a command does, what a protocol's own Python class does, and where the environment says that an engine or a
    proxy is, are no addresses of the experiment.
    """
    yield from _of_target(experiment.target)
    for name, group in experiment.steady_state.load.items():
        if group.http_proxy is not None:
            yield _url(("steady_state", "load", name, "http_proxy"), group.http_proxy, _HTTP, _PROXY)
    for path, step in (*walk(experiment.method, ("method",)), *walk(experiment.rollbacks, ("rollbacks",))):
        if isinstance(step, FaultStep):
            yield from _of_fault(path, step)
    for index, guard in enumerate(experiment.stop_when):
        if guard.http is not None:
            yield _url(("stop_when", index, "http"), guard.http, _HTTP, _LOOK)


def _of_target(target: Target) -> Iterator[Address]:
    if target.url is not None:
        yield _url(("target", "url"), target.url, _WEBSOCKET, _LOAD)
    if target.ready is not None:
        yield from _sign(("target", "ready"), target.ready)
    for name, role in target.roles.items():
        place: Path = ("target", "roles", name)
        if role.ready is not None:
            yield from _sign((*place, "ready"), role.ready)
        if role.admin is not None:
            yield _url((*place, "admin"), role.admin, _HTTP, _SWITCH)
    if target.proxy is not None:
        yield from _proxy(("target", "proxy"), target.proxy)


def _of_fault(path: Path, step: FaultStep) -> Iterator[Address]:
    if step.probe is not None:
        yield from _sign((*path, "probe"), step.probe, of_target="/")
    if isinstance(step, HttpStep):
        for call, told in (("send", step.send), ("undo", step.undo)):
            if told is not None and told.url is not None:
                yield _url((*path, call, "url"), told.url, _HTTP, _SWITCH)


def address_problems(experiment: Experiment) -> Iterator[Finding]:
    """The addresses that name no host, or one that the run may not reach; and what `allow` cannot allow."""
    allow = experiment.target.allow
    for index, host in enumerate(allow):
        if not is_host(host):
            text = f"{host!r} is no host; write it as an address has it, without scheme, user, port or path"
            yield Finding(("target", "allow", index), text)
    for each in addresses_of(experiment):
        if each.host is None:
            yield Finding(each.place, f"{each.written!r} names no host; write {each.form}")
        elif (reason := why_not(each.host, allow, each.if_so)) is not None:
            yield Finding(each.place, reason, needs=(("target", "allow"),))


def _sign(place: Path, sign: Sign, of_target: str = "\0") -> Iterator[Address]:
    """Where a sign is looked for; one that begins with `of_target` is at the target's own address."""
    ways: tuple[tuple[str, str, Callable[[str], str | None]], ...] = (
        ("http", _HTTP, host_of),
        ("websocket", _WEBSOCKET, host_of),
        ("tcp", _PAIR, host_of_pair),
    )
    for key, form, read in ways:
        written = getattr(sign, key)
        if written is not None and not (form != _PAIR and written.startswith(of_target)):
            yield Address((*place, key), written, read(written), form, _LOOK)


def _url(place: Path, url: str, form: str, if_so: str) -> Address:
    return Address(place, url, host_of(url), form, if_so)


def _proxy(place: Path, proxy: Proxy) -> Iterator[Address]:
    if "://" in proxy.toxiproxy:
        yield _url((*place, "toxiproxy"), proxy.toxiproxy, _HTTP, _PROXY)
    for index, link in enumerate(proxy.all_links()):
        for key in ("listen", "upstream"):
            pair = getattr(link, key)
            host = host_of_pair(pair) if pair is not None else None
            if pair is not None and not (key == "listen" and host in _ANYWHERE):
                yield Address((*place, "links", index, key), pair, host, _PAIR, _PROXY)
