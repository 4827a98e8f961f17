"""The types of a target: what is under test, where it is, and which processes make it up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from chaosrun.spec.base import (
    Broken,
    Count,
    File,
    Line,
    Many,
    MayHideSecret,
    Model,
    Name,
    Open,
    Span,
    Text,
    Title,
    Variables,
)
from chaosrun.spec.protocol import SECOND
from chaosrun.spec.proxy import Proxy
from chaosrun.spec.ready import Ready
from chaosrun.spec.secret import Secret

MILLISECOND = SECOND // 1000


class ProcessSelector(Model):
    """Finds running processes by name and command line."""

    name: Line
    cmdline_contains: Many[Line] = ()
    """Each must occur in the command line."""
    cmdline_excludes: Many[Line] = ()
    """None may occur in the command line."""
    wineprefix: Line | None = None
    expect: Count = 1
    """How many processes must match; another number is refused before any load."""
    start: Many[Text] = ()
    """The command that starts it again; without one only a supervisor does."""


def _process(value: Any) -> Any:
    """`process: NAME` is short for `process: {name: NAME}`."""
    return {"name": value} if isinstance(value, str) else value


class ComposeService(Model):
    """The container of a service of a compose project, found by the labels that compose gives it."""

    service: Annotated[Line, Field(min_length=1)]
    project: Line | None = None
    """None: only one project has such a service."""


class Role(Model):
    """A part of the system under test: processes, a container or a unit that is found, or what chaosrun starts."""

    process: Annotated[ProcessSelector | None, BeforeValidator(_process)] = None
    command: Many[Text] = ()
    """Program and arguments; started before the load, stopped after it."""
    cwd: Line | None = None
    """Working directory of `command`."""
    env: Variables = Field(default_factory=dict)
    """Added to the environment of `command`."""
    ready: Ready | None = None
    admin: Annotated[Line, Field(pattern=r"^https?://")] | None = None
    """Base URL of the switches that it offers, for `fault: http`."""
    container: Annotated[Line, Field(min_length=1)] | None = None
    """Name of a container; with `process`, that process inside it."""
    compose: ComposeService | None = None
    """In place of `container`."""
    systemd: Annotated[str, Field(pattern=r"^[A-Za-z0-9:_.\\@-]+\.service$")] | None = None
    """A unit of systemd, such as `bridge.service`; its main process."""

    @property
    def is_container(self) -> bool:
        """It is a container, or a process inside one."""
        return self.container is not None or self.compose is not None

    def rules(self) -> Iterator[Broken]:
        if self.is_container and self.systemd is None:
            yield from self._container_rules()
        elif sum((self.process is not None, bool(self.command), self.systemd is not None, self.is_container)) != 1:
            text = (
                "a role needs exactly one of `process`, `container`, `compose` and `systemd` (found) and `command` "
                "(started by chaosrun)"
            )
            yield Broken(text, ("process", "container", "compose", "systemd", "command"))
        if self.process is not None or self.is_container or self.systemd is not None:
            if self.cwd is not None or self.env:
                yield Broken("`cwd` and `env` go with `command`", ("process", "command", "cwd", "env"))
            if self.ready is not None and self.ready.log is not None:
                text = "`ready: {log: ...}` goes with `command`; of what is found no output is seen"
                yield Broken(text, ("process", "command", "ready"))

    def _container_rules(self) -> Iterator[Broken]:
        if self.container is not None and self.compose is not None:
            yield Broken("`container` and `compose` name the same thing; write one of them", ("container", "compose"))
        if self.command:
            text = "a container is found, `command` is started by chaosrun; write one of them"
            yield Broken(text, ("container", "compose", "command"))
        if self.process is not None and self.process.start:
            text = "chaosrun starts nothing inside a container; take `start` out, and leave it to a supervisor there"
            yield Broken(text, ("container", "compose", "process"))


class Prober(Model):
    """The observer that is no part of the load: an echo on a standing connection, and fresh handshakes."""

    every: Span = 10 * MILLISECOND
    connect_every: Span = 250 * MILLISECOND


def _by_websocket(value: Any) -> Any:
    """One place has one spelling inside, whichever of the two is spoken there."""
    if isinstance(value, Secret):
        return Secret(_by_websocket(value.reveal()), _by_websocket(str(value)))
    return _HTTP.sub(r"ws\1://", value) if isinstance(value, str) else value


_HTTP = re.compile(r"^http(s?)://")
_SAME_PLACE = BeforeValidator(_by_websocket)


class Target(File):
    """The system under test: an embedded reference service, or a URL with its roles."""

    title: Title = ""
    reference: str | None = None
    """Name of a reference service, which chaosrun starts and stops."""
    options: dict[str, Open] = Field(default_factory=dict)
    """The reference service's own switches."""
    url: Annotated[Line, Field(pattern=r"^(ws|http)s?://"), MayHideSecret, _SAME_PLACE] | None = None
    """Where it is; `http://` names the same place as `ws://`, and `https://` as `wss://`."""
    allow: Many[Line] = ()
    """Hosts other than loopback that may be put under load."""
    roles: dict[Name, Role] = Field(default_factory=dict, max_length=100)
    ready: Ready | None = None
    proxy: Proxy | None = None
    """None: load and prober go to the service straight."""
    prober: Prober = Prober()

    def rules(self) -> Iterator[Broken]:
        if (self.reference is None) == (self.url is None):
            text = "needs exactly one of `reference` (an embedded service) and `url` (your own)"
            yield Broken(text, ("reference", "url"))
        elif self.reference is not None and self.roles:
            yield Broken("a `reference` brings its own roles; `roles` goes with `url`", ("reference", "url", "roles"))
        elif self.url is not None and self.options:
            yield Broken("`options` are those of a `reference`", ("reference", "url", "options"))
