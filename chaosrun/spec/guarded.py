"""The metrics that `stop_when` can watch: those whose value is known while a run goes on."""

from __future__ import annotations

from typing import Final

OF_REQUESTS: Final = (
    "bad",
    "goodput",
    "response_p50",
    "response_p90",
    "response_p95",
    "response_p99",
    "response_max",
)
"""They can be read of a group that sends requests."""
OF_STREAMS: Final = ("message_rate",)
"""They can be read of a group to which something is pushed."""

GUARDED: Final = (
    "usable",
    "bad",
    "throughput",
    "goodput",
    "message_rate",
    "unexpected_disconnects",
    "response_p50",
    "response_p90",
    "response_p95",
    "response_p99",
    "response_max",
    "cpu",
    "memory",
)
"""The names; how each is read from the workers' snapshots is chaosrun/guards/sight.py's to say."""
