"""A WebSocket service that lets in who has a certificate of its CA, ties clients to itself by a cookie, and pushes:
`secure_service.py PORT CERTIFICATES LOG`.

Each line of the log is a handshake: where it came from, and its cookies. It numbers what it pushes to each connection
by itself, so that a reader who is slow misses nothing; the library's own buffers hold it up.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from contextlib import suppress
from pathlib import Path

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

PORT, CERTIFICATES, LOG = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])


def answer(client: ServerConnection, request: Request, response: Response) -> None:
    with LOG.open("a") as log:
        log.write(f"{client.remote_address[0]} {request.headers.get('Cookie', 'none')}\n")
    response.headers["Set-Cookie"] = "instance=i-1; Path=/; Secure; HttpOnly"


async def push(client: ServerConnection) -> None:
    with suppress(ConnectionClosed):
        for seq in range(1, 1_000_000):
            await client.send(json.dumps({"type": "tick", "seq": seq, "filler": "x" * 2000}))
            await asyncio.sleep(0.08)


async def talk(client: ServerConnection) -> None:
    pushing = asyncio.create_task(push(client)) if client.request and client.request.path == "/feed" else None
    with suppress(ConnectionClosed):
        async for message in client:
            await client.send(message)
    if pushing is not None:
        pushing.cancel()


async def main() -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(CERTIFICATES / "service.pem")
    tls.load_verify_locations(CERTIFICATES / "ca.pem")
    tls.verify_mode = ssl.CERT_REQUIRED
    async with serve(talk, "127.0.0.1", PORT, ssl=tls, process_response=answer, compression=None, ping_interval=None):
        await asyncio.Future()


if __name__ == "__main__":
    asyncio.run(main())
