"""What a load consists of, and what each of its parts costs whoever plays it, as measured (docs/scale.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

Moment = Literal["held", "connect", "return"]
MOMENTS: Final[dict[Moment, str]] = {
    "held": "while the load is held",
    "connect": "while its clients connect",
    "return": "when all of them come back",
}


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What a load process needs, as measured somewhere. CPU is in seconds of one core, memory in bytes."""

    process_bytes: float
    """Of a process that has no clients yet."""
    process_cpu: float
    """Each second, whatever its clients do."""
    heard_cpu: float
    """Of such a process, each second, in the engine that hears how it is."""
    client_bytes: float
    client_cpu: float
    """Of a client that is there, each second."""
    connection_cpu: float
    """Of one attempt that succeeds, with the opening conversation."""
    push_cpu: float
    request_cpu: float
    """Of a request over a WebSocket with its reply."""
    exchange_cpu: float
    """Of a request by HTTP with its answer."""
    scored_request_bytes: float
    """Memory that it takes to score a run, for each of its requests."""
    scored_request_s: float
    """CPU that it takes, once the run is over."""
    scored_push_s: float
    source: str
    """Where and when that was measured."""

    def times(self, factor: float) -> Costs:
        """The same where everything takes the CPU `factor` times as long."""
        names = [name for name in self.__struct_fields__ if name.endswith("_cpu")]
        return replace(self, **{name: getattr(self, name) * factor for name in names})


class GroupDemand(msgspec.Struct, frozen=True, kw_only=True):
    """What one group of like clients is to do."""

    name: str
    clients: int
    workers: int = 1
    """As the experiment has it."""
    by_http: bool = False
    sockets: int = 1
    """The most connections of one client at once."""
    half_open: int = 0
    """Connections that faults may leave half-open, beside the clients' own."""
    requests_per_s: float | None = 0.0
    """Of the whole group; None: not known before a run."""
    pushes_per_s: float | None = 0.0
    """To the whole group; None: not known, it is the service that pushes."""
    pings_per_s: float = 0.0
    """Heartbeats of the whole group."""
    connects_per_s: float = 0.0
    """At the steepest of its ramp or stages."""
    back_s: float = 1.0
    """The shortest time in which all of its clients come back after an outage."""
    sources: int = 1
    """Addresses that its clients connect from."""
    via: str = ""
    """The proxy that they are sent through; groups with the same one share their local ports."""


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """A whole load, and how long it lasts."""

    groups: tuple[GroupDemand, ...]
    lasts_s: float
    """The longest, when all goes as planned."""
    on_cluster: bool = False
    """It is for as many machines as it takes."""

    @property
    def clients(self) -> int:
        return sum(group.clients for group in self.groups)


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a run showed of one group, in its baseline."""

    name: str
    clients: int
    requests_per_s: float
    pushes_per_s: float


def cpu_of(groups: Sequence[GroupDemand], costs: Costs, moment: Moment) -> float:
    """Cores that the clients take at that moment, without what each process takes anyway."""
    return sum(share for _, share in _parts(groups, costs, moment))


def factor(seen: Sequence[Seen], groups: Sequence[GroupDemand], cpu: float, processes: int, costs: Costs) -> float:
    """By how much this machine and service cost more CPU than `costs` say: 1 is as much.

    Args:
        seen: what happened while `cpu` was measured.
        groups: those of the run, for what else their clients do.
        cpu: share of a core that all its load processes took.
    """
    known = {each.name: each for each in seen}
    as_seen = [
        replace(
            group,
            clients=known[group.name].clients,
            requests_per_s=known[group.name].requests_per_s,
            pushes_per_s=known[group.name].pushes_per_s,
            pings_per_s=group.pings_per_s * known[group.name].clients / group.clients,
        )
        for group in groups
        if group.name in known
    ]
    return cpu / (cpu_of(as_seen, costs, "held") + processes * costs.process_cpu)


def _parts(groups: Sequence[GroupDemand], costs: Costs, moment: Moment) -> Iterator[tuple[str, float]]:
    """What the CPU goes to, in words, and how much of it."""
    clients = sum(group.clients for group in groups)
    pushes = sum(group.pushes_per_s or 0.0 for group in groups)
    requests = sum((group.requests_per_s or 0.0) + group.pings_per_s for group in groups if not group.by_http)
    exchanges = sum(group.requests_per_s or 0.0 for group in groups if group.by_http)
    rates = {"connect": [group.connects_per_s for group in groups], "held": []}
    connects = sum(rates.get(moment, [group.clients / group.back_s for group in groups]))
    yield f"{clients:,} clients that are there", clients * costs.client_cpu
    for rate, cost, called in (
        (requests, costs.request_cpu, "requests"),
        (exchanges, costs.exchange_cpu, "HTTP exchanges"),
        (pushes, costs.push_cpu, "pushes"),
        (connects, costs.connection_cpu, "connections"),
    ):
        if rate:
            yield f"{rate:,.0f} {called}/s of {cost * 1e6:.0f} us", rate * cost


def made_of(groups: Sequence[GroupDemand], costs: Costs, moment: Moment) -> str:
    """The most expensive first."""
    return ", ".join(text for text, _ in sorted(_parts(groups, costs, moment), key=lambda part: -part[1]))


MEASURED: Final = Costs(
    process_bytes=45.6e6,
    process_cpu=0.008,
    heard_cpu=0.7e-3,
    client_bytes=10.4e3,
    client_cpu=7.3e-6,
    connection_cpu=160e-6,
    push_cpu=15.7e-6,
    request_cpu=130e-6,
    exchange_cpu=183e-6,
    scored_request_bytes=555,
    scored_request_s=25e-6,
    scored_push_s=6e-6,
    source="two virtual cores of an AMD EPYC (KVM), Linux 6.18, Python 3.11.7, loopback, 2026-11-22",
)
"""The dearest of three rounds of capacity_costs.py, scoring_costs.py and many_workers.py of tests/bench; docs/scale.md
has all of them."""
