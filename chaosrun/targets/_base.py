"""What a role is: a handle on one part of the system under test, whoever started it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from chaosrun.identity import Identity
from chaosrun.records import Proxied
from chaosrun.toxics import Link

OnSpawn = Callable[[Identity], None]
"""Called with a process that exists but does not run yet: the time to write it down."""

OnExit = Callable[[Identity, int | None, bool], None]
"""Called once with a started process that ended, its exit code (-N: by signal N), and whether that was expected."""


@dataclass(frozen=True)
class Restart:
    """How to start a role's process again, as data.

    Both the command and the environment may hold secrets; `repr` leaves them out.
    """

    argv: tuple[str, ...] = field(repr=False)
    cwd: str
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What is added to chaosrun's own environment."""


class Straight:
    """A target that clients reach straight, through no proxy of ours."""

    via: str | None = None
    links: Mapping[str, Link] = MappingProxyType({})

    def proxied(self) -> Proxied | None:
        return None


class Role(Protocol):
    """A part of the system under test that can be watched, and where it is ours, started and stopped."""

    @property
    def name(self) -> str: ...

    def pids(self) -> list[Identity]:
        """The processes that are this role now, without their children; empty while it is down."""

    def resolve(self) -> list[Identity]:
        """The same, exactly as many as are expected. Raises `Unavailable` otherwise."""

    def is_alive(self) -> bool:
        """Whether at least one of its processes runs."""

    def expect_exit(self) -> None:
        """Whoever is about to end it on purpose says so, and `OnExit` reports the end as expected."""

    async def start(self) -> None:
        """Starts it, where chaosrun knows how; nothing if it runs. Raises `Unavailable`."""

    async def stop(self) -> None:
        """Ends what chaosrun started and owes an end; nothing otherwise. Never raises for a process that is gone."""

    async def wait_ready(self) -> int:
        """Waits until its `ready` condition holds; the ns it took. Raises `Unavailable`, telling what was seen."""

    def tail(self) -> str:
        """The last lines of its output, where chaosrun has it; else empty."""

    def restart(self) -> Restart | None:
        """How to start it again; None when only a supervisor can."""
