"""`service_*`: from the actual send of a request to its reply; blind to all that could not be sent."""

from __future__ import annotations

from chaosrun.metrics._base import needs
from chaosrun.metrics._latency import Waits, family
from chaosrun.scoring.window import Window


def read(window: Window) -> Waits | None:
    return None if window.requests is None else Waits(window.requests.service)


METRICS = family(
    "service",
    "the time from send to reply, uncorrected",
    read,
    needs("lag", "send", "journal"),
    "requests",
    filters=frozenset({"request"}),
)
