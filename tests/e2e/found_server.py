"""A bridge with its terminal that somebody else started, as the target of a run: `chaosrun serve mt5-bridge`."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from e2e_running import free_port

from chaosrun.identity import Identity, identify, send_signal, thread_states
from chaosrun.processes import Selector, find


@dataclass
class Served:
    """It, and how to find it again."""

    server: Identity
    target: Path
    described: dict[str, Any]

    @property
    def selector(self) -> Selector:
        wanted = self.described["roles"]["server"]["process"]
        return Selector(name=wanted["name"], cmdline_contains=tuple(wanted["cmdline_contains"]))

    def is_stopped(self) -> bool:
        return is_stopped(self.server.pid)


def is_stopped(pid: int) -> bool:
    identity = identify(pid)
    return identity is not None and "T" in thread_states(identity).values()


@contextlib.contextmanager
def found_server(folder: Path) -> Iterator[Served]:
    """Ends it, and what took its place, whatever a run did to it."""
    command = [sys.executable, "-m", "chaosrun", "serve", "mt5-bridge", "--port", str(free_port())]
    serving = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder)
    served: Served | None = None
    try:
        assert serving.stdout is not None
        lines: list[str] = []
        while not any(line.startswith("target:") for line in lines) or lines[-1].strip():
            lines.append(serving.stdout.readline())
            assert lines[-1], "".join(lines)
        text = "".join(lines)
        target, described = folder / "target.yaml", yaml.safe_load(text[text.index("target:") :])["target"]
        target.write_text(yaml.safe_dump(described))
        server = identify(next(int(line.split()[-1]) for line in lines if line.startswith("server is process")))
        assert server is not None
        served = Served(server, target, described)
        yield served
    finally:
        if served is not None:
            send_signal(served.server, signal.SIGCONT)
            for each in find(served.selector):
                if each != served.server:
                    send_signal(each, signal.SIGKILL)
        serving.send_signal(signal.SIGTERM)
        serving.communicate(timeout=30)
        assert served is None or identify(served.server.pid) != served.server
