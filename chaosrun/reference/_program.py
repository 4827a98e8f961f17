"""What every reference service is as a process: its listening socket, its ready line, its end, its event log.

A reference service writes one JSON line `{"ready": true, "port": N}` to standard output when it listens, exits 0 on
SIGTERM or SIGINT, and with `PORT_TAKEN` when its port is somebody else's. With `--die-with-stdin` it also ends when its
standard input does, so that whoever started it cannot leave it behind, not even by being killed.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from chaosrun.reference._service import PORT_TAKEN

BACKLOG = 4096
"""Connections the kernel may hold for us; it caps this at net.core.somaxconn. 300 clients come back at once."""

_GRACE_S = 3.0
"""How long an orderly end may take once standard input has closed."""


def parser(description: str) -> argparse.ArgumentParser:
    """The options that all reference services share: --host, --port, --die-with-stdin."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    options.add_argument("--host", default="127.0.0.1", help="address to listen on")
    options.add_argument("--port", type=int, default=0, help="port to listen on; 0: any free one")
    options.add_argument("--die-with-stdin", action="store_true", help="end when standard input is closed")
    return options


def listening_socket(host: str, port: int) -> socket.socket:
    """A bound TCP socket. Exits with `PORT_TAKEN`, saying so, when the port is in use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    # A server that was killed leaves connections in TIME_WAIT and FIN_WAIT behind; they must not delay its return.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        sys.stderr.write(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port, or 0 for any\n")
        raise SystemExit(PORT_TAKEN if error.errno == errno.EADDRINUSE else 1) from error
    sock.setblocking(False)
    return sock


def say_ready(port: int) -> None:
    """The one line on standard output that tells whoever started us that we listen on `port`."""
    sys.stdout.buffer.write(msgspec.json.encode({"ready": True, "port": port}) + b"\n")
    sys.stdout.flush()


class EventLog:
    """A file of JSON lines `{"t": CLOCK_MONOTONIC ns, "event": name, ...}`, each written through at once.

    It is the server's own truth that tests hold chaosrun's numbers against, so it survives a SIGKILL of the server.
    """

    def __init__(self, path: Path | None) -> None:
        self._fd = None if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, event: str, **fields: str | float | None) -> None:
        if self._fd is not None:
            os.write(self._fd, msgspec.json.encode({"t": time.monotonic_ns(), "event": event, **fields}) + b"\n")


async def until_stopped(*work: Coroutine[Any, Any, None], die_with_stdin: bool) -> None:
    """Does `work` until SIGTERM, SIGINT, or (if asked) the end of standard input; raises what any of it raises."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if die_with_stdin:
        threading.Thread(target=_watch_stdin, args=(loop, stop), daemon=True).start()
    tasks = [asyncio.create_task(each) for each in (stop.wait(), *work)]
    done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    for task in done:
        task.result()


def run(main: Coroutine[Any, Any, None]) -> None:
    """Runs `main` on uvloop to its end."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while os.read(0, 4096):
        pass
    loop.call_soon_threadsafe(stop.set)
    # The loop may hang; whoever held our standard input may not be there any more to kill us.
    time.sleep(_GRACE_S)
    os._exit(1)
