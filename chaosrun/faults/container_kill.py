"""End a container: as a crash of its process would, or as an operator does, by `docker kill` or `docker stop`.

The difference is what happens next. The engine takes its own kill and stop for somebody's wish, and no restart policy
acts until the container was started by hand. A SIGKILL of the first process from the host is a crash, and the policy
acts. The undo starts whatever does not run, whoever was to have started it.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from chaosrun.containers import Container, Docker, Gone, main_process
from chaosrun.errors import Dirty, Unavailable
from chaosrun.faults._base import Confirmation, Fault, World
from chaosrun.faults._containers import container_of, look_at_running, to_its_end
from chaosrun.identity import Identity, may_signal, send_signal, wait_gone
from chaosrun.inspected import Inspected
from chaosrun.records import Undo
from chaosrun.spec.steps.containers import ContainerKillStep

How = Literal["crash", "kill", "stop"]

_EFFECT_WITHIN_S = 10.0
_LOOK_EVERY_S = 0.05
_UNDO_WITHIN_NS = 120_000_000_000
"""A health check that looks every 30 s, which is the default, takes its time to say that all is well."""
_TO_CALL_S = 5.0
"""From the plan to the moment when the engine has the order at the latest."""


NEEDED_BY_UNDO = ("docker", "docker.errors", "docker.utils")


class UndoArgs(msgspec.Struct, frozen=True):
    """What `undo` needs: which container, and whether the engine may still be at it."""

    container: Container
    started_at: str
    """The engine's name of the run that is to be ended."""
    stopping_until: float = 0.0
    """Unix time in s. The engine stops a container although whoever asked for it is dead: so long may that take."""


@dataclass(frozen=True)
class _Aim:
    """What was found when the fault was planned."""

    container: Container
    before: Inspected
    main: Identity | None
    """None: on another machine."""


