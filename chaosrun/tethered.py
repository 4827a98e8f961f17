"""`python -m chaosrun.tethered PID ARGUMENTS...`: the command line in a process that ends in order when process PID,
which started it, is gone.

A run that was started by a test or by another tool has a process group of its own, so that a Ctrl-C there does not cut
its undo short. Nobody would tell it any more, then, that whoever started it was killed: the kernel does.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading

from chaosrun.cli import run_command_line
from chaosrun.errors import Exit


def main() -> None:
    holder, *arguments = sys.argv[1:]
    pidfd = _descriptor_of_parent(int(holder))
    if pidfd is None:
        sys.exit(Exit.ABORTED)  # it is gone already, and nothing was started
    threading.Thread(target=_end_with, args=(pidfd,), name="tether", daemon=True).start()
    sys.exit(run_command_line(arguments))


def _descriptor_of_parent(pid: int) -> int | None:
    """None: the parent is another one by now."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    # Asked after it was opened: as long as it is our parent its pid is nobody else's.
    return pidfd if os.getppid() == pid else None


def _end_with(pidfd: int) -> None:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.poll()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
