"""CPU and memory of each role with its children, and of chaosrun itself, from one look at the process table.

Times come in as arguments. A process that lives for less than one interval is seen only if it is there at a look.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from chaosrun.identity import Identity, Stat, all_stats
from chaosrun.records import OWN, Resource

_Key = tuple[int, float]


class Sampler:
    """Turns CPU time used between two looks into shares of one core.

    `roles` maps a name to what tells its processes now; a process counts for the first role that it belongs to.
    A look costs about 20 us per process of the machine: not on a measuring loop.
    """

    def __init__(self, roles: Mapping[str, Callable[[], list[Identity]]], own_pid: int | None = None) -> None:
        self._roles = roles
        self._own_pid = os.getpid() if own_pid is None else own_pid
        self._last_cpu_s: dict[_Key, float] = {}
        self._last_t: int | None = None

    def look(self, t: int) -> list[Resource]:
        """One `Resource` for each role that is up, and one for `OWN`, over the time since the last look; at `t` ns.

        The first look has nothing to compare with and gives none.
        """
        stats = {pid: each for pid, each in all_stats().items() if each.runs}
        members = self._members(stats)
        # Of all processes: one that only now came to belong to a role has not used its time since the last look.
        cpu_s = {(each.pid, each.start_time): each.cpu_s for each in stats.values()}
        last_t, last_cpu_s = self._last_t, self._last_cpu_s
        self._last_t, self._last_cpu_s = t, cpu_s
        if last_t is None or t <= last_t:
            return []
        span_s = (t - last_t) / 1e9

        def used_s(each: Stat) -> float:
            # A process that was not there before has used all of its time since.
            return each.cpu_s - last_cpu_s.get((each.pid, each.start_time), 0.0)

        return [
            Resource(
                t=t,
                role=role,
                cpu=sum(map(used_s, own)) / span_s,
                memory=sum(each.memory for each in own),
                processes=len(own),
            )
            for role, own in members.items()
            if own
        ]

    def _members(self, stats: Mapping[int, Stat]) -> dict[str, list[Stat]]:
        children: dict[int, list[int]] = {}
        for each in stats.values():
            children.setdefault(each.parent, []).append(each.pid)
        taken: set[int] = set()

        def tree(root: int) -> list[Stat]:
            found, waiting = [], [root]
            while waiting:
                pid = waiting.pop()
                if pid in stats and pid not in taken:
                    taken.add(pid)
                    found.append(stats[pid])
                    waiting.extend(children.get(pid, ()))
            return found

        members: dict[str, list[Stat]] = {}
        for role, pids in self._roles.items():
            roots = [each for each in pids() if each.pid in stats and stats[each.pid].start_time == each.start_time]
            members[role] = [each for root in roots for each in tree(root.pid)]
        members[OWN] = tree(self._own_pid)
        return members
