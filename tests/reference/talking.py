"""Talks to the services of one program each: by hand, and as a client of a load does, by a protocol."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mt5_programs import Launch, Program, whole_lines
from websockets.asyncio.client import ClientConnection, connect

from chaosrun.protocols._base import ClientIdentity, Clocks
from chaosrun.protocols.yaml import YamlProtocol
from chaosrun.reference._published import read_published
from chaosrun.targets.ports import free_port

PATIENCE_S = 60.0


class Served:
    """A service, its logs, and the port of its switches."""

    def __init__(self, launch: Launch, module: str, directory: Path, *args: object, env: dict[str, str] | None = None):
        self.log = directory / "published"
        self.events_file = directory / "events"
        self.admin = free_port()
        logs = ("--log", self.log, "--events", self.events_file, "--admin-port", self.admin)
        self.program: Program = launch(module, *logs, *args, env=env)

    @property
    def port(self) -> int:
        return self.program.port

    def url(self, path: str = "/ws") -> str:
        return f"ws://127.0.0.1:{self.port}{path}"

    def published(self, channel: str, epoch: str) -> list[int]:
        return [each.first for each in read_published(self.log) if (each.channel, each.epoch) == (channel, epoch)]

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in whole_lines(self.events_file)]

    def get(self, path: str) -> tuple[int, Any]:
        return ask(self.port, "GET", path)

    def turn(self, **switches: object) -> None:
        status, told = ask(self.admin, "PATCH", "/switches", switches)
        assert status == 200, told

    def count(self, metric: str) -> int:
        """A sample of /metrics by its name and labels."""
        text: str = self.get("/metrics")[1]
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(f"{metric} "))


def ask(port: int, method: str, path: str, body: object = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request(method, path, body=None if body is None else json.dumps(body))
        reply = connection.getresponse()
        text = reply.read().decode()
        return reply.status, json.loads(text) if reply.headers["Content-Type"] == "application/json" else text
    finally:
        connection.close()


class Client:
    """A client by hand, which keeps what it hears."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.heard: list[dict[str, Any]] = []

    async def send(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def hear(self, kind: str) -> dict[str, Any]:
        """The next message of that type; what comes before it is in `heard`, too."""
        while True:
            message: dict[str, Any] = json.loads(await asyncio.wait_for(self.socket.recv(), PATIENCE_S))
            self.heard.append(message)
            if message["type"] == kind:
                return message

    async def answer(self, kind: str, **message: Any) -> dict[str, Any]:
        await self.send(**message)
        return await self.hear(kind)


@asynccontextmanager
async def client(url: str) -> AsyncIterator[Client]:
    async with connect(url, proxy=None, compression=None) as socket:
        yield Client(socket)


class Heard:
    """A sink that keeps what a conversation makes of its messages."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._sending: list[asyncio.Task[None]] = []
        self.is_open = False
        self.is_finished = False
        self.subscriptions: list[tuple[str, int | None, str | None]] = []
        self.replies: list[tuple[int, bool]] = []
        self.pushes: list[tuple[str, int, str | None]] = []
        self.sent_at: list[int | None] = []
        self.heads: list[tuple[str, int, str | None]] = []
        self.wrong: list[str] = []

    def send(self, data: bytes, binary: bool, /) -> bool:
        self._sending.append(asyncio.get_running_loop().create_task(self._socket.send(data, text=not binary)))
        return True

    def opened(self) -> None:
        self.is_open = True

    def failed(self, why: str, /) -> None:
        self.wrong.append(why)

    def subscribed(self, channel: str, head: int | None, epoch: str | None, stream: str, /) -> None:
        self.subscriptions.append((channel, head, epoch))

    def replied(self, token: int, ok: bool, /) -> None:
        self.replies.append((token, ok))

    def pushed(
        self, channel: str, first: int, last: int, sent_at: int | None, epoch: str | None, stream: str, /
    ) -> None:
        assert first == last
        self.pushes.append((channel, first, epoch))
        self.sent_at.append(sent_at)

    def malformed(self, why: str, /) -> None:
        self.wrong.append(why)

    def head(self, channel: str, seq: int, epoch: str | None, stream: str, /) -> None:
        self.heads.append((channel, seq, epoch))

    def finished(self) -> None:
        self.is_finished = True


async def converse(url: str, protocol: YamlProtocol, channels: tuple[str, ...], *, pushes: int) -> Heard:
    """One client, from its handshake over each kind of request and some pushes to its leave."""
    identity = ClientIdentity("group", 0, "group-0", {}, channels)
    origin = time.monotonic_ns()
    clocks = Clocks(origin, time.time_ns())
    shake = protocol.handshake(identity)
    async with connect(shake.url(url), proxy=None, compression=None) as socket:
        heard = Heard(socket)
        conversation = protocol.conversation(identity, heard, clocks)
        asked = range(len(protocol.requests))

        async def until(*done: Any) -> None:
            while not all(each() for each in done):
                data = await asyncio.wait_for(socket.recv(), PATIENCE_S)
                raw = data.encode() if isinstance(data, str) else data
                conversation.receive(raw, isinstance(data, bytes), time.monotonic_ns() - origin)
                assert not heard.wrong

        conversation.start(time.monotonic_ns() - origin)
        await until(lambda: heard.is_open)
        for which in asked:
            conversation.request(which + 1, which, time.monotonic_ns() - origin)
        await until(lambda: len(heard.replies) == len(asked), lambda: len(heard.pushes) >= pushes)
        assert conversation.ask_head(time.monotonic_ns() - origin)
        await until(lambda: len(heard.heads) >= len(channels))
        conversation.finish(time.monotonic_ns() - origin)
        await until(lambda: heard.is_finished)
        return heard
