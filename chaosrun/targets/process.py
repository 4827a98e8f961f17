"""A role that chaosrun found running: `process: {name: terminal64.exe, cmdline_excludes: [/update]}`.

It is somebody else's process: chaosrun never ends it except by a fault. With `start` it can be started again, as the
undo of a kill; what is started then outlives chaosrun, as the process that it replaces would have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from chaosrun.errors import Unavailable, UsageError
from chaosrun.identity import Identity, is_alive, wait_gone
from chaosrun.processes import Selector, find, process_told, spared
from chaosrun.targets import readiness
from chaosrun.targets._base import OnExit, OnSpawn, Restart
from chaosrun.targets.output import Output
from chaosrun.targets.readiness import Ready
from chaosrun.targets.spawn import Spawned, exit_of, spawn

_SHOWN = 8
"""Processes that an error lists."""

_FOUND_WITHIN_S = 30.0

_GONE_WITHIN_S = 5.0
"""How long a process may take to end that was told to."""


class ProcessRole:
    """Implements `Role` over whatever processes the selector finds at the time of asking."""

    def __init__(
        self,
        name: str,
        selector: Selector,
        *,
        output: Output,
        start: Sequence[str] | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        ready: Ready | None = None,
        on_spawn: OnSpawn = lambda _identity: None,
        on_exit: OnExit = lambda _identity, _code, _expected: None,
    ) -> None:
        if ready is not None and ready.how == "log":
            raise UsageError(f"role {name}: chaosrun does not have the output of a process it found; use http or tcp")
        self.name = name
        self.selector: Selector | None = selector
        self._selector = selector
        self.ready = ready
        self.output = output
        self._argv = None if start is None else tuple(start)
        self._cwd = cwd
        self._env = dict(env or {})
        self._on_spawn = on_spawn
        self._on_exit = on_exit
        self._last_found: list[Identity] = []
        self._exit_expected = False
        self._end: asyncio.Task[None] | None = None

    def pids(self) -> list[Identity]:
        self._last_found = find(self._selector)
        return self._last_found

    def resolve(self) -> list[Identity]:
        """The processes meant, exactly as many as are expected; `Unavailable` otherwise, listing what matched."""
        return as_expected(self.name, self._selector, self.pids())

    def is_alive(self) -> bool:
        # To look at those found last is cheap; only when they are gone is it worth going through the process table.
        return any(is_alive(each) for each in self._last_found) or bool(self.pids())

    def expect_exit(self) -> None:
        self._exit_expected = True

    async def start(self) -> None:
        if self._exit_expected:
            await asyncio.to_thread(self._wait_gone)
        if self.is_alive():
            return
        if self._argv is None:
            raise Unavailable(
                f"role {self.name} is down and chaosrun does not know how to start it; give it `start: [...]`"
            )
        self._exit_expected = False
        # On the loop, though it takes some ms: a cancelled wait for a thread would lose what the thread then starts.
        started = spawn(self._argv, cwd=self._cwd, env=self._env, on_spawn=self._on_spawn, into=self.output.path)
        self._end = asyncio.create_task(self._report_end(started))
        # What was started may be a launcher: until the role itself is there, to look for it says that it is down.
        await readiness.wait_until(self.name, self._sought(), partial(self._found, 1), within_s=_FOUND_WITHIN_S)

    async def stop(self) -> None:
        """Nothing: it was running before chaosrun came."""

    async def wait_ready(self) -> int:
        # A supervisor may be at it: that nothing matches yet is no end.
        if self.ready is not None:
            return await readiness.wait_ready(self.name, self.ready, is_alive=lambda: True)
        there = partial(self._found, self._selector.expect)
        return await readiness.wait_until(self.name, self._sought(), there, within_s=_FOUND_WITHIN_S)

    def tail(self) -> str:
        return self.output.tail()

    def restart(self) -> Restart | None:
        if self._argv is None:
            return None
        cwd = self._cwd if self._cwd is not None else Path.cwd()
        return Restart(self._argv, str(cwd), self._env)

    def _wait_gone(self) -> None:
        for each in self._last_found:
            wait_gone(each, _GONE_WITHIN_S)

    def _sought(self) -> str:
        return f"a process that matches ({self._selector})"

    async def _found(self, count: int) -> None:
        found = await asyncio.to_thread(self.pids)
        if len(found) < count:
            raise readiness.NotYet(f"{len(found)} of {count} there")

    async def _report_end(self, process: Spawned) -> None:
        await exit_of(process)
        # What is started may be a launcher, which ends and leaves the role running.
        self._on_exit(process.identity, process.popen.returncode, self._exit_expected or self.is_alive())


def as_expected(role: str, selector: Selector, found: list[Identity]) -> list[Identity]:
    """Those that were found, if they are as many as are expected.

    Raises:
        Unavailable: they are not; it lists what matched.
    """
    if len(found) != selector.expect:
        raise Unavailable(explain(role, selector, found))
    return found


def explain(role: str, selector: Selector, found: Sequence[Identity]) -> str:
    """Why the processes that were found will not do, with the remedy."""
    wanted = "1 process" if selector.expect == 1 else f"{selector.expect} processes"
    if not found:
        told = f"role {role}: no process matches ({selector}); {wanted} expected. Is it running, and as this user?"
        left_out = [f"  {each.identity.pid} is {each.why}, and never hit" for each in spared(selector)[:_SHOWN]]
        return "\n".join([told, *left_out])
    shown = [f"  {process_told(each)}" for each in found[:_SHOWN]]
    if len(found) > _SHOWN:
        shown.append(f"  and {len(found) - _SHOWN} more")
    remedy = "narrow the selector with cmdline_contains or cmdline_excludes, or set `expect`"
    return "\n".join([f"role {role}: {len(found)} processes match ({selector}); {wanted} expected; {remedy}:", *shown])
