"""A role that chaosrun itself starts and stops: `command: [python, -m, myapp]`.

The process gets a session and process group of its own, the tags by which it is found after a crash of chaosrun, and a
standard input that ends with chaosrun. Its output is kept in `roles/NAME.log` of the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from chaosrun.errors import Unavailable
from chaosrun.identity import Identity, is_alive
from chaosrun.processes import ROLE_TAG, RUN_TAG, Selector
from chaosrun.targets import readiness
from chaosrun.targets._base import OnExit, OnSpawn, Restart
from chaosrun.targets.ending import end
from chaosrun.targets.output import Output, Watch
from chaosrun.targets.readiness import Ready
from chaosrun.targets.spawn import Spawned, exit_of, spawn


class CommandRole:
    """Implements `Role`. To be used from one event loop; it can be started again after a kill, on the same port."""

    selector: Selector | None = None
    admin: str | None = None
    """Base URL of its switches, where it offers any."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        run: str,
        output: Output,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        inherits: Mapping[str, str] | None = None,
        ready: Ready | None = None,
        stop_within_s: float = 5.0,
        on_spawn: OnSpawn = lambda _identity: None,
        on_exit: OnExit = lambda _identity, _code, _expected: None,
    ) -> None:
        """
        Args:
            inherits: what `env` is added to; None: chaosrun's environment.
        """
        self.name = name
        self.argv = tuple(argv)
        self.ready = ready
        self.output = output
        self._cwd = cwd
        self._env = {**(env or {}), RUN_TAG: run, ROLE_TAG: name}
        self._inherits = inherits
        self._stop_within_s = stop_within_s
        self._on_spawn = on_spawn
        self._on_exit = on_exit
        self._process: Spawned | None = None
        self._watch: Watch | None = None
        self._exit_expected = False
        self._end: asyncio.Task[None] | None = None

    def pids(self) -> list[Identity]:
        return [self._process.identity] if self._process is not None and self.is_alive() else []

    def resolve(self) -> list[Identity]:
        """The process; `Unavailable` while it is down."""
        if not self.is_alive():
            raise Unavailable(f"role {self.name} is not running")
        return self.pids()

    def is_alive(self) -> bool:
        return self._process is not None and is_alive(self._process.identity)

    @property
    def exit_code(self) -> int | None:
        """Of the process started last, -N when signal N ended it; None while it runs or before any start."""
        return None if self._process is None else self._process.popen.returncode

    def expect_exit(self) -> None:
        self._exit_expected = True

    async def start(self) -> None:
        """Starts the process unless it runs. Where its end is expected, that is waited for first."""
        if self.is_alive() and not self._exit_expected:
            return
        try:
            await asyncio.wait_for(self._ended(), self._stop_within_s)
        except TimeoutError as error:
            raise Unavailable(
                f"role {self.name} cannot be started again: it is still there {self._stop_within_s:g} s after its end"
            ) from error
        self._exit_expected = False
        self._watch = readiness.watch_for(self.ready)
        # On the loop, though it takes some ms: a cancelled wait for a thread would lose what the thread then starts.
        self._process = spawn(self.argv, cwd=self._cwd, env=self._env, on_spawn=self._on_spawn, inherits=self._inherits)
        assert self._process.output is not None
        self.output.take(self._process.output, self._watch)
        self._end = asyncio.create_task(self._report_end(self._process))

    async def stop(self) -> None:
        """SIGTERM, `stop_within_s` of patience, then SIGKILL for it and all that it and its earlier starts left."""
        if self._process is None:
            return
        self._exit_expected = True
        await asyncio.to_thread(end, self._process.identity, self._env, self._stop_within_s)
        await self._ended()

    async def wait_ready(self) -> int:
        if self.ready is None:
            return 0
        return await readiness.wait_ready(
            self.name, self.ready, is_alive=self.is_alive, output=self.output, watch=self._watch
        )

    def tail(self) -> str:
        return self.output.tail()

    def restart(self) -> Restart:
        cwd = self._cwd if self._cwd is not None else Path.cwd()
        return Restart(self.argv, str(cwd), self._env)

    async def _ended(self) -> None:
        if self._end is not None:
            await asyncio.shield(self._end)

    async def _report_end(self, process: Spawned) -> None:
        await exit_of(process)
        self._on_exit(process.identity, process.popen.returncode, self._exit_expected)
