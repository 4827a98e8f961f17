"""The reference service `mt5-bridge`: a bridge that clients connect to, and the terminal behind it, which numbers."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from chaosrun.errors import UsageError
from chaosrun.records import Published
from chaosrun.reference._misbehaviour import Misbehaviour
from chaosrun.reference._service import Service, admin_port

_LOG = "terminal.published"
"""Everything that the terminal published, in the directory of its logs."""

_EVENTS = "bridge.events.jsonl"
"""The bridge's own log: JSON lines on CLOCK_MONOTONIC."""

_OF_TERMINAL: tuple[str, ...] = ("symbols", "rate", "seed")
_OF_BRIDGE: tuple[str, ...] = ("symbols", *Misbehaviour.__dataclass_fields__)


class Mt5Bridge(Service):
    """Its options are the switches of its two programs: `symbols` (a list), `rate`, `seed`, and the misbehaviour."""

    name = "mt5-bridge"
    roles = ("terminal", "server")
    entry = "server"
    path = "/ws"
    switched = ("server",)
    prober_account = "prober"

    def options(self, given: Mapping[str, object]) -> Mapping[str, str]:
        known = {*_OF_TERMINAL, *_OF_BRIDGE}
        unknown = sorted(given.keys() - known)
        if unknown:
            raise UsageError(f"{self.name} has no option {unknown[0]!r}; known: {', '.join(sorted(known))}")
        return {key: _text(value) for key, value in given.items()}

    def argv(self, role: str, ports: Mapping[str, int], directory: Path, options: Mapping[str, str]) -> Sequence[str]:
        if role == "terminal":
            module, known, own = "mt5_terminal", _OF_TERMINAL, ["--log", str(directory / _LOG)]
        else:
            module, known, own = "mt5_bridge", _OF_BRIDGE, ["--terminal", f"127.0.0.1:{ports['terminal']}"]
            own += ["--events", str(directory / _EVENTS)]
            own += ["--admin-port", str(ports[admin_port(role)])] if admin_port(role) in ports else []
        switches = [word for key in known if key in options for word in _switch(key, options[key])]
        program = [sys.executable, "-m", f"chaosrun.reference.{module}", "--port", str(ports[role])]
        return [*program, "--die-with-stdin", *own, *switches]

    def read_published(self, directory: Path, origin_ns: int) -> Iterator[Published]:
        return read_published(directory / _LOG, origin_ns)


def _switch(key: str, value: str) -> list[str]:
    flag = f"--{key.replace('_', '-')}"
    if value in ("true", "false"):
        return [flag] if value == "true" else []
    return [flag, value]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def read_published(log: Path, origin_ns: int = 0) -> Iterator[Published]:
    """One record for each tick in a terminal's log, in order, at ns after `origin_ns`; a torn last line is left out.

    No log means that the terminal never came to publish anything.
    """
    if not log.exists():
        return
    with log.open() as lines:
        for line in lines:
            if line.endswith("\n"):
                symbol, seq, boot_id, at = line.split()
                number = int(seq)
                yield Published(t=int(at) - origin_ns, channel=symbol, first=number, last=number, epoch=boot_id)
