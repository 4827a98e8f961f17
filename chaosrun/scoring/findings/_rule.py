"""What a rule is, and what it may look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeVar, cast

from chaosrun.records import History
from chaosrun.scoring.checks import Need
from chaosrun.scoring.evidence import Evidence
from chaosrun.scoring.recovery import Episode
from chaosrun.scoring.score import Judgement
from chaosrun.scoring.words import show

Made = TypeVar("Made")
Severity = Literal["critical", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")
"""Gravest first."""


class Told(NamedTuple):
    """What a rule found."""

    severity: Severity
    title: str
    """Names the bottleneck."""
    evidence: str
    """The numbers with their units, and how they are known."""
    action: str
    """What to change, and where."""


@dataclass(frozen=True)
class Seen:
    """Everything that a rule may look at."""

    evidence: Evidence
    judgement: Judgement
    _made: dict[object, object] = field(default_factory=dict, repr=False)

    def once(self, key: object, make: Callable[[], Made]) -> Made:
        """What `make` gives, made once for all rules that ask for it by this key."""
        if key not in self._made:
            self._made[key] = make()
        return cast(Made, self._made[key])

    @property
    def history(self) -> History:
        return self.evidence.history

    @property
    def doubted(self) -> frozenset[Need]:
        """What an observer that is not sound, or a machine that slowed things down, measured wrongly somewhere."""
        unsound = (c for c in self.judgement.checks if c.grade == "invalid" and c.subject in ("observer", "machine"))
        return frozenset(need for check in unsound for need in check.clouds)

    @property
    def episodes(self) -> tuple[Episode, ...]:
        return self.evidence.recovery.episodes if self.evidence.recovery else ()

    def faults_of(self, episode: Episode) -> str:
        """The names of its faults."""
        names = {fault.id: fault.name for fault in self.history.plan.faults}
        return ", ".join(dict.fromkeys(names.get(fault, fault) for fault in episode.faults))


@dataclass(frozen=True)
class Rule:
    """One thing that may be found."""

    id: str
    """Stable, in kebab-case: `rule` of a finding in `result.json`."""
    look: Callable[[Seen], Iterable[Told]]
    needs: frozenset[Need] = frozenset()
    """The rule is silent where any of these cannot be trusted."""
    less_than: frozenset[str] = frozenset()
    """Rules that say the same and more: it is silent where one of them found something."""


TIMES: frozenset[Need] = frozenset({"lag", "journal"})
"""What a time that a client saw depends on."""
COUNTS: frozenset[Need] = frozenset({"journal"})
"""What a count of what clients recorded depends on."""


def seconds(ns: float) -> str:
    """`1.23 s`."""
    return show(ns / 1e9, "s")


def share(part: int, whole: int) -> str:
    """`12 of 300 (4%)`."""
    return f"{part:,} of {whole:,} ({show(part / whole, 'ratio')})" if whole else f"{part:,}"


def several(number: int, what: str) -> str:
    """`1 client`, `2 clients`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def named(names: Iterable[str], most: int = 3) -> str:
    """The first few, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"
