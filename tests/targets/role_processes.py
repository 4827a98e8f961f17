"""Small real programs to be roles, and what tests ask of processes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from chaosrun.identity import Identity
from chaosrun.targets.command import CommandRole
from chaosrun.targets.output import Output


def python(code: str, *args: str) -> list[str]:
    """A command that runs `code`, unbuffered."""
    return [sys.executable, "-u", "-c", code, *args]


SLEEPER = "import time; time.sleep(600)"

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); time.sleep(600)"

HTTP_SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/good" else 503)
        self.end_headers()
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""

FAMILY = """
import subprocess, sys, time
child = "import time; time.sleep(600)"
for session in (False, True):
    print(subprocess.Popen([sys.executable, "-c", child], start_new_session=session).pid, flush=True)
time.sleep(600)
"""
"""A process with two children, one of them in a session of its own; prints their pids."""


class Recorder:
    """Keeps what a role reports."""

    def __init__(self) -> None:
        self.spawned: list[Identity] = []
        self.exited: list[tuple[int, int | None, bool]] = []

    def on_spawn(self, identity: Identity) -> None:
        self.spawned.append(identity)

    def on_exit(self, identity: Identity, code: int | None, expected: bool) -> None:
        self.exited.append((identity.pid, code, expected))


def command_role(directory: Path, argv: list[str], recorder: Recorder | None = None, **more: object) -> CommandRole:
    # The run is the whole path: what a role leaves is ended by its tags, wherever on this machine it runs.
    recorder = recorder or Recorder()
    return CommandRole(
        "server",
        argv,
        run=str(directory),
        output=Output(directory / "roles" / "server.log"),
        on_spawn=recorder.on_spawn,
        on_exit=recorder.on_exit,
        **more,  # type: ignore[arg-type]
    )


def eventually(holds: Callable[[], bool], within_s: float = 20.0) -> bool:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.02)
    return False
