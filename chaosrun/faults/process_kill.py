"""Kill the processes of a role by a signal, and see to it that they are started again.

With `restart: {by: chaosrun, after}` the kill is an instant fault and the start that follows is owed; with
`{by: supervisor, within}` somebody else's restart is waited for; without `restart` the role stays down until the
fault is removed.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import time
from collections.abc import Sequence

import msgspec
import psutil

from chaosrun.errors import Dirty, Unavailable
from chaosrun.faults._base import Confirmation, Fault, Role, World
from chaosrun.faults._processes import counted, some_of, targets_of
from chaosrun.identity import Identity, boot_id, send_signal, wait_gone
from chaosrun.processes import Selector, find, process_told
from chaosrun.records import Undo
from chaosrun.spec.model import ProcessKillStep

_EFFECT_WITHIN_S = 10.0
_STARTED_WITHIN_S = 30.0
"""How long an undo waits for what it has started: a terminal under Wine takes its time, and one try too early would
make two of it."""
_LOOK_EVERY_S = 0.02


class UndoArgs(msgspec.Struct, frozen=True):
    """What `undo` needs: how the role is found, and how it is started."""

    role: str
    selector: Selector | None
    """None: started by the run that wrote this, and so ended with it; nothing to start again."""
    argv: tuple[str, ...]
    cwd: str
    supervised: bool

    @property
    def is_ours_to_start(self) -> bool:
        return self.selector is not None and not self.supervised

    def runs(self) -> bool:
        """As many processes as the role has are there, whoever started them."""
        return self.selector is None or len(find(self.selector)) >= self.selector.expect


class ProcessKill(Fault):
    kind = "process_kill"
    sign = "the kernel reports the end of each process"

    def __init__(
        self,
        name: str,
        *,
        role: str,
        number: signal.Signals,
        restart_after_s: float | None = None,
        supervised_within_s: float | None = None,
        some: int | float = 1.0,
        seed: int = 1,
    ) -> None:
        """`some`: so many of the role's processes, or such a share of them, chosen by the seed."""
        super().__init__(name, role=role, sustained=restart_after_s is None and supervised_within_s is None)
        self._number = number
        self._some = some
        self._seed = seed
        self._restart_after_s = restart_after_s
        self._supervised_within_s = supervised_within_s
        self._matching: Sequence[Identity] = ()
        self._targets: Sequence[Identity] = ()
        self._ended_before: list[int] = []

    async def check(self, world: World) -> None:
        """Refuse before any load what may not be signalled."""
        await asyncio.to_thread(targets_of, self._role(world), self.name)

    def plan(self, world: World, identifier: str) -> Undo:
        role = self._role(world)
        start = role.restart()
        if start is None and self._supervised_within_s is None:
            raise Unavailable(
                f"fault {self.name!r}: chaosrun does not know how to start role {role.name!r} again; give the role a "
                "`start` command, or say `restart: {by: supervisor, within: 60s}`"
            )
        self._matching = targets_of(role, self.name)
        self._targets = some_of(self._matching, self._some, self._seed)
        args = UndoArgs(
            role=role.name,
            selector=role.selector,
            # Only what the undo will need: a command of the run's own may hold secrets, and this goes to the journal.
            argv=start.argv if start is not None and role.selector is not None else (),
            cwd=start.cwd if start is not None else "/",
            supervised=self._supervised_within_s is not None,
        )
        return Undo(
            id=identifier,
            kind=self.kind,
            what=f"start role {role.name!r} again if it is not running",
            identity={"role": role.name, "pids": " ".join(str(target.pid) for target in self._targets)},
            args=msgspec.Raw(msgspec.json.encode(args)),
            boot_id=boot_id(),
        )

    def aim(self, world: World) -> Sequence[str]:
        return [process_told(each) for each in self._targets]

    async def inject(self, world: World) -> None:
        self._role(world).expect_exit()
        self._ended_before = [target.pid for target in self._targets if not send_signal(target, self._number)]

    async def confirm(self, world: World) -> Confirmation:
        """The kernel says of each process, by its descriptor, that it has ended."""
        if self._ended_before:
            return Confirmation(False, f"process {self._ended_before[0]} had ended before it could be signalled")
        pids = ", ".join(str(target.pid) for target in self._targets) + counted(self._targets, self._matching)
        for target in self._targets:
            if not await asyncio.to_thread(wait_gone, target, _EFFECT_WITHIN_S):
                return Confirmation(False, f"process {target.pid} still runs {_EFFECT_WITHIN_S:g} s after the signal")
        return Confirmation(True, f"the kernel reported the end of process {pids}")

    async def settle(self, world: World) -> None:
        if self._restart_after_s is not None:
            await asyncio.sleep(self._restart_after_s)
            await self._start_again(world)
        elif self._supervised_within_s is not None:
            await self._supervisor(world, self._supervised_within_s)

    async def remove(self, world: World) -> None:
        await self._start_again(world)

    async def _start_again(self, world: World) -> None:
        # Of a role that lost only some of its processes the undo, which counts them, starts the others.
        if len(self._targets) == len(self._matching):
            await self._role(world).start()

    async def _supervisor(self, world: World, within_s: float) -> None:
        """Wait for a restart that is not ours; that none came is for the recovery to show, not an error."""
        role = self._role(world)
        end = world.now() + int(within_s * 1e9)
        while world.now() < end:
            if set(role.pids()) - set(self._matching):
                return
            await asyncio.sleep(_LOOK_EVERY_S)

    def _role(self, world: World) -> Role:
        assert self.role is not None
        return world.roles[self.role]


