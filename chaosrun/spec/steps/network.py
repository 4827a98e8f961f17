"""Faults of the way between clients and service, done by the kernel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from chaosrun.spec.base import Broken, Share, Span
from chaosrun.spec.steps.base import SustainedStep


class NetemStep(SustainedStep):
    """Shapes the traffic of one port with the kernel's netem."""

    fault: Literal["netem"]
    device: Annotated[str, Field(pattern=r"^[^\s/]{1,15}$")] | None = None
    """None: loopback for a target on loopback, else the only device that there is."""
    role: str | None = None
    """The network of this role's process, in place of our own."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """None: the target's."""
    direction: Literal["both", "in", "out"] = "both"
    """`in`: towards the service at the port. On loopback `both` lengthens the round trip by twice the delay; by any
    other device only one of the two leaves, and only what leaves is shaped."""
    delay: Span | None = None
    jitter: Span | None = None
    """Evenly spread around the delay."""
    loss: Share | None = None
    """TCP repairs it: it shows as latency, not as lost messages."""
    duplicate: Share | None = None
    corrupt: Share | None = None
    """One bit of a packet; its checksum gives it away, so that it counts as lost."""
    reorder: Share | None = None
    """So many overtake those that are delayed."""
    rate: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(bit|kbit|mbit|gbit)$")] | None = None

    def target_role(self) -> str | None:
        return self.role

    def rules(self) -> Iterator[Broken]:
        effects = ("delay", "loss", "duplicate", "corrupt", "reorder", "rate")
        if all(getattr(self, key) is None for key in effects):
            yield Broken(f"does nothing; give at least one of {', '.join(f'`{key}`' for key in effects)}", effects)
        if self.jitter is not None and self.delay is None:
            yield Broken("`jitter` needs `delay`", ("jitter", "delay"))
        elif self.jitter is not None and self.delay is not None and self.jitter > self.delay:
            yield Broken("`jitter` is at most the `delay`: no packet arrives before it was sent", ("jitter", "delay"))
        if self.reorder is not None and self.delay is None:
            yield Broken("`reorder` needs `delay`: what is not held back overtakes", ("reorder", "delay"))
