"""Which process is meant, beyond doubt: pid, start time and boot, and signals that cannot hit anybody else.

A pid is given to another process after its owner's end. The start time, in clock ticks since the boot as the kernel
keeps it, tells the two apart; psutil's is derived from the wall clock and moves when that is set. Linux only.
"""

from __future__ import annotations

import functools
import os
import select
import signal
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from chaosrun.errors import Unavailable

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Stat(NamedTuple):
    """One line of /proc/PID/stat, as far as it is used: all of one instant, so that it belongs to one process."""

    pid: int
    parent: int
    state: str
    start_time: float
    """Seconds from the boot to its start, exact to the clock tick."""
    cpu_s: float
    """User and system time so far, without its children's."""
    memory: int
    """Resident bytes, pages shared with others included."""

    @property
    def runs(self) -> bool:
        """A zombie has ended, though it still has its pid."""
        return self.state not in "ZX"


@dataclass(frozen=True)
class Identity:
    """A process of this machine, for as long as there are records."""

    pid: int
    start_time: float
    boot_id: str

    def as_data(self) -> dict[str, str | int | float | None]:
        """For `Undo.identity`; `Identity(**data)` reads it back."""
        return asdict(self)


@functools.cache
def boot_id() -> str:
    """The kernel's name of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def stat(pid: int) -> Stat | None:
    """What the kernel says of `pid`; None when there is no such process, or it is hidden from us (hidepid)."""
    return _stat(Path(f"/proc/{pid}/stat"), pid)


def _stat(file: Path, pid: int) -> Stat | None:
    try:
        text = file.read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    # The second field is the name in parentheses and may itself hold both blanks and parentheses. Fields: proc(5).
    fields = text[text.rindex(")") + 2 :].split()
    return Stat(
        pid=pid,
        state=fields[0],
        parent=int(fields[1]),
        cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS_PER_S,
        start_time=int(fields[19]) / _TICKS_PER_S,
        memory=int(fields[21]) * _PAGE,
    )


def all_stats() -> dict[int, Stat]:
    """Every process of the machine that is visible from here, by pid."""
    found = (stat(int(entry)) for entry in os.listdir("/proc") if entry.isdigit())  # noqa: PTH208 - names only, 4x faster
    return {each.pid: each for each in found if each is not None}


def thread_states(identity: Identity) -> dict[int, str]:
    """What each thread of this very process does, by its id, in the kernel's letters (proc(5)): R runs, S sleeps, T is
    stopped by a signal, t by a tracer, D cannot be stopped now. Empty once the process has ended."""
    tasks = Path(f"/proc/{identity.pid}/task")
    try:
        ids = [int(entry) for entry in os.listdir(tasks)]  # noqa: PTH208 - names only
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return {}
    states = {each: seen.state for each in ids if (seen := _stat(tasks / str(each) / "stat", each)) is not None}
    return states if is_alive(identity) else {}


def identify(pid: int) -> Identity | None:
    """The identity of a process that runs now under `pid`; None when none does."""
    seen = stat(pid)
    return Identity(pid, seen.start_time, boot_id()) if seen is not None and seen.runs else None


def is_alive(identity: Identity) -> bool:
    """Whether this very process still runs; a zombie does not."""
    seen = stat(identity.pid)
    return seen is not None and seen.runs and seen.start_time == identity.start_time and identity.boot_id == boot_id()


def tools_of(owner: Identity) -> dict[str, str]:
    """The tag in the environment of the tools, such as `tc`, that a process runs to change something: one that outlives
    its owner could act after the undo of what it does."""
    return {"CHAOSRUN_TOOL_OF": f"{owner.pid} {owner.start_time}"}


def this_process() -> Identity:
    """Our own identity."""
    own = identify(os.getpid())
    assert own is not None
    return own


def send_signal(identity: Identity, number: signal.Signals) -> bool:
    """Signals this very process; False when it has ended, whoever has its pid now.

    Raises `Unavailable` when the process is another user's.
    """
    pidfd = pidfd_of(identity)
    if pidfd is None:
        return False
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    except PermissionError as error:
        raise Unavailable(
            f"not allowed to send {number.name} to process {identity.pid} of another user; run chaosrun as that user"
        ) from error
    finally:
        os.close(pidfd)
    return True


def may_signal(identity: Identity) -> bool:
    """Whether the kernel lets us signal this very process; True, too, once it has ended."""
    pidfd = pidfd_of(identity)
    if pidfd is None:
        return True
    try:
        signal.pidfd_send_signal(pidfd, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    finally:
        os.close(pidfd)
    return True


def wait_gone(identity: Identity, timeout_s: float) -> bool:
    """Waits until this very process has ended (or is a zombie); False when it has not after `timeout_s`. Blocks."""
    pidfd = pidfd_of(identity)
    if pidfd is None:
        return True
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return bool(poll.poll(max(0.0, timeout_s) * 1000))
    finally:
        os.close(pidfd)


def pidfd_of(identity: Identity) -> int | None:
    """A descriptor of this very process, for the caller to close; None: it has ended, or is a zombie."""
    # The start time is read after the pidfd was opened: from then on it cannot come to mean another process.
    try:
        pidfd = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return None
    if is_alive(identity):
        return pidfd
    os.close(pidfd)
    return None
