"""What chaosrun knows of a reference service: its parts, how they are started, and where their truth is kept."""

from __future__ import annotations

import argparse
import errno
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from chaosrun.errors import UsageError
from chaosrun.records import Published
from chaosrun.reference._published import read_published
from chaosrun.reference._values import Check

PORT_TAKEN = errno.EADDRINUSE
"""Exit code of a service whose port is in use."""

READY = '"ready": ?true'
"""Pattern of the line that a part writes when it listens. An answer on its port could be another program's."""


def admin_port(role: str) -> str:
    """What the port of a role's switches goes by."""
    return f"{role} admin"


class Service(ABC):
    """A reference service."""

    name: str
    roles: tuple[str, ...]
    """Its parts, each a process, in the order in which they are started."""
    entry: str
    """The role that clients connect to."""
    path: str
    """Of its WebSocket."""
    switched: tuple[str, ...] = ()
    """Those of its parts that offer switches, at a port of their own: `admin_port(role)` among the ports."""
    prober_account: str | None = None
    """An account that the prober may use, apart from those of the load."""
    known: ClassVar[Mapping[str, Check]]
    """Its options, with what reads their values."""

    def options(self, given: Mapping[str, object]) -> Mapping[str, str]:
        """The experiment's `options`, checked, as texts for the command line. Raises `UsageError`."""
        unknown = sorted(given.keys() - self.known.keys())
        if unknown:
            raise UsageError(f"{self.name} has no option {unknown[0]!r}; known: {', '.join(sorted(self.known))}")
        texts = {key: _text(value) for key, value in given.items()}
        for key, text in texts.items():
            try:
                self.known[key](text)
            except argparse.ArgumentTypeError as error:
                raise UsageError(f"{self.name}, option {key}: {error}") from None
        return texts

    @abstractmethod
    def argv(self, role: str, ports: Mapping[str, int], directory: Path, options: Mapping[str, str]) -> Sequence[str]:
        """How to start one part: its ports by role, `directory` for its logs, `options` as checked."""

    @abstractmethod
    def read_published(self, directory: Path, origin_ns: int) -> Iterator[Published]:
        """What its own log says it published, in run time: nanoseconds after `origin_ns`, possibly negative."""


class Alone(Service):
    """A service of one program, `server`, which publishes by itself."""

    roles = ("server",)
    entry = "server"
    switched = ("server",)
    module: str

    def argv(self, role: str, ports: Mapping[str, int], directory: Path, options: Mapping[str, str]) -> Sequence[str]:
        logs = ["--log", str(directory / _LOG), "--events", str(directory / _EVENTS)]
        return [*program(self.module, role, ports), *logs, *switches(self.known, options)]

    def read_published(self, directory: Path, origin_ns: int) -> Iterator[Published]:
        return read_published(directory / _LOG, origin_ns)


_LOG = "server.published"
_EVENTS = "server.events.jsonl"


def program(module: str, role: str, ports: Mapping[str, int]) -> list[str]:
    """The command line of a part, but for its options."""
    admin = ["--admin-port", str(ports[admin_port(role)])] if admin_port(role) in ports else []
    # -P: the working directory is of others, whose modules may have the names of ours.
    command = [sys.executable, "-P", "-m", f"chaosrun.reference.{module}", "--port", str(ports[role])]
    return [*command, "--die-with-stdin", *admin]


def switches(known: Iterable[str], options: Mapping[str, str]) -> list[str]:
    """Those of the `options` that a program knows, as it knows them."""
    return [word for key in known if key in options for word in _switch(key, options[key])]


def _switch(key: str, value: str) -> list[str]:
    flag = f"--{key.replace('_', '-')}"
    if value in ("true", "false"):
        return [flag] if value == "true" else []
    return [flag, value]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
