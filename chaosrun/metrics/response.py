"""`response_*`: from the instant a request was due to its reply, waits of unserved users included (the headline)."""

from __future__ import annotations

from chaosrun.metrics._base import needs
from chaosrun.metrics._latency import Waits, family
from chaosrun.scoring.window import Window


def read(window: Window) -> Waits | None:
    requests = window.requests
    return None if requests is None else Waits(requests.response, requests.censored)


METRICS = family(
    "response",
    "the time from due to reply, corrected for requests that could not be sent",
    read,
    needs("lag", "send", "journal"),
    "requests",
    filters=frozenset({"request"}),
)
