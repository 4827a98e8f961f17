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
from typing import Final

from chaosrun.identity import Identity, identify
from chaosrun.load.handle import Worker
from chaosrun.load.surroundings import environment
from chaosrun.load.wire import Setup

TAIL_BYTES: Final = 4096
ENDED_WITHIN_S: Final = 2.0


class OwnProcess(Worker):
    def __init__(self, shard: int, setup: Setup, hidden: Collection[str]) -> None:
        """
        Args:
            hidden: variables of the environment that it does not get.
        """
        super().__init__(f"load process {shard}", setup)
        self._hidden = hidden
        self._process: asyncio.subprocess.Process | None = None
        self._tail = bytearray()
        self._keeping: asyncio.Task[None] | None = None

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
        self._keeping = asyncio.create_task(self._keep_tail(self._process.stderr))

    async def _how_it_ended(self) -> str:
        assert self._process is not None and self._keeping is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ENDED_WITHIN_S):
                await self._process.wait()
                await self._keeping
        # Where it was cut, there may be the end of a secret.
        whole = self._tail if len(self._tail) < TAIL_BYTES else self._tail.partition(b"\n")[2]
        tail = whole.decode(errors="replace").strip()
        code = self._process.returncode
        how = "closed its line" if code is None else f"ended with {code}"
        return f"{how}{': ' + tail if tail else ''}"

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
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)

    async def _keep_tail(self, stderr: asyncio.StreamReader) -> None:
        while data := await stderr.read(TAIL_BYTES):
            self._tail += data
            del self._tail[:-TAIL_BYTES]
