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
from pathlib import Path
from typing import ClassVar, Final, NamedTuple, Protocol

from chaosrun.cutting import CutOff, CutOrder
from chaosrun.identity import Identity
from chaosrun.processes import Selector, process_told
from chaosrun.records import Undo
from chaosrun.toxics import Link


class Confirmation(NamedTuple):
    """What an observer independent of the load saw of a fault's effect."""

    verified: bool
    how: str
    at: int | None = None
    """When the effect was there, in run time, where that is known better than by when it was seen."""


class Removal(NamedTuple):
    """When a fault's effect ended, in run time, where that is known better than by when it was taken away."""

    at: int | None
    """At the earliest; None: nobody knows that it ever did."""
    until: int | None = None
    """At the latest; None: at that very instant."""


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


class Clients(Protocol):
    """The clients of the load."""

    @property
    def processes(self) -> Sequence[Identity]:
        """Those that play them, and end with the run."""
        ...

    async def cut(self, call: str, order: CutOrder, wave: int) -> int:
        """Cut clients off; returns how many were meant, when the last of them was due.

        Args:
            call: names this call for `cuts` and `mend`.
            wave: of an order that is given again and again, which time it is, from 0.
        """
        ...

    async def cuts(self, call: str) -> Sequence[CutOff]:
        """What has become of a cut so far; a client that had no open connection is not in it."""
        ...

    async def mend(self, call: str) -> None:
        """Take a cut back: the silent read and write on, and who is not yet cut off will not be."""
        ...


class World(Protocol):
    """All that a fault may touch."""

    @property
    def clients(self) -> Clients: ...

    @property
    def roles(self) -> Mapping[str, Role]: ...

    @property
    def links(self) -> Mapping[str, Link]:
        """The ways into roles that lead through a proxy, by role; mostly there are none."""
        ...

    @property
    def url(self) -> str:
        """Where clients connect to; known once the target is up."""
        ...

    @property
    def folder(self) -> Path:
        """Of the run, for what a fault leaves to be read."""
        ...

    def address(self, role: str | None) -> str:
        """Base URL, without a path, of the switches of a role; of the target itself where it has none of its own."""
        ...

    def mask(self, text: str) -> str:
        """The text without the experiment's secrets."""
        ...

    def note(self, text: str) -> None:
        """Say something that happened on the way, for the journal and whoever draws the run."""
        ...

    def now(self) -> int:
        """Run time in ns."""
        ...


THIS_MACHINE: Final = "this machine"


class Ground(NamedTuple):
    """Where a fault will act, as far as it is known before anything is started, in words that people can read."""

    target: str
    """The machine that clients call: `THIS_MACHINE`, or a name."""
    network: str
    """That of its role: `THIS_MACHINE`, or a container."""


class Fault(ABC):
    """One planned disturbance of one run."""

    kind: ClassVar[str]
    sign: ClassVar[str] = "by a way of its own"
    """How its effect is confirmed, in words."""
    is_ours: ClassVar[bool] = True
    """False: somebody else injects it and takes it away, and `remove` only says when."""

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

    def aim(self, world: World) -> Sequence[str]:
        """What it would hit if it were injected now, a line each, in words; after `plan`. Looks, and touches nothing.

        Empty: that is not known before the run.
        """
        return () if self.role is None else [process_told(each) for each in world.roles[self.role].pids()]

    def holds(self, ground: Ground) -> Sequence[str]:
        """What it takes for itself while the run lasts, beside its role, as keys: no other run may hold the same."""
        return ()

    async def check(self, world: World) -> None:  # noqa: B027 - most need nothing but what was written
        """Refuse what cannot be done on this machine: the target is up, and there is no load yet. Touches nothing.

        Raises:
            Unavailable: with the remedy.
        """

    async def prepare(self, world: World) -> None:  # noqa: B027 - most effects show by themselves
        """Look at what the effect will have to be told from. Bounded, touches nothing, and nothing is owed for it."""

    @abstractmethod
    async def inject(self, world: World) -> None: ...

    @abstractmethod
    async def confirm(self, world: World) -> Confirmation:
        """Wait, for a bounded time, until the effect is seen."""

    async def settle(self, world: World) -> None:  # noqa: B027 - most faults owe nothing
        """What the step still owes after its injection, such as the restart two seconds later."""

    async def remove(self, world: World) -> int | Removal | None:
        """Take a sustained effect away while the run is alive; afterwards `verify(record)` must hold.

        Returns:
            When its effect was over (run time in ns), where it was over before this returns.
        """
        return None


class Undoer(Protocol):
    """The two functions of a fault's module that outlive the run.

    What they import when they are called, the module names in `NEEDED_BY_UNDO`, a sequence of modules: who will have to
    undo it has them imported while all is well.
    """

    def undo(self, record: Undo) -> None: ...

    def verify(self, record: Undo) -> bool: ...
