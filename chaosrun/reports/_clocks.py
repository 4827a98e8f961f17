"""The clocks of the load's nodes in words, for a fleet on several machines; all other runs say nothing of them."""

from __future__ import annotations

from collections.abc import Sequence

from chaosrun.reports._story import counted
from chaosrun.scoring.result import NodeClocks, WorkerClock
from chaosrun.scoring.words import show

HEADS = ("load process", "node", "exchanges", "offset known to within", "offset after the load", "drift", "error")


def clocks_told(clocks: NodeClocks | None) -> list[str]:
    """One line, or none."""
    if clocks is None:
        return []
    nodes = counted(len({clock.node for clock in clocks.workers}), "node")
    if clocks.error_s is None:
        return [f"clocks of {nodes}: nothing tells that of {', '.join(clocks.uncompared)}, so no error bound is known"]
    worst = max(clocks.workers, key=lambda clock: clock.error_s)
    which = f" ({worst.worker} on {worst.node}, drift {drift(worst)})"
    return [f"clocks of {nodes}: within {show(clocks.error_s, 's')} of the coordinator's{which}"]


def drift(clock: WorkerClock) -> str:
    if clock.drift_ppm is None or clock.drift_error_ppm is None:
        return "unknown"
    return f"{clock.drift_ppm:+.1f} ± {clock.drift_error_ppm:.1f} ppm"


def clock_rows(clocks: NodeClocks) -> list[Sequence[str]]:
    """A row for each load process, in the order of `HEADS`."""
    return [
        (
            clock.worker,
            clock.node,
            f"{clock.exchanges:,}",
            f"± {show(clock.bound_s, 's')}",
            _after(clock),
            drift(clock),
            f"± {show(clock.error_s, 's')}",
        )
        for clock in clocks.workers
    ]


def _after(clock: WorkerClock) -> str:
    if clock.offset_s is None or clock.bound_after_s is None:
        return "not compared again"
    return f"{show(clock.offset_s, 's')} ± {show(clock.bound_after_s, 's')}"