def make(step: ProcessKillStep) -> Fault:
    """The fault that a step of the method describes."""
    restart = step.restart
    by_us = restart is not None and restart.by == "chaosrun"
    return ProcessKill(
        step.name or f"{step.fault} {step.role}",
        role=step.role,
        number=signal.Signals[step.signal],
        restart_after_s=restart.after / 1e9 if restart is not None and by_us else None,
        supervised_within_s=restart.within / 1e9 if restart is not None and not by_us else None,
        some=1.0 if step.processes is None else step.processes,
        seed=step.seed,
    )


def undo(record: Undo) -> None:
    """Start the role again from the record alone, if it does not run and nobody else will start it.

    Raises:
        Dirty: it does not run and the record holds no command that would start it.
    """
    args = msgspec.json.decode(record.args, type=UndoArgs)
    if not args.is_ours_to_start or args.runs():
        return
    if not args.argv:
        raise Dirty(f"role {args.role!r} is down and chaosrun knows no command to start it; start it by hand")
    assert args.selector is not None
    end = time.monotonic() + _STARTED_WITHIN_S
    while _start_one(args.selector, args, end) and not args.runs():
        pass


def _start_one(selector: Selector, args: UndoArgs, end: float) -> bool:
    """Start one process unless enough are on their way, and wait until there is one more; False: none came by `end`.

    A launcher that lives may still become the role; one that has ended gets `_EFFECT_WITHIN_S` for what it left behind.
    """
    before = len(find(selector))
    launcher = None
    if _begun(selector, args.argv) < selector.expect:
        launcher = subprocess.Popen(
            args.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd=args.cwd,
        )
    patience = time.monotonic() + _EFFECT_WITHIN_S
    while len(find(selector)) <= before:
        now = time.monotonic()
        if now >= end or (now >= patience and (launcher is None or launcher.poll() is not None)):
            return False
        time.sleep(_LOOK_EVERY_S)
    return True


def _begun(selector: Selector, argv: Sequence[str]) -> int:
    """How many processes are the role, or on their way to it: a launcher that the run, or an undo before this one, has
    started takes its time, and a second one would make a second role."""
    begun = {each.pid for each in find(selector)}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cmdline()[-len(argv) :] == [*argv] and process.status() != psutil.STATUS_ZOMBIE:
                begun.add(process.pid)
    return len(begun)


def verify(record: Undo) -> bool:
    """The role runs; or its end is the run's own affair, or a supervisor's."""
    args = msgspec.json.decode(record.args, type=UndoArgs)
    return not args.is_ours_to_start or args.runs()
