"""How long the CPU quota of its own control groups kept this process from running: `cpu.stat`, versions 1 and 2.

A quota is enforced in the group that has it and in none below, so every group from the own one up to the root that can
be seen counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

_ROOT: Final = Path("/sys/fs/cgroup")
_OWN: Final = Path("/proc/self/cgroup")
_NS: Final = {"throttled_usec": 1000, "throttled_time": 1}
"""The line of `cpu.stat` in version 2 and 1, and its unit in ns."""


def throttled_ns(root: Path = _ROOT, own: Path = _OWN) -> int | None:
    """Time that threads were held up so far, in ns, summed over cores; None: no group of ours tells.

    Args:
        root: where the control groups are mounted.
        own: tells the groups of a process, as `/proc/self/cgroup`.
    """
    try:
        groups = own.read_text().splitlines()
    except OSError:
        return None
    told = [held for line in groups for stat in _stats(root, line) if (held := _read(stat)) is not None]
    return sum(told) if told else None


def _stats(root: Path, line: str) -> Iterator[Path]:
    """`cpu.stat` of the group that a line `ID:CONTROLLERS:PATH` names, and of all above it."""
    _, controllers, path = line.split(":", 2)
    names = controllers.split(",")
    if controllers and "cpu" not in names:
        return
    mounts = [root / controllers, root / "cpu"] if controllers else [root / "unified", root]
    mount = next((mount for mount in mounts if mount.is_dir()), None)
    group = PurePosixPath(path)
    for each in (group, *group.parents) if mount is not None else ():
        assert mount is not None
        yield mount / each.relative_to("/") / "cpu.stat"


def _read(stat: Path) -> int | None:
    try:
        lines = [line.split() for line in stat.read_text().splitlines()]
        return next((int(value) * _NS[name] for name, value in lines if name in _NS), None)
    except (OSError, ValueError):
        return None
