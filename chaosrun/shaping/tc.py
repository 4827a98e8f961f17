"""Running `tc`: in the network that is meant, with a time-out, and with errors that name the remedy. Blocks."""

from __future__ import annotations

import errno
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from chaosrun.errors import Unavailable
from chaosrun.identity import this_process, tools_of
from chaosrun.shaping import queues
from chaosrun.shaping.network import LOOPBACK, Network, Way
from chaosrun.shaping.queues import Queues, Shape

_WITHIN_S: Final = 10.0
_NO_DEVICE: Final = "Cannot find device"
_KINDS: Final = {1: "htb (sch_htb)", 2: "htb (sch_htb)", 3: "netem (sch_netem)"}
"""What the lines of `queues.put` want of the kernel, where tc says no more than that it is unknown."""
_FAILED_LINE: Final = re.compile(r"Command failed -:(\d+)")
_CAP_NET_ADMIN: Final = 12
"""Its bit; see capability.h."""
_SCRATCH: Final = Way(("unshare", "--net"), ())
"""A network that exists for one command."""
_SCRATCH_OF_A_USER: Final = Way(("unshare", "--user", "--map-root-user", "--net"), ())


class _Address(msgspec.Struct):
    local: str | None = None
    """An address that was not asked for is an entry all the same, without anything in it."""


class _Link(msgspec.Struct):
    addr_info: list[_Address] = []


class TcFailed(Unavailable):
    """What `tc` or `ip` said."""


def show(network: Network, device: str) -> Queues | None:
    """The queues of a device; None: device or network are gone.

    Raises:
        TcFailed: they cannot be read.
    """
    with network.entered() as way:
        if way is None:
            return None
        try:
            return queues.read(_tc(way, ("-json", "-statistics", "qdisc", "show", "dev", device)))
        except TcFailed as failure:
            if _NO_DEVICE in str(failure):
                return None
            raise


def change(network: Network, batch: str) -> None:
    """Run a batch, up to its first command that fails.

    Raises:
        TcFailed: one did; those before it are in effect.
        Unavailable: the network is gone.
    """
    with network.entered() as way:
        if way is None:
            raise Unavailable("the network that was to be changed is gone")
        _tc(way, ("-batch", "-"), batch)


def address(network: Network, device: str) -> str | None:
    """An address of a device, for connections from outside; None: it has none.

    Raises:
        TcFailed: it cannot be asked.
    """
    with network.entered() as way:
        if way is None:
            return None
        answer = _run(way, ("ip", "-json", "address", "show", "dev", device, "scope", "global"))
    found = (each for link in msgspec.json.decode(answer, type=list[_Link]) for each in link.addr_info)
    return next((each.local for each in found if each.local is not None), None)


def why_not() -> str | None:
    """Why packets cannot be shaped here, with the remedy; None: they can, or it cannot be tried without doing it.

    Tried in networks made for the trial, and never on a device of the machine.
    """
    absent = [tool for tool in ("tc", "unshare", "nsenter") if shutil.which(tool) is None]
    if absent:
        return f"no {' and no '.join(absent)} on PATH; install iproute2 and util-linux"
    refusal = _try(_SCRATCH)
    if refusal is None:
        return None
    if not _is_refusal(refusal):
        return _explain(refusal)
    # Not allowed as this user: a user namespace still tells whether the kernel could. In a container that was given
    # CAP_NET_ADMIN alone, devices may be shaped though no network may be made.
    allowed = may_change_devices()
    refusal = _try(_SCRATCH_OF_A_USER)
    if refusal is None:
        return None if allowed else "the kernel has netem, this user may not use it; needs CAP_NET_ADMIN (root)"
    if _is_refusal(refusal):
        return None if allowed else "not permitted; needs CAP_NET_ADMIN (root)"
    return _explain(refusal) if allowed else f"{_explain(refusal)}; CAP_NET_ADMIN (root) would be needed too"


def may_change_devices() -> bool:
    """Whether this process has CAP_NET_ADMIN where it is."""
    lines = Path("/proc/self/status").read_text().splitlines()
    effective = next(line.split()[1] for line in lines if line.startswith("CapEff:"))
    return bool(int(effective, 16) >> _CAP_NET_ADMIN & 1)


def _try(way: Way) -> str | None:
    try:
        _tc(way, ("-batch", "-"), queues.put(LOOPBACK, 1, "both", Shape(delay_ns=1_000_000)))
    except TcFailed as failure:
        return str(failure)
    return None


def _tc(way: Way, words: Sequence[str], given: str | None = None) -> str:
    return _run(way, ("tc", *words), given)


def _run(way: Way, words: Sequence[str], given: str | None = None) -> str:
    """What a command answers.

    Raises:
        TcFailed: it failed, or did not end.
    """
    command = [*way.words, *words]
    try:
        done = subprocess.run(
            command,
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            timeout=_WITHIN_S,
            check=False,
            pass_fds=way.descriptors,
            env=os.environ | tools_of(this_process()),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TcFailed(f"{' '.join(command)}: {error}") from error
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).split()) or f"exit code {done.returncode}"
        raise TcFailed(f"{' '.join(command)}: {said}")
    return done.stdout


def _is_refusal(said: str) -> bool:
    return any(os.strerror(number) in said for number in (errno.EPERM, errno.EACCES))


def _explain(said: str) -> str:
    if "kind is unknown" in said:
        line = _FAILED_LINE.search(said)
        kind = _KINDS.get(int(line[1]) if line else 3, "a classifier (cls_u32)")
        return f"kernel {platform.release()} has no {kind}; run on a kernel that has it, or load the module"
    return f"tc failed: {said}"
