"""Runs the reference programs as processes, as chaosrun does, and talks to them with a plain WebSocket client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from chaosrun.targets.ports import free_port


class Program:
    """One reference program on a port that it keeps over restarts."""

    def __init__(self, module: str, *args: object, env: dict[str, str] | None = None) -> None:
        self.port = free_port()
        self._argv = [
            sys.executable,
            "-m",
            f"chaosrun.reference.{module}",
            "--port",
            str(self.port),
            "--die-with-stdin",
        ]
        self._argv += map(str, args)
        self._env = {**os.environ, **(env or {})}
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            self._argv, env=self._env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert json.loads(line or b"{}") == {"ready": True, "port": self.port}

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        code = self.process.wait(20)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
        return code

    def kill(self) -> None:
        if self.process.returncode is None:
            self.end(signal.SIGKILL)


Launch = Callable[..., Program]


def whole_lines(path: Path) -> list[str]:
    """Those of a file that is still being written: its last one may be torn."""
    text = path.read_text()
    return text[: text.rfind("\n") + 1].splitlines()


def eventually(holds: Callable[[], bool], within_s: float = 30.0) -> bool:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.02)
    return False


class Service:
    """A terminal and a bridge."""

    def __init__(self, launch: Launch, directory: Path, rate: float = 50, env: dict[str, str] | None = None) -> None:
        self.log = directory / "terminal.published"
        self.events = directory / "bridge.events"
        self.terminal = launch("mt5_terminal", "--rate", rate, "--log", self.log)
        self.bridge = launch(
            "mt5_bridge", "--terminal", f"127.0.0.1:{self.terminal.port}", "--events", self.events, env=env
        )

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.bridge.port}/ws"

    def logged(self) -> dict[tuple[str, str], list[int]]:
        """The numbers in the terminal's log, by boot and symbol."""
        found: dict[tuple[str, str], list[int]] = {}
        for line in whole_lines(self.log):
            symbol, seq, boot_id, _ = line.split()
            found.setdefault((boot_id, symbol), []).append(int(seq))
        return found

    def bridge_events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in whole_lines(self.events)]


class Talk:
    """A client that asserts what it hears."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.ticks: list[dict[str, Any]] = []

    async def send(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def hear(self, kind: str) -> dict[str, Any]:
        """The next message of that type; ticks on the way are collected."""
        async for text in self.socket:
            message: dict[str, Any] = json.loads(text)
            if message["type"] == "tick":
                self.ticks.append(message)
            if message["type"] == kind:
                return message
        raise AssertionError(f"closed with {self.socket.close_code} before {kind}")

    async def subscribe(self, *channels: str, account: str = "1001", token: str = "") -> dict[str, Any]:
        await self.send(type="auth", account=account, token=token)
        await self.hear("auth_ok")
        await self.send(type="subscribe", channels=channels)
        return await self.hear("subscribed")

    async def wait_live(self) -> None:
        """Until the bridge knows the terminal's numbers."""
        while True:
            await self.send(type="head")
            if (await self.hear("head"))["heads"]:
                return


@asynccontextmanager
async def talk(url: str) -> AsyncIterator[Talk]:
    async with connect(url, proxy=None, compression=None) as socket:
        yield Talk(socket)
