"""Whether this machine can hold as many connections as asked for: descriptors, local ports and source addresses. Asked
before a run."""

from __future__ import annotations

import resource
import socket
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from chaosrun.load.config import GroupLoad
from chaosrun.load.dialling import IP_BIND_ADDRESS_NO_PORT
from chaosrun.load.poller import MOST_CONNECTIONS
from chaosrun.plan import GroupPlan

SPARE: Final = 100
"""Descriptors beside the clients' own."""
PORT_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")


class Comers(NamedTuple):
    """Connections of a group, as many as there may be at once."""

    connections: int
    sources: Sequence[str] = ()
    """The addresses that they are dealt over; empty: the system chooses one."""
    proxy: str | None = None
    """None: they go to the service itself."""


class Ports(NamedTuple):
    """Local ports that the kernel gives out, for each pair of a source address and a destination."""

    low: int
    high: int

    @property
    def number(self) -> int:
        return self.high - self.low + 1


def local_ports() -> Ports | None:
    """None: it is not this kernel's way of saying it."""
    try:
        low, high = map(int, PORT_RANGE.read_text().split())
    except (OSError, ValueError):
        return None
    return Ports(low, high)


def busiest(groups: Iterable[Comers]) -> int:
    """The most connections from any one address to any one destination; groups may share both."""
    from_each: Counter[tuple[str | None, str | None]] = Counter()
    for group in groups:
        share = -(-group.connections // max(1, len(group.sources)))
        for source in group.sources or (None,):
            from_each[source, group.proxy] += share
    return max(from_each.values(), default=0)


def too_few_ports(groups: Iterable[Comers]) -> str | None:
    """What is lacking, with the remedy; None: nothing, or nobody can tell."""
    ports, wanted = local_ports(), busiest(groups)
    if ports is None or wanted <= ports.number:
        return None
    return (
        f"{wanted:,} connections from one address need more than its {ports.number:,} local ports ({PORT_RANGE}); "
        "give the group more `source_addresses` (on loopback `127.0.0.0/24` has 254), widen the range, or lower "
        "`clients`"
    )


def not_ours(addresses: Iterable[str]) -> str | None:
    """The first address that this machine does not have, with the remedy; None: it has them all."""
    for address in dict.fromkeys(addresses):
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            try:
                sock.bind((address, 0))
            except OSError as error:
                return (
                    f"this machine cannot connect from the source address {address} ({error.strerror}); `ip address` "
                    "lists those that it has, and of loopback it has every 127.x.y.z"
                )
    return None


def shortage(groups: Sequence[GroupLoad], shard: int, shards: int) -> str | None:
    """What this worker lacks for its clients, with the remedy; None: nothing. Raises the soft limit where it may."""
    clients = sum(
        len(range(shard, group.plan.clients, shards)) * connections_of_client(group.plan) + group.half_open
        for group in groups
    )
    comers = [
        Comers(
            group.plan.clients * connections_of_client(group.plan) + group.half_open,
            group.source_addresses,
            group.http_proxy,
        )
        for group in groups
    ]
    return (
        _too_few_descriptors(clients + SPARE, shards)
        or not_ours(address for group in groups for address in group.source_addresses)
        or too_few_ports(comers)
    )


def connections_of_client(plan: GroupPlan) -> int:
    """The most at once: a poller whose requests are not answered has one for each of them."""
    if plan.kind != "http" or plan.period_ns is None:
        return 1
    return min(MOST_CONNECTIONS, 1 + plan.reply_timeout_ns // plan.period_ns)


def _too_few_descriptors(wanted: int, shards: int) -> str | None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard not in (resource.RLIM_INFINITY,) and hard < wanted:
        return (
            f"a load process needs {wanted} file descriptors and may have {hard}; "
            f"raise `ulimit -Hn`, or use more than {shards} workers"
        )
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return None
