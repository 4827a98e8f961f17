"""The reference service `mt5-bridge`: a bridge that clients connect to, and the terminal behind it, which numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from chaosrun.records import Published
from chaosrun.reference._misbehaviour import CHECKS
from chaosrun.reference._published import read_published
from chaosrun.reference._service import Service, program, switches
from chaosrun.reference._values import Check, rate, seed, symbols

_LOG = "terminal.published"
"""Everything that the terminal published, in the directory of its logs."""

_EVENTS = "bridge.events.jsonl"
"""The bridge's own log: JSON lines on CLOCK_MONOTONIC."""

_OF_TERMINAL: Mapping[str, Check] = {"symbols": symbols, "rate": rate, "seed": seed}
_OF_BRIDGE: Mapping[str, Check] = {"symbols": symbols, **CHECKS}


class Mt5Bridge(Service):
    """Its options are the switches of its two programs: `symbols` (a list), `rate`, `seed`, and the misbehaviour."""

    name = "mt5-bridge"
    roles = ("terminal", "server")
    entry = "server"
    path = "/ws"
    switched = ("server",)
    prober_account = "prober"
    known: ClassVar[Mapping[str, Check]] = {**_OF_TERMINAL, **_OF_BRIDGE}

    def argv(self, role: str, ports: Mapping[str, int], directory: Path, options: Mapping[str, str]) -> Sequence[str]:
        if role == "terminal":
            known, own = _OF_TERMINAL, ["--log", str(directory / _LOG)]
        else:
            known, own = _OF_BRIDGE, ["--terminal", f"127.0.0.1:{ports['terminal']}"]
            own += ["--events", str(directory / _EVENTS)]
        module = "mt5_terminal" if role == "terminal" else "mt5_bridge"
        return [*program(module, role, ports), *own, *switches(known, options)]

    def read_published(self, directory: Path, origin_ns: int) -> Iterator[Published]:
        return read_published(directory / _LOG, origin_ns)
