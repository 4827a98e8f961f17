"""The team's own fixture: the service on a free port, under a supervisor that starts it again when it dies."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

SERVICE = Path(__file__).with_name("service.py")


class Supervised:
    """The service, for as long as nobody stops it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"ws://127.0.0.1:{port}"
        self.sets = {"configuration.port": port, "configuration.python": Path(sys.executable).name}
        self.starts = 0
        self._stopping = threading.Event()
        self._process = self._start()
        self._thread = threading.Thread(target=self._look_after)
        self._thread.start()

    def _start(self) -> subprocess.Popen[bytes]:
        self.starts += 1
        return subprocess.Popen([sys.executable, str(SERVICE), f"--port={self.port}"])

    def _look_after(self) -> None:
        while not self._stopping.wait(0.1):
            if self._process.poll() is not None:
                self._process = self._start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._process.kill()
        self._process.wait()


@pytest.fixture
def service() -> Iterator[Supervised]:
    # Below the ephemeral range, where clients that retry might connect to themselves.
    port = next(port for port in range(21_000, 32_000) if is_free(port))
    running = Supervised(port)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield running
    finally:
        running.stop()


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
