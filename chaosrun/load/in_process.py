"""A worker within the engine's own process, on a thread and an event loop of its own.

For a machine that is short of memory, and for looking into a protocol of one's own with a debugger. The engine and the
clients then share one interpreter: what either takes makes the other late, and the lag of the load tells.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from typing import Final

import uvloop

from chaosrun.identity import Identity, identify
from chaosrun.load.handle import Worker
from chaosrun.load.place import Place
from chaosrun.load.wire import Setup
from chaosrun.load.worker import serve

LOOK_EVERY_S: Final = 0.01


class Threads(Place):
    def worker(self, setup: Setup) -> Worker:
        return InProcess(setup)


class InProcess(Worker):
    def __init__(self, setup: Setup) -> None:
        super().__init__(f"load thread {setup.shard}", setup)
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    @property
    def process(self) -> Identity | None:
        return identify(os.getpid()) if self._thread is not None and self._thread.is_alive() else None

    @property
    def _called(self) -> str:
        return self.name

    async def _begin(self, theirs: socket.socket) -> None:
        # A daemon: one that hangs keeps no process from its end.
        self._thread = threading.Thread(target=self._work, args=(theirs.dup(),), name=self.name, daemon=True)
        self._thread.start()

    def _work(self, sock: socket.socket) -> None:
        try:
            uvloop.run(serve(sock))
        except BaseException as error:
            self._failure = error
            sock.close()

    async def _how_it_ended(self) -> str:
        await self._end(1.0)
        failure = self._failure
        return "ended" if failure is None else f"ended with {type(failure).__name__}: {failure}"

    async def _end(self, within_s: float) -> None:
        """A thread cannot be killed: one that hangs is left to the end of the process."""
        deadline = asyncio.get_running_loop().time() + within_s
        while self._thread is not None and self._thread.is_alive():
            if asyncio.get_running_loop().time() > deadline:
                return
            await asyncio.sleep(LOOK_EVERY_S)
