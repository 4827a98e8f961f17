"""A fault that chaosrun does not inject itself: it is told when it begins and when it is over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from chaosrun.spec.base import Broken, Span
from chaosrun.spec.protocol import SECOND
from chaosrun.spec.steps.base import FaultStep


class OutsideStep(FaultStep):
    """A fault that somebody else injects, and takes away again."""

    fault: Literal["outside"]
    role: str | None = None
    """The part of the system that is hit: no other run may hit it meanwhile."""
    instant: bool = False
    """It is over at once, such as a crash that a supervisor mends: recovery counts from its beginning."""
    begin_within: Span = 300 * SECOND
    """So long it is waited for; without it nothing is proved."""
    at_most: Span = 300 * SECOND
    """So long after its beginning the run goes on, told or not that it is over."""

    def rules(self) -> Iterator[Broken]:
        if self.for_ is not None:
            text = "an outside fault is over when its injector says so; `at_most` bounds the wait for that"
            yield Broken(text, ("for",))

    def target_role(self) -> str | None:
        return self.role

    def is_sustained(self) -> bool:
        return not self.instant

    def lasts_ns(self) -> int:
        return self.begin_within + self.at_most
