"""What a load asks of the machines that play it: how many load processes and machines, and what bounds them.

Arithmetic on measured costs, pure: what is asked for, what each thing costs and what a machine has all come in as
values. docs/scale.md says what is counted and what is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import ceil, floor, inf
from typing import Final, Literal

import msgspec

from chaosrun.costs import MOMENTS, Costs, Demand, GroupDemand, Moment, cpu_of, made_of

BUSY: Final = 0.5
"""Of one core: the most that a load process is planned for. A busier one is late too often for its own checks."""
MACHINE_BUSY: Final = 0.7
"""Of all cores of a machine: the most that its load processes and the kernel on their behalf are planned for."""
MEMORY_USED: Final = 0.8
"""Of the memory that is free now."""
OWN_CORES: Final = 0.2
"""Engine and prober, beside the load processes."""
SPARE: Final = 100
"""Descriptors of a load process beside its clients' own."""
MOST_WORKERS: Final = 256
"""Load processes of one run, as `workers` allows."""
RECORDED_BYTES: Final = 40
"""Of a request or a pushed message, in the run's folder."""
OPENED_BYTES: Final = 400
"""Of a connection: the lines of the journal from the attempt to the end."""

Per = Literal["process", "machine", "address"]
"""A load process, a machine, or a source address of one."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What one machine has for the load. None: no limit, or nobody can tell."""

    cores: float
    memory_bytes: float
    descriptors: int | None = None
    """Of one process."""
    ports: int | None = None
    """Local ports for each pair of a source address and a destination."""
    shared: bool = False
    """The service under test runs on it too, and takes its share."""


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the load needs, and how many of what has it that takes."""

    what: str
    unit: Literal["cores", "bytes", "count"]
    needed: float
    """By the whole load, without what each process needs anyway."""
    has: float
    """What one of them has left for clients."""
    per: Per
    wanted: int
    """Processes, machines or addresses, by this alone."""
    clients: int | None
    """How many clients of this load one of them could play, by this alone; None: any number."""
    made_of: str = ""
    remedy: str = ""


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """How many processes and machines a load needs, and why."""

    demand: Demand
    machine: Machine
    costs: Costs
    processes: int
    machines: int
    """Like this one."""
    addresses: int
    """From each of which a machine has a range of local ports."""
    clients_of_process: int
    """The most clients of this load that one process can play."""
    clients_of_machine: int
    bounds: tuple[Bound, ...]
    """Those of a process, of a machine and of an address; of each the tightest first."""
    recorded_per_s: float
    """Bytes that are written to the run's folder each second of the load."""
    recorded: float
    """Bytes of the run's folder, at least."""
    scoring_bytes: float
    """Memory that its scoring takes on the one machine where that is done."""
    scoring_s: float
    """CPU seconds of one core that it takes after the run."""

    @property
    def fits(self) -> bool:
        """One machine like this can play it, or as many as it takes where it is for a cluster, from the addresses that
        the experiment names; and this one can score it afterwards."""
        return (self.machines == 1 or self.demand.on_cluster) and self.can_score and self.addresses <= self.sources

    @property
    def sources(self) -> int:
        """Source addresses that the experiment has, on all machines that play it."""
        each = max(group.sources for group in self.demand.groups)
        return each * self.machines if self.demand.on_cluster else each

    @property
    def can_score(self) -> bool:
        return self.scoring_bytes <= MEMORY_USED * self.machine.memory_bytes

    @property
    def bottleneck(self) -> Bound:
        """What makes the load need as many as it does; of a load that fits, what would be used up first."""
        kind = "machine" if self.machines > 1 else "process"
        return next(bound for bound in self.bounds if bound.per == kind)

    @property
    def unknown(self) -> tuple[str, ...]:
        """What is not known before a run, and was counted as nothing."""
        return tuple(_unknown(self.demand.groups))


def capacity(demand: Demand, machine: Machine, costs: Costs) -> Capacity:
    """How many load processes, and machines like `machine`, the load needs."""
    bounds = [_cpu(demand, costs, moment) for moment in MOMENTS]
    if machine.descriptors is not None:
        bounds.append(_descriptors(demand, machine.descriptors))
    processes = max(bound.wanted for bound in bounds)
    of_machine = tuple(_of_machine(demand, machine, costs, processes))
    of_address = () if machine.ports is None else (_ports(demand, machine.ports),)
    requests = sum(group.requests_per_s or 0.0 for group in demand.groups)
    pushes = sum(group.pushes_per_s or 0.0 for group in demand.groups)
    per_second = (requests + pushes) * RECORDED_BYTES
    return Capacity(
        demand=demand,
        machine=machine,
        costs=costs,
        processes=processes,
        machines=max(bound.wanted for bound in of_machine),
        addresses=max((bound.wanted for bound in of_address), default=1),
        clients_of_process=_fewest(bounds),
        clients_of_machine=_fewest(of_machine),
        bounds=(*_tightest_first(bounds), *_tightest_first(of_machine), *of_address),
        recorded_per_s=per_second,
        recorded=per_second * demand.lasts_s + OPENED_BYTES * demand.clients,
        scoring_bytes=requests * demand.lasts_s * costs.scored_request_bytes,
        scoring_s=(requests * costs.scored_request_s + pushes * costs.scored_push_s) * demand.lasts_s,
    )


