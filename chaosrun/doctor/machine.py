"""The machine itself: processors, memory, descriptors, ports, clocks, and what it lets us see of processes."""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path
from typing import Final

from chaosrun.capacity import Machine
from chaosrun.doctor._base import Finding
from chaosrun.load.limits import local_ports
from chaosrun.scoring.words import show

CLIENTS: Final = 1000
"""A load that any machine should carry: fewer descriptors or ports than this many clients need are worth a word."""
SPARE: Final = 100
"""Descriptors of a load process beside its clients' own."""

_GOOD_CLOCKS: Final = ("tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "xen")
"""Clock sources that are read without a system call or a slow device."""
_TICKS: Final = 60
_TICK_S: Final = 0.005
_LATE_S: Final = 0.010
"""Where the observer's own check of the event loop begins to warn."""
_STEP_S: Final = 0.005
"""Where the observer's check of the wall clock begins to warn."""


def processors() -> Finding:
    """As many as this process may use, by affinity and by the container's quota."""
    count, quota = len(os.sched_getaffinity(0)), _quota()
    usable = _usable()
    told = f"{count}" if quota is None or quota >= count else f"{count}, limited to {quota:g} by the container"
    if usable < 2:
        told += "; the load, the prober and the service share it, and latencies will show that"
    return Finding("processors", "ok" if usable >= 2 else "limited", told, "load and service side by side")


def _usable() -> float:
    """Processors, by affinity and quota."""
    count, quota = float(len(os.sched_getaffinity(0))), _quota()
    return count if quota is None else min(count, quota)


def room(*, shared: bool) -> Machine:
    """What this machine has for a load, as it is now.

    Args:
        shared: the service under test runs on it too.
    """
    import psutil  # noqa: PLC0415 - the other checks do without

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = local_ports()
    return Machine(
        cores=_usable(),
        memory_bytes=psutil.virtual_memory().available,
        descriptors=None if hard == resource.RLIM_INFINITY else hard,
        ports=None if found is None else found.number,
        shared=shared,
    )


def _quota() -> float | None:
    """Processors that the control group of this process may use (cgroup v2); None: no limit."""
    try:
        own = Path("/proc/self/cgroup").read_text().split("::", 1)[1].strip().lstrip("/")
        limit, period = (Path("/sys/fs/cgroup") / own / "cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError, IndexError):
        return None


def memory() -> Finding:
    """What is free now."""
    import psutil  # noqa: PLC0415 - the other checks do without

    free = psutil.virtual_memory().available
    # 12 MB a thousand clients for the load, and as much again for a modest service.
    return Finding(
        "memory", "ok" if free >= 1e9 else "limited", f"{show(free, 'bytes')} free", "clients (12 MB a thousand)"
    )


def descriptors(clients: int = CLIENTS) -> Finding:
    """Sockets that one load process may open; chaosrun raises the soft limit by itself, up to the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return Finding("descriptors", "ok", "no limit", "a socket a client")
    told = f"{hard:,} a process"
    enough = hard >= clients + SPARE
    if not enough:
        told += f"; {clients + SPARE:,} are needed for {clients:,} clients: raise `ulimit -Hn`, or use more workers"
    return Finding("descriptors", "ok" if enough else "limited", told, "a socket a client")


def ports(connections: int = CLIENTS) -> Finding:
    """Local ports for connections from one address to one target.

    Args:
        connections: the most from any one address.
    """
    needed_for = "connections from one address to one target"
    ports = local_ports()
    if ports is None:
        return Finding("local ports", "limited", "the kernel does not tell its range of ports", needed_for)
    told = f"{ports.number:,} ({ports.low} to {ports.high})"
    if ports.number < connections:
        told += f"; {connections:,} are needed: use `source_addresses`, or widen net.ipv4.ip_local_port_range"
    return Finding("local ports", "ok" if ports.number >= connections else "limited", told, needed_for)


def clock() -> Finding:
    """The source of the monotonic clock, and whether the wall clock is being moved."""
    needed_for = "every time that is measured"
    offset = _wall_offset()
    try:
        source = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource").read_text().strip()
    except OSError:
        source = "unknown"
    worst, median = _lateness()
    step = abs(_wall_offset() - offset)
    told = f"{source}; timers {show(median, 's')} late, at most {show(worst, 's')}"
    if step > _STEP_S:
        return Finding("clock", "limited", f"{told}; the wall clock moved by {show(step, 's')} just now", needed_for)
    if source not in _GOOD_CLOCKS:
        return Finding("clock", "limited", f"{told}; this source is slow to read", needed_for)
    if worst > _LATE_S:
        return Finding("clock", "limited", f"{told}; the machine is busy, which would spoil latencies", needed_for)
    return Finding("clock", "ok", told, needed_for)


def _wall_offset() -> float:
    return time.time() - time.monotonic()


def _lateness() -> tuple[float, float]:
    """The worst and the median lateness of a timer, in seconds."""
    late = []
    for _ in range(_TICKS):
        due = time.monotonic() + _TICK_S
        time.sleep(_TICK_S)
        late.append(max(0.0, time.monotonic() - due))
    late.sort()
    return late[-1], late[len(late) // 2]


def pidfd() -> Finding:
    """Signals through a process descriptor, which cannot hit another process that was given the pid."""
    needed_for = "killing the right process"
    try:
        descriptor = os.pidfd_open(os.getpid())
    except (AttributeError, OSError) as error:
        return Finding("pidfd", "missing", f"{error}; needs Linux 5.3 or later", needed_for)
    try:
        signal.pidfd_send_signal(descriptor, 0)
    except OSError as error:
        return Finding("pidfd", "missing", f"signals are refused: {error.strerror}", needed_for)
    finally:
        os.close(descriptor)
    return Finding("pidfd", "ok", "signals by process descriptor", needed_for)


def process_table() -> Finding:
    """Whether processes of others are visible below /proc."""
    needed_for = "finding the processes of a role"
    try:
        Path("/proc/1/stat").read_text()
    except OSError as error:
        told = f"processes of other users are hidden ({error.strerror}); run as the service's own user"
        return Finding("process table", "limited", told, needed_for)
    if os.geteuid() == 0:
        return Finding("process table", "ok", "all processes are visible, and may be signalled", needed_for)
    return Finding("process table", "ok", "all processes are visible; only your own may be signalled", needed_for)
