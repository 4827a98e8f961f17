"""Faults of the load's own clients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from chaosrun.spec.base import Broken, Count, Duration, Model, Name, Share, Span
from chaosrun.spec.steps.base import FaultStep


class CloseWith(Model):
    """A close frame with a code, and the closing handshake by the book."""

    close: Annotated[int, Field(ge=1000, le=4999)]


class ClientDisconnectStep(FaultStep):
    """Cuts clients off."""

    fault: Literal["client_disconnect"]
    group: Name | None = None
    """None: the first one."""
    clients: Count | Share = 1.0
    """A whole number of clients, or a share of the group, chosen by the seed."""
    how: Literal["rst", "fin", "silent"] | CloseWith = "rst"
    over: Duration = 0
    """One after the other, spread evenly over this time."""
    every: Span | None = None
    times: Count = 1
    """So many times, one `every` so long: a storm."""
    seed: int = 1

    def rules(self) -> Iterator[Broken]:
        if self.times > 1 and self.every is None:
            yield Broken("`times` needs `every`", ("times", "every"))
        if self.times == 1 and self.every is not None:
            yield Broken("`every` needs `times` above 1", ("times", "every"))

    def is_sustained(self) -> bool:
        return self.how == "silent"

    def lasts_ns(self) -> int:
        return self.over + (self.times - 1) * (self.every or 0)
