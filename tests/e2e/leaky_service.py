"""A service that repeats every secret that it is told, in every form, wherever it can: `leaky_service.py PORT WORD`.

It lets in only those who bring the user and password of its environment, and of each client it refuses the first
opening conversation, with the client's own words.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from base64 import b64encode
from http import HTTPStatus
from urllib.parse import quote

from websockets.asyncio.server import Request, Response, ServerConnection, serve

BASIC = b64encode(f"me:{os.environ['LEAKY_PASSWORD']}".encode()).decode()
refused: set[str] = set()


def say(text: str) -> None:
    """In plain, in JSON, percent-encoded, in base64, and in two halves of one line."""
    for form in (text, json.dumps(text), quote(text), b64encode(text.encode()).decode()):
        print(form, flush=True)
    sys.stdout.write(text[: len(text) // 2])
    sys.stdout.flush()
    print(text[len(text) // 2 :], flush=True)


def on_request(connection: ServerConnection, request: Request) -> Response | None:
    say(f"{request.path} {dict(request.headers.raw_items())}")
    if not request.path.startswith("/ws"):
        status = HTTPStatus.OK if "key=" in request.path else HTTPStatus.UNAUTHORIZED
        return connection.respond(status, request.path)
    if request.headers.get("Authorization") != f"Basic {BASIC}":
        return connection.respond(HTTPStatus.UNAUTHORIZED, f"not {request.headers.get('Authorization')}")
    return None


async def converse(connection: ServerConnection) -> None:
    async for message in connection:
        asked = json.loads(message)
        if "login" in asked:
            again = asked["login"] in refused
            refused.add(asked["login"])
            say(str(message))
            await connection.send(
                json.dumps({"ok": True} if again else {"kind": "error", "error": f"nobody has {message!r}"})
            )
        else:
            if asked["id"] % 7 == 3:
                await connection.send('{"broken": ' + asked["token"])
            await connection.send(json.dumps({"id": asked["id"]}))


async def main() -> None:
    say(" ".join((*sys.argv, *os.environ.values())))
    async with serve(converse, "127.0.0.1", int(sys.argv[1]), process_request=on_request):
        await asyncio.Future()


asyncio.run(main())
