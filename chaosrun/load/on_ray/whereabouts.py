"""Which addresses are one's own."""

from __future__ import annotations

from pathlib import Path

from chaosrun.identity import boot_id


def network_here() -> str:
    """Names this machine and network namespace: who has the same has the same loopback."""
    return f"{boot_id()} {Path('/proc/self/ns/net').readlink()}"
