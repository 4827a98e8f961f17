"""Freeze the processes of a role with SIGSTOP, until SIGCONT.

A process that stays stopped is the worst that a fault can leave behind: it looks alive to whoever supervises it, keeps
its connections, and serves nobody. So the undo holds the very processes that are stopped, and needs nothing else.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Collection, Mapping, Sequence

import msgspec

from chaosrun.errors import Unavailable
from chaosrun.faults._base import Confirmation, Fault, World
from chaosrun.faults._processes import counted, some_of, targets_of
from chaosrun.identity import Identity, all_stats, boot_id, send_signal, thread_states
from chaosrun.processes import process_told
from chaosrun.records import Undo
from chaosrun.spec.steps import ProcessPauseStep

_EFFECT_WITHIN_NS = 10_000_000_000
_LOOK_EVERY_S = 0.005
_STOPPED = "T"
_ENDED = "ZX"


class UndoArgs(msgspec.Struct, frozen=True):
    """What `undo` needs: exactly those that were to be stopped, whatever the role has become since."""

    processes: tuple[Identity, ...]


class ProcessPause(Fault):
    kind = "process_pause"
    sign = "the kernel reports every thread of each process stopped"

    def __init__(self, name: str, *, role: str, some: int | float = 1.0, seed: int = 1) -> None:
        """`some`: so many of the role's processes, or such a share of them, chosen by the seed."""
        super().__init__(name, role=role, sustained=True)
        self._some = some
        self._seed = seed
        self._matching: Sequence[Identity] = ()
        self._targets: Sequence[Identity] = ()

    async def check(self, world: World) -> None:
        """Refuse before any load what may not be stopped, or is."""
        await asyncio.to_thread(self._aim, world)

    def plan(self, world: World, identifier: str) -> Undo:
        self._targets = self._aim(world)
        pids = " ".join(str(target.pid) for target in self._targets)
        return Undo(
            id=identifier,
            kind=self.kind,
            what=f"let role {self.role!r} go on" + (f" (kill -CONT {pids})" if pids else ""),
            identity={"role": str(self.role), "pids": pids},
            args=msgspec.Raw(msgspec.json.encode(UndoArgs(tuple(self._targets)))),
            boot_id=boot_id(),
        )

    def aim(self, world: World) -> Sequence[str]:
        return [process_told(each) for each in self._targets]

    async def inject(self, world: World) -> None:
        for target in self._targets:
            send_signal(target, signal.SIGSTOP)

    async def confirm(self, world: World) -> Confirmation:
        """The kernel says of every thread of every process that it is stopped."""
        end = world.now() + _EFFECT_WITHIN_NS
        while True:
            seen = await asyncio.to_thread(_look, self._targets)
            for pid, states in seen.items():
                if not states:
                    return Confirmation(False, f"process {pid} ended and was not stopped")
            late = [(pid, states) for pid, states in seen.items() if not _is_frozen(states.values())]
            if not late:
                return Confirmation(True, _told(seen, counted(self._targets, self._matching)))
            if world.now() >= end:
                pid, states = late[0]
                thread, state = next(pair for pair in states.items() if pair[1] not in _STOPPED + _ENDED)
                within = f"{_EFFECT_WITHIN_NS / 1e9:g} s"
                why = f"thread {thread} of process {pid} is not stopped {within} after the signal (state {state})"
                return Confirmation(False, why)
            await asyncio.sleep(_LOOK_EVERY_S)

    async def remove(self, world: World) -> None:
        await asyncio.to_thread(_go_on, self._targets)

    def _aim(self, world: World) -> Sequence[Identity]:
        assert self.role is not None
        self._matching = targets_of(world.roles[self.role], self.name)
        targets = some_of(self._matching, self._some, self._seed)
        for target in targets:
            if _STOPPED in thread_states(target).values():
                raise Unavailable(
                    f"fault {self.name!r}: process {target.pid} of role {self.role!r} is stopped already, by somebody "
                    f"else, and the undo would let it go on; see to it first: kill -CONT {target.pid}"
                )
        return targets


def make(step: ProcessPauseStep) -> Fault:
    """The fault that a step of the method describes."""
    name = step.name or f"{step.fault} {step.role}"
    some = 1.0 if step.processes is None else step.processes
    return ProcessPause(name, role=step.role, some=some, seed=step.seed)


def undo(record: Undo) -> None:
    """Let the processes of the record go on; one that has ended, or that only has the pid of one, needs nothing.

    Raises:
        Unavailable: one has become another user's.
    """
    _go_on(msgspec.json.decode(record.args, type=UndoArgs).processes)


def verify(record: Undo) -> bool:
    """No thread of the processes that still are is stopped."""
    processes = msgspec.json.decode(record.args, type=UndoArgs).processes
    return not any(_STOPPED in states.values() for states in _look(processes).values())


def _go_on(processes: Sequence[Identity]) -> None:
    for each in processes:
        send_signal(each, signal.SIGCONT)


def _look(processes: Sequence[Identity]) -> dict[int, dict[int, str]]:
    """The states of the threads of each, by pid; empty for one that has ended."""
    return {each.pid: thread_states(each) for each in processes}


def _is_frozen(states: Collection[str]) -> bool:
    """A thread that has ended does nothing more, either."""
    return _STOPPED in states and set(states) <= {*_STOPPED, *_ENDED}


def _told(seen: Mapping[int, Mapping[int, str]], of: str) -> str:
    """What is stopped; and what is not, for it may be what serves."""
    threads = sum(map(len, seen.values()))
    pids = ", ".join(map(str, seen))
    told = f"the kernel reported process {pids}{of} stopped ({threads} thread{'s' * (threads > 1)})"
    children = _children(seen)
    return f"{told}; of its children {', '.join(map(str, children))} run on" if children else told


def _children(pids: Collection[int]) -> list[int]:
    """The processes below `pids` that run on."""
    stats = all_stats()
    found: set[int] = set(pids)
    grew = True
    while grew:
        below = {each.pid for each in stats.values() if each.parent in found} - found
        grew = bool(below)
        found |= below
    return sorted(pid for pid in found - set(pids) if stats[pid].state not in _STOPPED + _ENDED)
