"""The switches of a reference service over HTTP, on loopback: `GET /switches`, and `PATCH /switches` with what changes.

One request a connection, answered in JSON with all switches as they are then.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from http import HTTPStatus

import msgspec

_HEAD_LIMIT = 16 << 10
_BODY_LIMIT = 64 << 10
_PATIENCE_S = 5.0

Change = Callable[[bytes], None]
"""Applies a JSON body; raises `msgspec.MsgspecError` for one that it does not understand."""


class _Refused(Exception):
    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class Admin:
    """Answers for switches that are read by `state` and turned by `change`."""

    def __init__(self, state: Callable[[], msgspec.Struct], change: Change) -> None:
        self._state = state
        self._change = change

    async def serve(self, sock: socket.socket) -> asyncio.Server:
        return await asyncio.start_server(self._connected, sock=sock, limit=_HEAD_LIMIT)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(_PATIENCE_S):
                try:
                    await self._answer(reader)
                    status, body = HTTPStatus.OK, msgspec.json.encode(self._state())
                except _Refused as error:
                    status, body = error.status, msgspec.json.encode({"error": str(error)})
                head = (
                    f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                )
                writer.write(head.encode() + body)
                await writer.drain()
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> None:
        request, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, _, rest = request.partition(" ")
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = fields.get("content-length", "0")
        if not length.isdigit() or int(length) > _BODY_LIMIT:
            raise _Refused(HTTPStatus.BAD_REQUEST, f"a body of {length} bytes is not taken")
        body = await reader.readexactly(int(length))
        if rest.partition(" ")[0] != "/switches":
            raise _Refused(HTTPStatus.NOT_FOUND, "try /switches")
        if method == "PATCH":
            try:
                self._change(body)
            except msgspec.MsgspecError as error:
                raise _Refused(HTTPStatus.BAD_REQUEST, str(error)) from error
        elif method != "GET":
            raise _Refused(HTTPStatus.METHOD_NOT_ALLOWED, "GET tells the switches, PATCH turns them")
