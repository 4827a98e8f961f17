"""What the faults of processes share: whom they may hit."""

from __future__ import annotations

import pwd
import random
from collections.abc import Sequence
from pathlib import Path

from chaosrun.errors import Unavailable
from chaosrun.faults._base import Role
from chaosrun.identity import Identity, may_signal
from chaosrun.scoring.ratio import how_many


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


def some_of(targets: Sequence[Identity], some: int | float, seed: int) -> Sequence[Identity]:
    """So many of them, or such a share, in order of pid: the same ones for the same seed."""
    chosen = random.Random(seed).sample(range(len(targets)), how_many(some, len(targets)))
    return [targets[place] for place in sorted(chosen)]


def counted(hit: Sequence[Identity], matching: Sequence[Identity]) -> str:
    """Nothing where all were hit, else how many of how many."""
    return "" if len(hit) == len(matching) else f" ({len(hit)} of {len(matching)} that match)"


def _owner(pid: int) -> str:
    try:
        uid = Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return "another user"
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
