"""What a run would do, as data: what `--dry-run` tells, in words and as JSON (docs/dry-run.md). Times are seconds."""

from __future__ import annotations

import msgspec


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A machine that the run connects to."""

    host: str
    is_this: bool
    """It is the machine that chaosrun runs on."""
    is_hit: bool
    """Load or faults reach it; otherwise it is only asked how it is."""
    because: tuple[str, ...]
    """The keys of the experiment, or the variables of the environment, that say so."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """One group of clients."""

    group: str
    clients: int
    protocol: str
    requests_per_s: float | None
    """Of the whole group, sentinels included; None: its clients only listen."""
    ramp_s: float
    workers: int
    ways: tuple[str, ...] = ()
    """How its clients connect and read, where that is not as usual, in words."""


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    planned_s: float | None
    """None: it lasts until what it waits for is there."""
    at_most: bool = False
    """It ends sooner where what it waits for comes sooner."""


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the system under test."""

    name: str
    what: str
    found: tuple[str, ...]
    """What it is now: processes with their command lines, or its container."""
    is_ours: bool
    """The run starts it, so that there is nothing to be found yet."""
    refused: str | None = None
    """Why the run would be refused because of it."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One fault of the method, or a step of the rollbacks."""

    id: str
    name: str
    kind: str
    role: str | None
    keys: str
    """What the step says of its kind, defaults included."""
    begins_s: float | None
    """After the method began, when all goes as planned; None: a rollback, which comes when all else is over."""
    is_sustained: bool
    for_s: float | None
    """Sustained: undone after so long; None: when the method ends."""
    times: int
    every_s: float
    hits: tuple[str, ...]
    """Empty: that is not known before the run."""
    confirmed: str
    undone: str | None
    """None: that is not known before the run."""
    refused: str | None = None


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """As `chaosrun doctor EXPERIMENT` tells it."""

    name: str
    state: str
    found: str
    needed_for: str


class Foreseen(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it would be if it began now."""

    schema: int = 1
    dry_run: bool = True
    title: str
    experiment: str
    experiment_sha256: str
    profile: str | None
    repeat: int
    target: str
    proxy: str | None
    probe_every_s: float
    connect_every_s: float
    """How often the prober asks for an echo, and how often for a fresh connection."""
    machines: tuple[Machine, ...]
    is_asked_about: bool
    """Load or faults reach another machine: it wants a yes on a terminal, and `--yes` without one."""
    load: tuple[Load, ...]
    played: str = ""
    """Where, in words, if that is not in processes of this machine."""
    phases: tuple[Phase, ...]
    longest_s: float | None
    """The run is ended then at the latest."""
    roles: tuple[Role, ...]
    faults: tuple[Fault, ...]
    rollbacks: tuple[Fault, ...]
    against: str | None = None
    """The earlier runs that it would be held against, in words, or why it would not be; None: nobody asked."""
    guards: tuple[str, ...]
    reports: str
    """Where the run's folder would be."""
    needs: tuple[Need, ...]
    refused: tuple[str, ...]
    """Why it would not begin; empty: it would."""
    exit_code: int
    """0: it would begin, else that of the refusal."""
