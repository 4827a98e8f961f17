"""Whether this machine can hold as many connections as asked for: descriptors and local ports. Asked before a run."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from chaosrun.load.config import GroupLoad
from chaosrun.load.poller import MOST_CONNECTIONS

SPARE: Final = 100
"""Descriptors beside the clients' own."""
_PORT_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")


def shortage(groups: Sequence[GroupLoad], shard: int, shards: int) -> str | None:
    """What this worker lacks for its clients, with the remedy; None: nothing. Raises the soft limit where it may."""
    clients = sum(len(range(shard, group.plan.clients, shards)) * _each(group) + group.half_open for group in groups)
    return _too_few_descriptors(clients + SPARE, shards) or _too_few_ports(groups)


def _each(group: GroupLoad) -> int:
    """The most connections of one client: a poller whose requests are not answered has one for each of them."""
    period = group.plan.period_ns
    if group.http is None or period is None:
        return 1
    return min(MOST_CONNECTIONS, 1 + group.plan.reply_timeout_ns // period)


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


def _too_few_ports(groups: Sequence[GroupLoad]) -> str | None:
    """One local address has so many ports for one destination; groups may share the destination."""
    try:
        low, high = map(int, _PORT_RANGE.read_text().split())
    except (OSError, ValueError):
        return None  # not this kernel's way of saying it
    ports = high - low + 1
    clients = sum(group.plan.clients * _each(group) + group.half_open for group in groups)
    if clients <= ports:
        return None
    return (
        f"{clients} connections need more than the {ports} local ports ({_PORT_RANGE}); "
        "widen the range, or lower `clients`"
    )
