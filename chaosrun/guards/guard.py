"""What a guard is: what it looks at, its limit, and how long or how much of it must burn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

BLIND_AFTER_NS: Final = 10_000_000_000
"""The least time for which nothing must be readable before a guard counts as blind."""


@dataclass(frozen=True)
class OfLoad:
    """A metric of a load group; None: of every group by itself that has what it measures."""

    metric: str
    group: str | None = None


@dataclass(frozen=True)
class OfRole:
    """CPU (a share of one core, or with `of_machine` of all) or memory (bytes) of a role with its children."""

    metric: str
    role: str
    of_machine: bool = False


@dataclass(frozen=True)
class Endpoint:
    """An HTTP address outside the run that says whether all is well: by its status, and by what is in its answer."""

    url: str = field(repr=False)
    """As it is asked, with its secrets in clear."""
    shown: str = ""
    """For people: without its query, which may hold what nobody declared a secret."""
    statuses: tuple[int, ...] = ()
    """Empty: any of 200 to 299."""
    contains: str | None = None
    lacks: str | None = None
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    """In clear too."""
    every_ns: int = 1_000_000_000
    timeout_ns: int = 1_000_000_000


@dataclass(frozen=True)
class Limit:
    """What is below or above it is beyond it; what is exactly at it is not."""

    below: float | None = None
    above: float | None = None

    def is_beyond(self, value: float) -> bool:
        return (self.below is not None and value < self.below) or (self.above is not None and value > self.above)


@dataclass(frozen=True)
class For:
    """It burns through when it was beyond its limit throughout, and so many times in a row (of an endpoint)."""

    for_ns: int
    failures: int = 1

    @property
    def longest_ns(self) -> int:
        return self.for_ns


@dataclass(frozen=True)
class Burn:
    """It burns through when it was beyond its limit for this share of the long window and of the short one."""

    share: float
    long_ns: int
    short_ns: int

    @property
    def longest_ns(self) -> int:
        return self.long_ns


@dataclass(frozen=True)
class Guard:
    """One entry of `stop_when`."""

    written: str
    """In words, without secrets."""
    sight: OfLoad | OfRole | Endpoint
    how: For | Burn
    limit: Limit | None = None
    """None: of an endpoint, and where each request counts by itself."""
    unit: str = ""
    """Of the metric, as in the words of a result; empty: of an endpoint."""

    @property
    def counts_requests(self) -> bool:
        """The share is one of requests rather than of time."""
        return self.limit is None and isinstance(self.sight, OfLoad)
