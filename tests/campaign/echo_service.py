"""The service that the campaign breaks: a WebSocket echo, a program that chaosrun finds and has not started.

It needs nothing beside itself but `websockets`, so that the same text runs on the host and inside a container.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed


async def _echo(socket: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):  # of clients that are killed
        async for message in socket:
            await socket.send(message)


async def _serve(host: str, port: int) -> None:
    async with serve(_echo, host, port, compression=None):
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--mark", help="by which it is told from all others")
    given = options.parse_args()
    asyncio.run(_serve(given.host, given.port))
