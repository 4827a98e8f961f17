"""Which machines a run may reach: this one, and whatever the experiment names under `allow`.

The loader sees to the addresses that are written (`spec.addresses`). What is left is what only the machine knows: where
the environment says that an engine or a proxy is, and what a local name resolves to.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from chaosrun.errors import SpecError, UsageError
from chaosrun.spec.addresses import addresses_of
from chaosrun.spec.hosts import host_of, is_allowed, is_local_name, is_loopback, why_not
from chaosrun.spec.loader import Loaded
from chaosrun.spec.nodes import Path, show_path

TOXIPROXY_URL = "TOXIPROXY_URL"
"""Environment variable that names a Toxiproxy for `toxiproxy: auto`."""
DOCKER_HOST = "DOCKER_HOST"

_UNDER_LOAD = "you may put it under load, add to the target"


class Reached(NamedTuple):
    """A machine that a run reaches, and why."""

    host: str
    where: str
    """The key of the experiment, or the variable of the environment, that says so."""
    place: Path
    """What of the experiment it is reached for."""
    is_hit: bool = True
    """By load or a fault; otherwise it is only asked how it is."""


def reached(loaded: Loaded, environment: Mapping[str, str] = os.environ) -> tuple[Reached, ...]:
    """The machines that a run of the experiment connects to, each once for each reason. Looks nothing up."""
    written = (
        Reached(each.host, show_path(each.place), each.place, each.is_hit)
        for each in addresses_of(loaded.experiment)
        if each.host is not None
    )
    return (*written, *_by_environment(loaded, environment))


def hit_elsewhere(machines: Iterable[Reached]) -> tuple[str, ...]:
    """The hosts beyond this machine that load or faults reach."""
    return tuple(sorted({each.host for each in machines if each.is_hit and not is_loopback(each.host)}))


def refuse_elsewhere(loaded: Loaded, environment: Mapping[str, str] = os.environ) -> None:
    """Refuse what would lead a run to a machine that its experiment does not name. Resolves names such as `localhost`.

    Raises:
        SpecError: with the place that it is reached for, and the line that would allow it.
    """
    allow = loaded.experiment.target.allow
    problems: list[str] = []
    resolved: dict[str, str | None] = {}
    for each in reached(loaded, environment):
        reason = why_not(each.host, allow, f"{each.where} may be used, say so in the target")
        if reason is None and is_local_name(each.host) and not is_allowed(each.host, allow):
            resolved.setdefault(each.host, _strange_address(each.host))
            address = resolved[each.host]
            if address is not None:
                reason = (
                    f"{each.host} is {address} here, which is not loopback; write 127.0.0.1, or if that machine may be "
                    f"reached, say so in the target: `allow: [{each.host}]`"
                )
        if reason is not None:
            problems.append(f"{loaded.where(each.place)}: {show_path(each.place)}: {reason}")
    if problems:
        raise SpecError(problems)


def refuse_strangers(url: str, allow: Sequence[str]) -> None:
    """Refuse a URL whose host is neither loopback nor allowed.

    Raises:
        UsageError: with the line that would allow it.
    """
    host = host_of(url)
    if host is None:
        raise UsageError(f"target url {url!r} names no host; write ws://HOST:PORT/PATH or wss://HOST/PATH")
    reason = why_not(host, allow, _UNDER_LOAD)
    if reason is not None:
        raise UsageError(f"{reason}; load and faults reach loopback only unless a host is named")


def _by_environment(loaded: Loaded, environment: Mapping[str, str]) -> Iterator[Reached]:
    target = loaded.experiment.target
    proxy = environment.get(TOXIPROXY_URL, "")
    if target.proxy is not None and target.proxy.toxiproxy == "auto" and (host := host_of(proxy)) is not None:
        yield Reached(host, f"{TOXIPROXY_URL}={without_user(proxy)}", ("target", "proxy"))
    engine = environment.get(DOCKER_HOST, "")
    if (host := _engine_host(engine)) is not None:
        for name, role in target.roles.items():
            if role.is_container:
                yield Reached(host, f"{DOCKER_HOST}={without_user(engine)}", ("target", "roles", name))


def _engine_host(where: str) -> str | None:
    """The machine on which an engine is reached; None: by a socket of this one."""
    parts = urlsplit(where if "://" in where else f"tcp://{where}")
    if parts.scheme.endswith("unix"):
        return None
    return host_of(parts.geturl())


def without_user(url: str) -> str:
    """Without the user and password that may stand before the host."""
    scheme, slashes, rest = url.rpartition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{slashes}{authority.rpartition('@')[2]}{slash}{path}"


def _strange_address(name: str) -> str | None:
    """An address of a name that is not loopback; None: there is none, or the name has no address at all."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        return None
    return next((str(target[0]) for *_, target in found if not is_loopback(str(target[0]))), None)
