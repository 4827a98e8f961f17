"""`connect_*`: from the start of an attempt to the end of the opening conversation, of attempts that succeeded."""

from __future__ import annotations

from chaosrun.metrics._base import needs
from chaosrun.metrics._latency import Waits, family
from chaosrun.scoring.window import Window


def read(window: Window) -> Waits | None:
    connections = window.connections
    return None if connections is None else Waits(connections.connect)


METRICS = family(
    "connect", "the time from attempt to open connection", read, needs("lag", "send", "journal"), "connections"
)
