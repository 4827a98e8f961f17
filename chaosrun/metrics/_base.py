"""What a metric is: a pure function of a window, and what a person or a criterion must know to use it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from chaosrun.plan import GroupPlan
from chaosrun.scoring.checks import Need
from chaosrun.scoring.verdict import Reading
from chaosrun.scoring.window import Window
from chaosrun.scoring.words import Unit

Scope = Literal["group", "role", "run"]
About = Literal["all", "connections", "requests", "pushes"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric, as `METRICS` of its module offers it."""

    name: str
    unit: Unit
    up: bool
    """More is better."""
    meaning: str
    """One line, for `chaosrun explain metric NAME`."""
    needs: frozenset[Need]
    """The checks of the observer that it depends on."""
    slow_is_worse: bool = True
    """Whatever delays load or service can move it to its worse side only."""
    measure: Callable[[Window], Reading | None]
    """In SI base units; None without evidence."""
    at_worst: Callable[[Window], Reading | None] | None = None
    """Where slowness can move it to its better side: what it is no worse than, and slowness can only worsen."""
    per: Scope = "group"
    """What it is read of: each load group by itself, a role, or the run as a whole."""
    about: About = "all"
    """Which groups it can be read of."""
    windowed: bool = True
    """False: it has no window; it is one number of the run."""
    share_of: str | None = None
    """A count that a limit in % compares with this."""
    filters: frozenset[Literal["stream", "request"]] = frozenset()
    """The keys that narrow it down further."""

    def suits(self, group: GroupPlan) -> bool:
        """Can it be read of this group at all? HTTP groups hold no connections, listeners send no requests."""
        match self.about:
            case "connections":
                return group.kind != "http"
            case "requests":
                return group.has_requests
            case "pushes":
                return bool(group.streams)
            case _:
                return True

    @property
    def direction(self) -> Literal["up", "down"]:
        return "up" if self.up else "down"


def needs(*names: Need) -> frozenset[Need]:
    return frozenset(names)
