"""Faults of the way between clients and service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from chaosrun.spec.base import Broken, Duration, Model, Name, Share, Size, Span
from chaosrun.spec.steps.base import SustainedStep


class ToxicAttributes(Model):
    """What a toxic is told; which of them it takes depends on the toxic."""

    latency: Duration | None = None
    jitter: Duration | None = None
    timeout: Duration | None = None
    """`timeout` and `reset_peer`: after so long; 0: at once, or for `timeout` never."""
    delay: Duration | None = None
    """`slow_close`: so long. `slicer`: between slices."""
    rate: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)? ?([kKM]B|[KM]iB)/s$")] | None = None
    """`bandwidth`: bytes a second, as in `64kB/s`."""
    average_size: Size | None = None
    size_variation: Size | None = None
    bytes: Size | None = None


class ToxiproxyStep(SustainedStep):
    """Puts a toxic on a link of the target's proxy; `down` switches the link off."""

    fault: Literal["toxiproxy"]
    proxy: Name = "server"
    """The link."""
    toxic: Literal["latency", "timeout", "reset_peer", "bandwidth", "slow_close", "slicer", "limit_data", "down"]
    attributes: ToxicAttributes = ToxicAttributes()
    stream: Literal["downstream", "upstream"] = "downstream"
    toxicity: Share = 1.0
    """The share of connections that it is put on."""


class NetemStep(SustainedStep):
    """Shapes the traffic of one port with the kernel's netem."""

    fault: Literal["netem"]
    device: str | None = None
    role: str | None = None
    """The network of this role's process, in place of our own."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """None: the target's."""
    direction: Literal["both", "in", "out"] = "both"
    """`in`: towards the service; `both` lengthens the round trip by twice the delay."""
    delay: Span | None = None
    jitter: Span | None = None
    loss: Share | None = None
    duplicate: Share | None = None
    corrupt: Share | None = None
    reorder: Share | None = None
    rate: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(bit|kbit|mbit|gbit)$")] | None = None

    def target_role(self) -> str | None:
        return self.role

    def rules(self) -> Iterator[Broken]:
        effects = ("delay", "loss", "duplicate", "corrupt", "reorder", "rate")
        if all(getattr(self, key) is None for key in effects):
            yield Broken(f"does nothing; give at least one of {', '.join(f'`{key}`' for key in effects)}", effects)
        if self.jitter is not None and self.delay is None:
            yield Broken("`jitter` needs `delay`", ("jitter", "delay"))
        if self.reorder is not None and self.delay is None:
            yield Broken("`reorder` needs `delay`: what is not held back overtakes", ("reorder", "delay"))
