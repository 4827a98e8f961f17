"""Where the load is played: the key `fleet` of an experiment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from chaosrun.spec.base import TAG, Broken, Model

FleetKind = Literal["processes", "in-process", "ray"]
"""Each worker in a process of its own, all within chaosrun's, or on the nodes of a Ray cluster."""


class Ray(Model):
    """Workers on a Ray cluster."""

    address: Annotated[str, Field(min_length=1, max_length=300)] = "auto"
    """HOST:PORT of the cluster's head; `auto`: the cluster that this machine is a node of."""
    workers: Annotated[int, Field(ge=1, le=256)] | None = None
    """None: one on every node, or as many as the groups' own `workers` if that is more."""
    resources: Annotated[
        dict[str, Annotated[float, Field(gt=0, le=1e9, strict=False)]], Field(min_length=1, max_length=20)
    ] = Field(default_factory=lambda: {"CPU": 1.0})
    """What each worker reserves, by Ray's names; only nodes that have as much play."""
    spread: bool = True
    """Dealt out evenly over those nodes. False: wherever Ray puts them, which fills one node after the other."""

    def rules(self) -> Iterator[Broken]:
        if self.address.startswith("ray://"):
            yield Broken(
                "`address` is that of a Ray client, by which no worker can be heard as it goes; "
                "name the head's HOST:PORT, and make this machine a node of the cluster",
                ("address",),
            )
        elif self.address != "auto" and not is_host_and_port(self.address):
            yield Broken(
                f"{self.address!r} is no address of a Ray cluster; write HOST:PORT of its head, as in 10.0.0.1:6379, "
                "or auto: the cluster that this machine is a node of",
                ("address",),
            )


def is_host_and_port(address: str) -> bool:
    """Whether a cluster's head is named by it."""
    host, _, port = address.rpartition(":")
    return bool(host) and "/" not in host and port.isdecimal() and 0 < int(port) < 1 << 16


class OnRay(Model):
    """A fleet with its options."""

    ray: Ray = Field()


def _kind_or_options(value: object) -> str:
    return TAG + ("options" if isinstance(value, dict | OnRay) else "kind")


Fleet = Annotated[
    Annotated[FleetKind, Tag(TAG + "kind")] | Annotated[OnRay, Tag(TAG + "options")], Discriminator(_kind_or_options)
]


def kind_of(fleet: Fleet | None) -> FleetKind:
    """Which kind an experiment asks for."""
    if isinstance(fleet, OnRay):
        return "ray"
    return "processes" if fleet is None else fleet


def ray_of(fleet: Fleet | None) -> Ray:
    """The options of an experiment that is played on Ray, whoever asked for that."""
    return fleet.ray if isinstance(fleet, OnRay) else Ray()
