"""A handler that keeps what it is told, and lets a test wait for the end."""

from __future__ import annotations

import asyncio


class Recorder:
    def __init__(self) -> None:
        self.messages: list[tuple[bytes, bool]] = []
        self.ends: list[tuple[str, int | None]] = []
        self.ended = asyncio.Event()
        self.arrived = asyncio.Event()

    def on_message(self, data: memoryview | bytes, binary: bool) -> None:
        assert not self.ends, "a message after the end"
        self.messages.append((bytes(data), binary))
        self.arrived.set()

    def on_closed(self, cause: str, code: int | None) -> None:
        self.ends.append((cause, code))
        self.ended.set()

    async def end(self) -> tuple[str, int | None]:
        """The end, once the loop has had time to tell it twice if it would."""
        await asyncio.wait_for(self.ended.wait(), 15)
        await asyncio.sleep(0.03)
        assert len(self.ends) == 1, f"told {len(self.ends)} times: {self.ends}"
        return self.ends[0]

    async def received(self, count: int) -> list[tuple[bytes, bool]]:
        """The messages, once there are `count`."""
        async with asyncio.timeout(15):
            while len(self.messages) < count:
                self.arrived.clear()
                await self.arrived.wait()
        return self.messages
