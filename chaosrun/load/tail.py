"""The last words of a process of ours, for the error that says how it ended."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

TAIL_BYTES: Final = 4096
ENDED_WITHIN_S: Final = 2.0


class Tail:
    """Reads all of a stream, and keeps its end."""

    def __init__(self, stderr: asyncio.StreamReader) -> None:
        self._kept = bytearray()
        self._keeping = asyncio.create_task(self._keep(stderr))

    async def how_ended(self, process: asyncio.subprocess.Process) -> str:
        """With its exit code and its last words; one that goes on has closed its line."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ENDED_WITHIN_S):
                await process.wait()
                await self._keeping
        # Where it was cut, there may be the end of a secret.
        whole = self._kept if len(self._kept) < TAIL_BYTES else self._kept.partition(b"\n")[2]
        tail = whole.decode(errors="replace").strip()
        code = process.returncode
        how = "closed its line" if code is None else f"ended with {code}"
        return f"{how}{': ' + tail if tail else ''}"

    async def close(self) -> None:
        self._keeping.cancel()
        await asyncio.gather(self._keeping, return_exceptions=True)

    async def _keep(self, stderr: asyncio.StreamReader) -> None:
        while data := await stderr.read(TAIL_BYTES):
            self._kept += data
            del self._kept[:-TAIL_BYTES]
