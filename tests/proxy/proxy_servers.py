"""The embedded proxy and the original as processes that end with the test, and their API over plain HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chaosrun import proxy

REAL = "toxiproxy-server"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "chaosrun" / "bin"
"""Where .ci/run puts the original."""

_PATIENCE_S = 30.0


class Answer(NamedTuple):
    """Of the API."""

    status: int
    text: str
    content_type: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Server:
    """A running proxy server, by its API."""

    def __init__(self, kind: str, host: str, port: int, process: subprocess.Popen[bytes], ready: Any = None) -> None:
        self.kind = kind
        self.host = host
        self.port = port
        self.process = process
        self.ready = ready

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """`body` is sent as JSON, bytes as they are."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=_PATIENCE_S)
        try:
            data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            connection.request(method, path, data, {"User-Agent": "test", **(headers or {})})
            response = connection.getresponse()
            return Answer(response.status, response.read().decode(), response.headers.get("Content-Type", ""))
        finally:
            connection.close()

    def proxy(self, upstream: str, name: str = "p", listen: str = "127.0.0.1:0") -> tuple[str, int]:
        """Creates a proxy; where it listens."""
        answer = self.ask("POST", "/proxies", {"name": name, "listen": listen, "upstream": upstream})
        assert answer.status == 201, answer
        return address(answer.json["listen"])

    def toxic(self, kind: str, stream: str = "downstream", proxy: str = "p", toxicity: float = 1, **of: int) -> str:
        """Lays a toxic on a proxy; its name."""
        body = {"type": kind, "stream": stream, "toxicity": toxicity, "attributes": of}
        answer = self.ask("POST", f"/proxies/{proxy}/toxics", body)
        assert answer.status == 200, answer
        return str(answer.json["name"])

    def clear(self) -> None:
        """Deletes all proxies; a server that has ended has none."""
        if self.process.poll() is None:
            for name in self.ask("GET", "/proxies").json:
                assert self.ask("DELETE", f"/proxies/{name}").status == 204

    def change(self, name: str, proxy: str = "p", **attributes: int) -> None:
        answer = self.ask("PATCH", f"/proxies/{proxy}/toxics/{name}", {"attributes": attributes})
        assert answer.status == 200, answer

    def remove(self, name: str, proxy: str = "p") -> None:
        answer = self.ask("DELETE", f"/proxies/{proxy}/toxics/{name}")
        assert answer.status == 204, answer


def address(text: str) -> tuple[str, int]:
    """`[::1]:80` as a pair."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


@contextlib.contextmanager
def start_embedded(*options: str, host: str = proxy.HOST, files: int | None = None) -> Iterator[Server]:
    """The embedded proxy, ready; `files` is its limit of open files."""
    limit = [] if files is None else ["prlimit", f"--nofile={files}:{files}"]
    argv = [*limit, *proxy.argv(host=host), *options]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            yield Server("embedded", host, ready["port"], process, ready)
        finally:
            process.kill()


@contextlib.contextmanager
def start_real() -> Iterator[Server]:
    """The original, ready. Skips the test, by name, where it is not installed."""
    program = shutil.which(REAL) or shutil.which(REAL, path=str(CACHE))
    if program is None:
        pytest.skip(f"{REAL} is neither on the PATH nor in {CACHE}; .ci/run installs it")
    port = _free_port()
    # LOG_LEVEL: it logs each request, and nobody reads that.
    env = {**os.environ, "LOG_LEVEL": "error"}
    argv = [program, "-host", "127.0.0.1", "-port", str(port)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, env=env) as process:
        try:
            _until_it_answers(port, process)
            yield Server("real", "127.0.0.1", port, process)
        finally:
            process.kill()


def _until_it_answers(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert process.poll() is None, f"{REAL} ended with {process.returncode}"
            assert time.monotonic() < deadline, f"{REAL} does not listen on {port}"
            time.sleep(0.01)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
