"""The types of a target: what is under test, where it is, and which processes make it up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from chaosrun.spec.base import Broken, Count, File, Later, Many, Model, Name, Open, Span, Text
from chaosrun.spec.protocol import SECOND

MILLISECOND = SECOND // 1000


class Ready(Model):
    """How readiness shows: exactly one of an HTTP 2xx, a TCP connect, a WebSocket handshake, or a line of output."""

    http: str | None = None
    """URL that must answer with 2xx."""
    tcp: str | None = None
    """HOST:PORT that must accept."""
    websocket: str | None = None
    """URL whose handshake must succeed."""
    log: str | None = None
    """Regular expression that a line of the process's output must match."""
    metric: Later = None
    within: Span = 30 * SECOND

    def rules(self) -> Iterator[Broken]:
        ways = ("http", "tcp", "websocket", "log")
        if sum(getattr(self, key) is not None for key in ways) != 1:
            yield Broken("needs exactly one of `http`, `tcp`, `websocket` and `log`", ways)


class ProcessSelector(Model):
    """Finds running processes by name and command line."""

    name: str
    cmdline_contains: Many[str] = ()
    """Each must occur in the command line."""
    cmdline_excludes: Many[str] = ()
    """None may occur in the command line."""
    wineprefix: str | None = None
    expect: Count = 1
    """How many processes must match; another number is refused before any load."""
    start: Many[Text] = ()
    """The command that starts it again; without one only a supervisor does."""


def _process(value: Any) -> Any:
    """`process: NAME` is short for `process: {name: NAME}`."""
    return {"name": value} if isinstance(value, str) else value


class Role(Model):
    """A part of the system under test: processes that are found, or one that chaosrun starts and stops."""

    process: Annotated[ProcessSelector | None, BeforeValidator(_process)] = None
    command: Many[Text] = ()
    """Program and arguments; started before the load, stopped after it."""
    cwd: str | None = None
    """Working directory of `command`."""
    env: dict[str, Text] = Field(default_factory=dict)
    """Added to the environment of `command`."""
    ready: Ready | None = None
    container: Later = None
    compose: Later = None
    systemd: Later = None

    def rules(self) -> Iterator[Broken]:
        if (self.process is not None) == bool(self.command):
            text = "a role needs exactly one of `process` (found) and `command` (started by chaosrun)"
            yield Broken(text, ("process", "command"))
        elif self.process is not None:
            if self.cwd is not None or self.env:
                yield Broken("`cwd` and `env` go with `command`", ("process", "command", "cwd", "env"))
            if self.ready is not None and self.ready.log is not None:
                text = "`ready: {log: ...}` goes with `command`; of a found process no output is seen"
                yield Broken(text, ("process", "command", "ready"))


class Prober(Model):
    """The observer that is no part of the load: an echo on a standing connection, and fresh handshakes."""

    every: Span = 10 * MILLISECOND
    connect_every: Span = 250 * MILLISECOND


class Target(File):
    """The system under test: an embedded reference service, or a URL with its roles."""

    title: str = ""
    reference: str | None = None
    """Name of a reference service, which chaosrun starts and stops."""
    options: dict[str, Open] = Field(default_factory=dict)
    """The reference service's own switches."""
    url: Annotated[str, Field(pattern=r"^wss?://")] | None = None
    allow: Many[str] = ()
    """Hosts other than loopback that may be put under load."""
    roles: dict[Name, Role] = Field(default_factory=dict)
    ready: Ready | None = None
    proxy: Later = None
    prober: Prober = Prober()

    def rules(self) -> Iterator[Broken]:
        if (self.reference is None) == (self.url is None):
            text = "needs exactly one of `reference` (an embedded service) and `url` (your own)"
            yield Broken(text, ("reference", "url"))
        elif self.reference is not None and self.roles:
            yield Broken("a `reference` brings its own roles; `roles` goes with `url`", ("reference", "url", "roles"))
        elif self.url is not None and self.options:
            yield Broken("`options` are those of a `reference`", ("reference", "url", "options"))
