"""What one clock says by another, from exchanges of the time. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Exchange(NamedTuple):
    """One question for the time and its answer, ns."""

    asked: int
    """By our clock."""
    theirs: int
    """What they answered, by their clock."""
    answered: int
    """By our clock."""


class Reading(NamedTuple):
    """How far their clock is ahead of ours, ns."""

    at: int
    """When it was so, by our clock."""
    offset_ns: int
    bound_ns: int
    """Off by no more than this, however the round trip was divided into there and back."""
    exchanges: int


def read_clock(exchanges: Iterable[Exchange]) -> Reading:
    """The offset by the exchange with the smallest round trip, as NTP's clock filter takes it (RFC 5905, section 10).

    Raises:
        ValueError: there is no exchange.
    """
    made = list(exchanges)
    best = min(made, key=lambda each: each.answered - each.asked)
    took = best.answered - best.asked
    at = best.asked + took // 2
    return Reading(at, best.theirs - at, (took + 1) // 2, len(made))
