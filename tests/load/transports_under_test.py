"""The transports that the conformance suite holds to one behaviour, each on the loops that it runs on."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields
from typing import Any

import pytest
import uvloop

from chaosrun.load.route import Refusal, Route
from chaosrun.load.transport import Connection, Handler, Options, transport

_WAY = {field.name for field in fields(Route)}


@dataclass(frozen=True)
class Client:
    name: str
    loop: Callable[[], asyncio.AbstractEventLoop]

    def run(self, scenario: Callable[[], Awaitable[Any]], *, complaints: int = 0) -> Any:
        """Run `scenario` on this client's loop; what the loop complains of (lost exceptions too) is counted."""
        heard: list[dict[str, Any]] = []

        async def listen() -> Any:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
            try:
                return await scenario()
            finally:
                gc.collect(1)  # lost exceptions are complained of when their futures go

        with asyncio.Runner(loop_factory=self.loop) as runner:
            result = runner.run(listen())
        assert len(heard) == complaints, heard
        return result

    async def connect(self, url: str, handler: Handler, **options: Any) -> Connection:
        way = Route(**{key: options.pop(key) for key in [*options] if key in _WAY})
        return await transport(self.name)(url, handler, Options(route=way, **options))

    def refusal(self, url: str, handler: Handler, **options: Any) -> Refusal:
        """Connect in vain."""

        async def scenario() -> Refusal:
            with pytest.raises(Refusal) as caught:
                await self.connect(url, handler, **options)
            return caught.value

        refusal: Refusal = self.run(scenario)
        return refusal


every_client = pytest.mark.parametrize(
    "client",
    [
        pytest.param(Client("picows", uvloop.new_event_loop), id="picows-uvloop"),
        pytest.param(Client("websockets", uvloop.new_event_loop), id="websockets-uvloop"),
        pytest.param(Client("websockets", asyncio.new_event_loop), id="websockets-asyncio"),
    ],
)
