"""A worker in a process of its own: its clients share a core with nothing of chaosrun.

It leads a session of its own, so that Ctrl-C in the terminal reaches the engine alone, which then stops the load in
order.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Collection

from chaosrun.identity import Identity, identify
from chaosrun.load.handle import Worker
from chaosrun.load.place import Place
from chaosrun.load.surroundings import environment
from chaosrun.load.tail import Tail
from chaosrun.load.wire import Setup


class OwnProcesses(Place):
    def __init__(self, hidden: Collection[str] = ()) -> None:
        """
        Args:
            hidden: variables of the environment that the processes do not get.
        """
        self._hidden = hidden

    def worker(self, setup: Setup) -> Worker:
        return OwnProcess(setup, self._hidden)


class OwnProcess(Worker):
    def __init__(self, setup: Setup, hidden: Collection[str]) -> None:
        super().__init__(f"load process {setup.shard}", setup)
        self._hidden = hidden
        self._process: asyncio.subprocess.Process | None = None
        self._tail: Tail | None = None

    @property
    def process(self) -> Identity | None:
        return None if self._process is None else identify(self._process.pid)

    @property
    def _called(self) -> str:
        return f"{self.name} (pid {None if self._process is None else self._process.pid})"

    async def _begin(self, theirs: socket.socket) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # the working directory is of others, whose modules may have the names of ours
            "-m",
            "chaosrun.load.worker",
            str(theirs.fileno()),
            pass_fds=[theirs.fileno()],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=environment(self.setup.run_dir, self._hidden),
            start_new_session=True,
        )
        assert self._process.stderr is not None
        self._tail = Tail(self._process.stderr)

    async def _how_it_ended(self) -> str:
        assert self._process is not None and self._tail is not None
        return await self._tail.how_ended(self._process)

    async def _end(self, within_s: float) -> None:
        """Kill what does not end by itself."""
        if self._process is not None:
            try:
                async with asyncio.timeout(within_s):
                    await self._process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
                await self._process.wait()
        if self._tail is not None:
            await self._tail.close()
