"""A WebSocket service that knows nothing of chaosrun: it answers every greeting. `python service.py --port=8000`."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

from websockets.asyncio.server import ServerConnection, serve


async def greet(connection: ServerConnection) -> None:
    async for message in connection:
        asked = json.loads(message)
        await connection.send(json.dumps({"type": "greeting", "id": asked["id"]}))


async def main(port: int) -> None:
    async with serve(greet, "127.0.0.1", port):
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1].removeprefix("--port="))))
