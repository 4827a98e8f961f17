"""What a run is held against: the values of earlier runs, as they are written into its own record before it begins, so
that the record can be scored again without them.
"""

from __future__ import annotations

from math import inf
from typing import Final

import msgspec

LAST_GOOD: Final = "last-good"


class Standard(msgspec.Struct, frozen=True, kw_only=True):
    """One number in the earlier runs."""

    metric: str
    """As a user writes it: `ttr`, `response_p99`."""
    group: str | None = None
    """Of which load group, where it is read of groups."""
    values: tuple[tuple[float | None, float | None], ...]
    """Of each run the value, null where it was never seen to end, and its error bound, null where nobody knows it."""

    @property
    def known(self) -> tuple[tuple[float, float | None], ...]:
        return tuple((inf if value is None else value, error) for value, error in self.values)


class Against(msgspec.Struct, frozen=True, kw_only=True):
    """Earlier runs, and their numbers."""

    named: str
    """As it was asked for: `last-good`, or the name of runs."""
    runs: tuple[str, ...]
    numbers: tuple[Standard, ...]
    why: str = ""
    """Why there are no runs."""

    @property
    def may_be_too_few(self) -> bool:
        """The last good runs become more by themselves: until then nothing is asked of them. Named runs do not."""
        return self.named == LAST_GOOD
