"""Ending what chaosrun started, down to the last grandchild, and nothing else."""

from __future__ import annotations

import signal
from collections.abc import Mapping

from chaosrun.identity import Identity, send_signal, wait_gone
from chaosrun.processes import ROLE_TAG, RUN_TAG
from chaosrun.tagged import kill_tagged


def end(leader: Identity, environment_given: Mapping[str, str], patience_s: float) -> None:
    """SIGTERM to `leader`, `patience_s` for an orderly end, then SIGKILL to all that carries its run's and role's tags.

    Blocks. Does nothing to a process that has the leader's pid but is another.
    """
    send_signal(leader, signal.SIGTERM)
    # Paused, it could not hear us.
    send_signal(leader, signal.SIGCONT)
    if not wait_gone(leader, patience_s):
        send_signal(leader, signal.SIGKILL)
    kill_tagged({key: environment_given[key] for key in (RUN_TAG, ROLE_TAG)})
