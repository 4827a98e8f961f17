"""What the names in a file may refer to beyond it: metrics, kinds of fault, protocols, reference services."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any, Literal, Protocol

from chaosrun.plan import StreamPlan

REFERENCES: dict[str, tuple[str, ...]] = {
    "agents": ("server",),
    "mt5-bridge": ("server", "terminal"),
    "stock-tracker": ("server",),
    "strategy-stream": ("server",),
}
"""The embedded reference services and the roles that each brings."""


class Metric(Protocol):
    """What a criterion needs to know of a metric; see chaosrun/metrics/_base.py."""

    @property
    def name(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def up(self) -> bool: ...
    @property
    def per(self) -> Literal["group", "role", "run"]: ...
    @property
    def about(self) -> str: ...
    @property
    def windowed(self) -> bool: ...
    @property
    def share_of(self) -> str | None: ...
    @property
    def filters(self) -> frozenset[Literal["stream", "request"]]: ...


@dataclass(frozen=True)
class Shape:
    """What the plan needs to know of a protocol: the names of its requests, and its streams."""

    requests: tuple[str, ...]
    streams: tuple[StreamPlan, ...]
    steps: tuple[str, ...] = ()
    """What a script asks."""


@dataclass(frozen=True)
class Catalogue:
    """The names that exist, and what they stand for. The functions raise errors.UsageError for a name that does not."""

    metrics: Callable[[], tuple[str, ...]]
    metric: Callable[[str], Metric]
    faults: Callable[[], tuple[str, ...]]
    fault: Callable[[str], Any]
    """The module of a fault."""
    protocol: Callable[[str], Shape]
    options: Callable[[str, Mapping[str, object]], object]
    """Checks options of a reference service, which it names."""


def installed() -> Catalogue:
    """Everything that this installation of chaosrun knows.

    The registry and the protocols lie above this floor, so they are looked up when asked for, and tests may give a
    catalogue of their own.
    """

    def registry() -> Any:
        return import_module("chaosrun.registry")

    return Catalogue(
        metrics=lambda: registry().kinds("metrics"),
        metric=lambda name: registry().load("metrics", name),
        faults=lambda: registry().kinds("faults"),
        fault=lambda name: registry().load("faults", name),
        protocol=_protocol,
        options=lambda name, given: import_module("chaosrun.reference").service(name).options(given),
    )


@lru_cache(maxsize=64)
def _protocol(reference: str) -> Shape:
    """Kept, because looking through what is installed takes longer than all the rest of loading an experiment."""
    found = import_module("chaosrun.protocols").find(reference)
    return Shape(tuple(found.requests), tuple(found.streams), tuple(found.steps))
