"""What chaosrun knows of a reference service: its parts, how they are started, and where their truth is kept."""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from chaosrun.records import Published

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
    prober_account: str
    """An account that the prober may use, apart from those of the load."""

    @abstractmethod
    def options(self, given: Mapping[str, object]) -> Mapping[str, str]:
        """The experiment's `options`, checked, as texts for the command line. Raises `UsageError`."""

    @abstractmethod
    def argv(self, role: str, ports: Mapping[str, int], directory: Path, options: Mapping[str, str]) -> Sequence[str]:
        """How to start one part: its ports by role, `directory` for its logs, `options` as checked."""

    @abstractmethod
    def read_published(self, directory: Path, origin_ns: int) -> Iterator[Published]:
        """What its own log says it published, in run time: nanoseconds after `origin_ns`, possibly negative."""
