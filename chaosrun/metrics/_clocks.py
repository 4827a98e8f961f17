"""What the clocks of the load's nodes do to a time from the server's stamp to a receipt."""

from __future__ import annotations

from math import inf

from chaosrun.scoring.node_clocks import clock_bound, is_given, omitted
from chaosrun.scoring.verdict import Reading
from chaosrun.scoring.window import Window
from chaosrun.scoring.words import show


def widened(reading: Reading, window: Window, *, always_given: bool = False) -> Reading:
    """A one-way time with the error bound of the clocks in its interval.

    Where the bound is above 20% of it only the interval is known, which may keep or break a limit all the same.

    Args:
        always_given: the value stays, however wide the interval is.
    """
    bound = clock_bound(window.evidence.history)
    if bound is None:
        return Reading(None, 0.0, inf, note=omitted(None))
    if not bound:
        return reading
    low, high = max(0.0, reading.low - bound / 1e9), reading.high + bound / 1e9
    value = reading.value
    if value is None or always_given or is_given(value * 1e9, bound):
        return Reading(value, low, high, note=reading.note)
    within = f"between {show(low, 's')} and {show(high, 's')}"
    return Reading(None, low, high, note=f"{within} by clocks that agree to within {show(bound / 1e9, 's')}")
