"""Processes by the tags in their environment, which children inherit, and their end down to the last of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence

from chaosrun.identity import Identity, all_stats, boot_id, is_alive, send_signal, wait_gone
from chaosrun.processes import environment

_ROUNDS = 10
"""A process that forks faster than it can be killed gets so many chances."""


def tagged(*tags: Mapping[str, str]) -> list[Identity]:
    """The processes that run and carry all of one of `tags` in their environment; never this one."""
    carrying = [
        Identity(pid, seen.start_time, boot_id())
        for pid, seen in all_stats().items()
        if seen.runs and pid != os.getpid() and _carries(environment(pid), tags)
    ]
    # The environment that was read may have been that of the next process with the same pid.
    return [each for each in carrying if is_alive(each)]


def kill_tagged(*tags: Mapping[str, str]) -> None:
    """SIGKILL to all that carries one of `tags`, until none is left. Blocks."""
    for _ in range(_ROUNDS):
        left = tagged(*tags)
        if not left:
            break
        for each in left:
            send_signal(each, signal.SIGKILL)
        for each in left:
            wait_gone(each, 1.0)


def _carries(carried: Mapping[str, str], tags: Sequence[Mapping[str, str]]) -> bool:
    return any(each.items() <= carried.items() for each in tags)
