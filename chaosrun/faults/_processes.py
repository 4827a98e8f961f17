"""What the faults of processes share: whom they may hit."""

from __future__ import annotations

import pwd
from collections.abc import Sequence
from pathlib import Path

from chaosrun.errors import Unavailable
from chaosrun.faults._base import Role
from chaosrun.identity import Identity, may_signal


def targets_of(role: Role, fault: str) -> Sequence[Identity]:
    """The processes of a role, as many as are expected, each of which may be signalled. Touches nothing.

    Raises:
        Unavailable: there are more or fewer, or one is somebody else's.
    """
    targets = role.resolve()
    for target in targets:
        if not may_signal(target):
            owner = _owner(target.pid)
            raise Unavailable(
                f"fault {fault!r}: process {target.pid} of role {role.name!r} belongs to {owner}, and chaosrun may not "
                f"send it a signal; run chaosrun as {owner} or as root"
            )
    return targets


def _owner(pid: int) -> str:
    try:
        uid = Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return "another user"
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
