"""Starts and kills the service, as a team's own scripts would: `python manage.py start|kill PORT`."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
PIDS = HERE / "pids"


def start(port: int) -> None:
    """In the background; returns when it accepts connections. One that runs is left alone."""
    if not accepts(port):
        command = [sys.executable, str(HERE / "service.py"), f"--port={port}"]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        with PIDS.open("a") as file:
            file.write(f"{process.pid}\n")
    while not accepts(port):
        time.sleep(0.02)


def kill(_port: int) -> None:
    os.kill(int(PIDS.read_text().split()[-1]), signal.SIGKILL)


def accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


if __name__ == "__main__":
    {"start": start, "kill": kill}[sys.argv[1]](int(sys.argv[2]))
