"""What this machine can and cannot do: `chaosrun doctor`. It looks and tries, and changes nothing.

What a check cannot find out it says; none raises, whoever asks.
"""

from __future__ import annotations

from pathlib import Path

from chaosrun.doctor import machine, tools
from chaosrun.doctor._base import Finding, State

__all__ = ["Finding", "State", "examine"]


def examine(report_dir: Path = Path("reports")) -> list[Finding]:
    """Every check of the machine, in about a second."""
    return [
        tools.python(),
        machine.processors(),
        machine.memory(),
        machine.descriptors(),
        machine.ports(),
        machine.clock(),
        machine.pidfd(),
        machine.process_table(),
        tools.reports(report_dir),
        tools.netem(),
        tools.docker(),
        tools.toxiproxy(),
        tools.ray(),
    ]
