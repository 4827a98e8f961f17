"""What every fault is made of, and the small world it acts on.

A fault is one module, `chaosrun/faults/<kind>.py`, with

- `make(name, spec) -> Fault`: the step of an experiment as something that can be planned, injected and confirmed;
- `undo(record)` and `verify(record)`: synchronous, importable alone and acting from data only, because they are called
  when nothing else of chaosrun may be alive.

The engine knows no kinds: it writes what `plan` returns to the journal, syncs it, and only then calls `inject`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple, Protocol

from chaosrun.identity import Identity
from chaosrun.processes import Selector
from chaosrun.records import Undo


class Confirmation(NamedTuple):
    """What an observer independent of the load saw of a fault's effect."""

    verified: bool
    how: str


class Start(Protocol):
    """How a role's process is started, as data."""

    @property
    def argv(self) -> tuple[str, ...]: ...

    @property
    def cwd(self) -> str: ...


class Role(Protocol):
    """A part of the system under test: processes that are found or were started."""

    @property
    def name(self) -> str: ...

    @property
    def selector(self) -> Selector | None:
        """How its processes are found again by somebody who knows nothing of this run; None: started by it."""
        ...

    def pids(self) -> Sequence[Identity]:
        """The processes that the role is now; empty while it is down."""
        ...

    def resolve(self) -> Sequence[Identity]:
        """The same, exactly as many as are expected.

        Raises:
            Unavailable: there are more, or fewer.
        """
        ...

    def expect_exit(self) -> None:
        """A fault is about to end it: its end is no accident."""
        ...

    async def start(self) -> None:
        """Start it again if it is down; returns when the new process runs, not when it is ready."""
        ...

    def restart(self) -> Start | None:
        """How to start it again; None where only a supervisor can."""
        ...


class World(Protocol):
    """All that a fault may touch."""

    @property
    def roles(self) -> Mapping[str, Role]: ...

    def now(self) -> int:
        """Run time in ns."""
        ...


class Fault(ABC):
    """One planned disturbance of one run."""

    kind: ClassVar[str]

    def __init__(self, name: str, *, role: str | None = None, sustained: bool = False) -> None:
        self.name = name
        self.role = role
        self.sustained = sustained
        """Its effect lasts until it is removed; an instant fault is over when it is injected."""

    @abstractmethod
    def plan(self, world: World, identifier: str) -> Undo:
        """How to take it away, before it is there. Touches nothing.

        Raises:
            Unavailable: what it would hit is not there, or is more than was expected.
        """

    @abstractmethod
    async def inject(self, world: World) -> None: ...

    @abstractmethod
    async def confirm(self, world: World) -> Confirmation:
        """Wait, for a bounded time, until the effect is seen."""

    async def settle(self, world: World) -> None:  # noqa: B027 - most faults owe nothing
        """What the step still owes after its injection, such as the restart two seconds later."""

    async def remove(self, world: World) -> None:  # noqa: B027 - instant faults are over
        """Take a sustained effect away while the run is alive; afterwards `verify(record)` must hold."""


class Undoer(Protocol):
    """The two functions of a fault's module that outlive the run."""

    def undo(self, record: Undo) -> None: ...

    def verify(self, record: Undo) -> bool: ...
