"""Ending what chaosrun started, down to the last grandchild, and nothing else."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping

from chaosrun.identity import Identity, all_stats, boot_id, is_alive, send_signal, wait_gone
from chaosrun.processes import ROLE_TAG, RUN_TAG, environment

_ROUNDS = 10
"""A process that forks faster than it can be killed gets so many chances."""


def tagged(tags: Mapping[str, str]) -> list[Identity]:
    """The processes that run and carry all of `tags` in their environment, as children inherit them."""
    carrying = [
        Identity(pid, seen.start_time, boot_id())
        for pid, seen in all_stats().items()
        if seen.runs and pid != os.getpid() and tags.items() <= environment(pid).items()
    ]
    # The environment that was read may have been that of the next process with the same pid.
    return [each for each in carrying if is_alive(each)]


def end(leader: Identity, environment_given: Mapping[str, str], patience_s: float) -> None:
    """SIGTERM to `leader`, `patience_s` for an orderly end, then SIGKILL to all that carries its run's and role's tags.

    Blocks. Does nothing to a process that has the leader's pid but is another.
    """
    send_signal(leader, signal.SIGTERM)
    # Paused, it could not hear us.
    send_signal(leader, signal.SIGCONT)
    if not wait_gone(leader, patience_s):
        send_signal(leader, signal.SIGKILL)
    tags = {key: environment_given[key] for key in (RUN_TAG, ROLE_TAG)}
    for _ in range(_ROUNDS):
        left = tagged(tags)
        if not left:
            break
        for each in left:
            send_signal(each, signal.SIGKILL)
        for each in left:
            wait_gone(each, 1.0)