class ContainerKill(Fault):
    kind = "container_kill"
    sign = "the kernel reports the end of its process, or of another machine's the engine does"

    def __init__(
        self,
        name: str,
        *,
        role: str,
        how: How,
        restart_after_s: float | None = None,
        supervised_within_s: float | None = None,
    ) -> None:
        super().__init__(name, role=role, sustained=restart_after_s is None and supervised_within_s is None)
        self._how = how
        self._restart_after_s = restart_after_s
        self._supervised_within_s = supervised_within_s
        self._planned: _Aim | None = None
        self._came_too_late = False

    def plan(self, world: World, identifier: str) -> Undo:
        assert self.role is not None
        container = container_of(world, self.role, self.name)
        with Docker(container.engine) as docker:
            before = look_at_running(docker, container, self.name)
        aim = _Aim(container, before, main_process(before))
        if self._how == "crash":
            self._refuse_unless_a_crash_can_be_had(aim)
        self._planned = aim
        args = UndoArgs(
            container=container,
            started_at=before.state.started_at,
            stopping_until=time.time() + before.grace_s + _TO_CALL_S if self._how == "stop" else 0.0,
        )
        return Undo(
            id=identifier,
            kind=self.kind,
            what=f"start container {container.name!r} again if it is not running",
            identity={"container": container.id, "name": container.name, "engine": container.engine.host},
            args=msgspec.Raw(msgspec.json.encode(args)),
            deadline_ns=_UNDO_WITHIN_NS,
        )

    async def check(self, world: World) -> None:
        """Nothing is touched by a plan, so it tells before the load what could not be done in it."""
        await asyncio.to_thread(self.plan, world, "")

    def aim(self, world: World) -> Sequence[str]:
        return [f"container {self._aim.container} at {self._aim.container.engine.host}"]

    async def inject(self, world: World) -> None:
        await to_its_end(self._end)

    async def confirm(self, world: World) -> Confirmation:
        """Where the process is one of this machine's, the kernel says that it has ended; else the engine does."""
        return await asyncio.to_thread(self._confirm)

    async def settle(self, world: World) -> None:
        assert self.role is not None
        if self._restart_after_s is not None:
            await asyncio.sleep(self._restart_after_s)
            await world.roles[self.role].start()
        elif self._supervised_within_s is not None:
            # That nobody starts it is for the recovery to show, not an error.
            end = world.now() + int(self._supervised_within_s * 1e9)
            while world.now() < end:
                if await asyncio.to_thread(self._runs_again):
                    return
                await asyncio.sleep(_LOOK_EVERY_S)

    async def remove(self, world: World) -> None:
        assert self.role is not None
        await world.roles[self.role].start()

    @property
    def _aim(self) -> _Aim:
        assert self._planned is not None
        return self._planned

    def _refuse_unless_a_crash_can_be_had(self, aim: _Aim) -> None:
        policy = aim.before.host_config.restart_policy.name
        if aim.before.comes_back_by_itself and self._supervised_within_s is None:
            raise Unavailable(
                f"fault {self.name!r}: container {aim.container} has the restart policy {policy!r}, so the engine "
                "starts it at once after a crash; write `restart: {by: supervisor, within: 60s}`, or `how: kill`, on "
                "which no policy acts"
            )
        if aim.main is None:
            raise Unavailable(
                f"fault {self.name!r}: the process of container {aim.container} is none of this machine's, and `how: "
                f"crash` kills it from outside; run chaosrun where the engine runs ({aim.container.engine.host}), or "
                "write `how: kill`"
            )
        if not may_signal(aim.main):
            raise Unavailable(
                f"fault {self.name!r}: process {aim.main.pid} of container {aim.container} is another user's, and "
                "`how: crash` kills it from outside; run chaosrun as root, or write `how: kill`"
            )

    def _end(self) -> None:
        aim = self._aim
        if self._how == "crash":
            assert aim.main is not None
            self._came_too_late = not send_signal(aim.main, signal.SIGKILL)
            return
        with Docker(aim.container.engine) as docker:
            if self._how == "kill":
                docker.kill(aim.container)
            else:
                docker.stop(aim.container, aim.before.grace_s)

    def _confirm(self) -> Confirmation:
        main = self._aim.main
        if main is None:
            return self._confirm_by_engine()
        if self._came_too_late:
            return Confirmation(False, f"process {main.pid} had ended before it could be killed")
        if wait_gone(main, _EFFECT_WITHIN_S):
            return Confirmation(True, f"the kernel reported the end of process {main.pid}")
        why = f"process {main.pid} still runs {_EFFECT_WITHIN_S:g} s after the {self._how}"
        if (seen := self._look()) is not None and seen.is_paused:
            why += "; the container is paused, and a frozen process may end only when it is unpaused"
        return Confirmation(False, why)

    def _confirm_by_engine(self) -> Confirmation:
        end = time.monotonic() + _EFFECT_WITHIN_S
        while time.monotonic() < end:
            seen = self._look()
            if seen is None or not seen.runs or self._is_another_run(seen):
                return Confirmation(True, "the engine reports that the container has ended")
            time.sleep(_LOOK_EVERY_S)
        return Confirmation(False, f"the engine reports no end {_EFFECT_WITHIN_S:g} s after the {self._how}")

    def _runs_again(self) -> bool:
        seen = self._look()
        return seen is not None and seen.runs and self._is_another_run(seen)

    def _is_another_run(self, seen: Inspected) -> bool:
        return seen.state.started_at != self._aim.before.state.started_at

    def _look(self) -> Inspected | None:
        """None: the engine does not tell, or has no such container."""
        try:
            with Docker(self._aim.container.engine) as docker:
                return docker.current(self._aim.container)
        except Unavailable:
            return None


def make(step: ContainerKillStep) -> Fault:
    """The fault that a step of the method describes."""
    restart = step.restart
    by_us = restart is not None and restart.by == "chaosrun"
    return ContainerKill(
        step.name or f"{step.fault} {step.role}",
        role=step.role,
        how=step.how,
        restart_after_s=restart.after / 1e9 if restart is not None and by_us else None,
        supervised_within_s=restart.within / 1e9 if restart is not None and not by_us else None,
    )


def undo(record: Undo) -> None:
    """Start the container if it does not run, and wait until it does and its health check, if it has one, says so.

    Raises:
        Dirty: there is no such container any more.
        Unavailable: the engine does not answer, or cannot start it.
    """
    args = msgspec.json.decode(record.args, type=UndoArgs)
    with Docker(args.container.engine) as docker:
        try:
            while _is_being_stopped(docker, args):
                time.sleep(_LOOK_EVERY_S)
            docker.start(args.container)
            docker.wait_up(args.container)
        except Gone as error:
            raise Dirty(f"container {args.container} was removed; make and start it again by hand") from error


def verify(record: Undo) -> bool:
    """The container runs, or the one that has taken its place under its name, and is healthy if it says so at all."""
    args = msgspec.json.decode(record.args, type=UndoArgs)
    with Docker(args.container.engine) as docker:
        return docker.current(args.container).is_well


def _is_being_stopped(docker: Docker, args: UndoArgs) -> bool:
    """Whether the run that was to be ended still goes on, and the engine may have been told to end it."""
    seen = docker.current(args.container)
    return seen.runs and seen.state.started_at == args.started_at and time.time() < args.stopping_until
