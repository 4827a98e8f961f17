"""`lost_client_seconds`: the time that planned clients were not usable, added up from the first fault on."""

from __future__ import annotations

from chaosrun.metrics._base import Metric, needs
from chaosrun.metrics._recovery import lasting
from chaosrun.scoring.verdict import Reading
from chaosrun.scoring.window import Window


def measure(window: Window) -> Reading | None:
    """Divided by the number of clients it is the area of the resilience triangle (Bruneau et al., 2003)."""
    recovery = window.recovery
    if recovery is None or not recovery.episodes:
        return None
    # A client's own clock times it, but for where the engine's cuts it off: at the fault, and at the end.
    errors = [
        None if each.clock_error is None else each.clock_error * (each.back.affected + each.back.never)
        for each in recovery.episodes
    ]
    known = [error for error in errors if error is not None]
    return lasting(recovery.lost_client_ns, sum(known) if len(known) == len(errors) else None)


METRICS = (
    Metric(
        name="lost_client_seconds",
        unit="s",
        up=False,
        meaning="time of planned clients that were not usable, added up from the first fault to the end of `after`",
        needs=needs("lag", "journal", "prober", "effect"),
        measure=measure,
        per="run",
        windowed=False,
    ),
)