def _cpu(demand: Demand, costs: Costs, moment: Moment) -> Bound:
    remedy = {
        "held": "more `workers`, or fewer `requests`",
        "connect": "more `workers`, or a longer `ramp`",
        "return": "more `workers`, or a longer `reconnect.max`",
    }
    return _bound(
        demand,
        what=f"CPU {MOMENTS[moment]}",
        unit="cores",
        needed=cpu_of(demand.groups, costs, moment),
        has=BUSY - costs.process_cpu,
        per="process",
        made_of=made_of(demand.groups, costs, moment),
        remedy=remedy[moment],
    )


def _descriptors(demand: Demand, limit: int) -> Bound:
    groups = demand.groups
    # Half-open connections may all be of one process, and clients are dealt out one by one.
    anyway = SPARE + sum(group.half_open + group.sockets for group in groups)
    return _bound(
        demand,
        what="descriptors",
        unit="count",
        needed=sum(group.clients * group.sockets for group in groups),
        has=limit - anyway,
        per="process",
        made_of=f"a socket each; {anyway:,} of a process are not for clients",
        remedy="a higher `ulimit -Hn`, or more `workers`",
    )


def _of_machine(demand: Demand, machine: Machine, costs: Costs, processes: int) -> Iterator[Bound]:
    groups, clients = demand.groups, demand.clients
    peak = max(MOMENTS, key=lambda moment: cpu_of(groups, costs, moment))
    yield _bound(
        demand,
        what=f"CPU of a machine {MOMENTS[peak]}",
        unit="cores",
        needed=cpu_of(groups, costs, peak) + processes * (costs.process_cpu + costs.heard_cpu),
        has=MACHINE_BUSY * machine.cores - OWN_CORES,
        per="machine",
        made_of=f"{made_of(groups, costs, peak)}, {_processes(processes)}"
        + ("; the service under test takes its share as well" if machine.shared else ""),
        remedy="a machine with more cores",
    )
    yield _bound(
        demand,
        what="memory of a machine",
        unit="bytes",
        needed=clients * costs.client_bytes + processes * costs.process_bytes,
        has=MEMORY_USED * machine.memory_bytes,
        per="machine",
        made_of=f"{clients:,} clients of {costs.client_bytes / 1e3:.0f} kB, "
        f"{_processes(processes)} of {costs.process_bytes / 1e6:.0f} MB",
        remedy="a machine with more memory",
    )
    yield _bound(
        demand,
        what="processes",
        unit="count",
        needed=processes,
        has=MOST_WORKERS,
        per="machine",
        made_of="the most that `workers` allows",
        remedy="more machines",
    )


def _processes(count: int) -> str:
    return "1 process" if count == 1 else f"{count:,} processes"


def _ports(demand: Demand, ports: int) -> Bound:
    """By way: groups sent through the same proxy, or straight to the service, share the ports of an address."""
    ways: dict[str, list[GroupDemand]] = {}
    for group in demand.groups:
        ways.setdefault(group.via, []).append(group)
    return max((_ports_of(way, ports) for way in ways.values()), key=lambda bound: bound.wanted)


def _ports_of(groups: Sequence[GroupDemand], ports: int) -> Bound:
    # Which of their addresses two groups have in common is not known here: all may meet at one.
    sources = max(group.sources for group in groups)
    busiest = sum(ceil((group.clients * group.sockets + group.half_open) / group.sources) for group in groups)
    return _bound(
        Demand(groups=tuple(groups), lasts_s=0),
        what="local ports",
        unit="count",
        needed=busiest * sources,
        has=ports,
        per="address",
        made_of=f"connections to one destination, from {sources:,} address{'es' if sources > 1 else ''}",
        remedy="more `source_addresses`",
    )


def _fewest(bounds: Iterable[Bound]) -> int:
    """Something always bounds them: a client that does nothing takes memory and CPU."""
    return min(bound.clients for bound in bounds if bound.clients is not None)


def _tightest_first(bounds: Iterable[Bound]) -> list[Bound]:
    return sorted(bounds, key=lambda bound: bound.needed / bound.has if bound.has > 0 else inf, reverse=True)


def _bound(
    demand: Demand,
    *,
    what: str,
    unit: Literal["cores", "bytes", "count"],
    needed: float,
    has: float,
    per: Per,
    made_of: str,
    remedy: str,
) -> Bound:
    """Of something that nothing is left of, one client is counted: no number of processes or machines would do."""
    clients = demand.clients
    wanted = max(1, ceil(needed / has)) if has > 0 else clients
    holds = None if needed == 0 else floor(clients * has / needed) if has > 0 else 0
    return Bound(
        what=what,
        unit=unit,
        needed=needed,
        has=has,
        per=per,
        wanted=wanted,
        clients=holds,
        made_of=made_of,
        remedy=remedy,
    )


def _unknown(groups: Sequence[GroupDemand]) -> Iterator[str]:
    for group in groups:
        if group.pushes_per_s is None:
            yield f"{group.name}: how much the service pushes"
        if group.requests_per_s is None:
            yield f"{group.name}: how often its scripts ask"
