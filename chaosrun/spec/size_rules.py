"""Whether a run is of a size that one machine can make, keep and score: a slip of a unit or a zero is told, not tried.

Every number by itself is bounded by its type; here are those that several of them make together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chaosrun.spec.doubt import Finding
from chaosrun.spec.method import method_ns, rollbacks_ns
from chaosrun.spec.model import Experiment
from chaosrun.spec.nodes import Path
from chaosrun.spec.protocol import SECOND
from chaosrun.spec.units import format_duration

MAX_CLIENTS: Final = 1_000_000
MAX_RATE: Final = 1_000_000
"""Requests and sentinels a second, of all groups."""
MAX_REQUESTS: Final = 100_000_000
"""In the whole run: each is a row that is kept, and read back to be scored."""
MAX_LENGTH_NS: Final = 31 * 86_400 * SECOND

_LOAD: Path = ("steady_state", "load")


def size_problems(experiment: Experiment) -> Iterator[Finding]:
    """What of the load and of the planned time is too much."""
    load = experiment.steady_state.load
    decide = tuple((*_LOAD, name, key) for name in load for key in ("clients", "requests", "sentinels"))
    clients = sum(group.clients for group in load.values())
    rate = sum(group.events_per_s() for group in load.values())
    length_ns = _length_ns(experiment)
    if clients > MAX_CLIENTS:
        yield Finding(_LOAD, f"{clients} clients in all groups; at most {MAX_CLIENTS}", needs=decide)
    elif rate > MAX_RATE:
        text = (
            f"{clients} clients make {rate:.4g} requests/s; at most {MAX_RATE}/s: write fewer clients, or fewer "
            "requests of each"
        )
        yield Finding(_LOAD, text, needs=decide)
    if length_ns > MAX_LENGTH_NS:
        text = f"the run is planned to last {_days(length_ns)}; at most {format_duration(MAX_LENGTH_NS)}"
        yield Finding(("timing",), text, needs=(("method",), ("rollbacks",)))
    elif rate <= MAX_RATE and rate * length_ns / SECOND > MAX_REQUESTS:
        text = (
            f"{rate:.4g} requests/s make {rate * length_ns / SECOND:.4g} requests in the {_days(length_ns)} that the "
            f"run is planned to last; at most {MAX_REQUESTS}: write fewer requests, or shorter phases"
        )
        yield Finding(_LOAD, text, needs=(*decide, ("timing",), ("method",), ("rollbacks",)))


def _length_ns(experiment: Experiment) -> int:
    """Phases and steps, without the ramp and the start."""
    timing = experiment.timing
    phases = timing.warmup + timing.baseline + timing.verify
    if experiment.method:
        phases += timing.recovery_timeout + timing.after
    return phases + method_ns(experiment) + rollbacks_ns(experiment)


def _days(ns: int) -> str:
    """To the hundredth of a day, an hour or a second, whichever is the largest that fits."""
    for unit, scale in (("d", 86_400 * SECOND), ("h", 3_600 * SECOND)):
        if ns >= scale:
            return f"{ns / scale:.2f}".rstrip("0").rstrip(".") + unit
    return f"{ns / SECOND:g}s"
