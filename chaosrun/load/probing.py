"""The engine's handle on the prober: starts it, has it flush, stops it, and never waits without an end."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Collection
from typing import Final

import msgspec

from chaosrun.errors import Unavailable, Unwritable
from chaosrun.load.prober import ProberConfig, Said
from chaosrun.load.surroundings import environment

START_WITHIN_S: Final = 30.0
ANSWER_WITHIN_S: Final = 10.0
END_WITHIN_S: Final = 5.0


class Probing:
    """One prober process. It leads a session of its own, so that Ctrl-C reaches the engine alone."""

    def __init__(self, config: ProberConfig, hidden: Collection[str] = ()) -> None:
        """
        Args:
            hidden: variables of the environment that it does not get.
        """
        self._config = config
        self._hidden = hidden
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it; from now on it probes.

        Raises:
            Unavailable: it could not start.
        """
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # the working directory is of others, whose modules may have the names of ours
            "-m",
            "chaosrun.load.prober",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment(self._config.run_dir, self._hidden),
            start_new_session=True,
        )
        await self._ask(msgspec.json.encode(self._config), START_WITHIN_S)

    @property
    def is_alive(self) -> bool:
        """Whether it still probes."""
        return self._process is not None and self._process.returncode is None

    async def flush(self) -> None:
        """Have all rows so far on disk; one that has ended, as `is_alive` tells, has no more than it wrote.

        Raises:
            Unwritable: the disk is full.
            Unavailable: it does not answer.
        """
        if not self.is_alive:
            return
        await self._ask(b"flush", ANSWER_WITHIN_S)

    async def close(self) -> None:
        """Stop it after its last row; kill what does not stop."""
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(END_WITHIN_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _ask(self, line: bytes, within_s: float) -> None:
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        answer = b""
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(within_s):
                process.stdin.write(line + b"\n")
                await process.stdin.drain()
                answer = await process.stdout.readline()
        if not answer:
            raise Unavailable(f"the prober (pid {process.pid}) ended or did not answer within {within_s:g} s")
        said = msgspec.json.decode(answer, type=Said)
        if said.unwritable:
            raise Unwritable(said.unwritable)
        if not said.done:
            raise Unavailable(f"the prober cannot work: {said.failed}")
